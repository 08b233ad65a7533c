"""Where a recipient of a call is written to: in which part of the open run, at which address, or why not there.

Pure. Asks in the order in which freezing an audience does, so that a call and an audience agree about everyone. Where
to read next: `intake`, `adapters/postgres/reach`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from clarion.application.calls import KnownRecipient
from clarion.application.ports.intake import CalledCampaign, Found, FoundDevice, OpenRun, Reached
from clarion.domain.campaign import Category
from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason


class Destination(NamedTuple):
    """One delivery of a recipient; with a reason it is skipped."""

    run: OpenRun
    address: str | None
    reason: Reason | None
    device_id: Id | None = None


def destinations(
    campaign: CalledCampaign, recipient: KnownRecipient, found: Found, reached: Reached
) -> Iterator[Destination]:
    """The deliveries of one recipient, part by part."""
    ways = {run.channel: _way(campaign, recipient, found, reached, run.channel) for run in campaign.runs}
    if campaign.picks_first:
        chosen = next((way for way in ways.values() if way.reason is None), next(iter(ways.values())))
        ways = {chosen.channel: chosen}
    for way in ways.values():
        yield from way.spread(campaign.runs)


class _Way(NamedTuple):
    """Whether a recipient is reached on a channel; by push at these devices."""

    channel: ChannelName
    address: str | None
    reason: Reason | None
    devices: tuple[FoundDevice, ...] = ()

    def spread(self, runs: tuple[OpenRun, ...]) -> Iterator[Destination]:
        """What that comes to in the parts of the channel."""
        parts = [run for run in runs if run.channel is self.channel]
        if self.channel is not ChannelName.PUSH or self.reason is not None:
            yield Destination(parts[0], self.address, self.reason)
            return
        for device in self.devices:
            part = next(run for run in parts if _serves(run, device))
            yield Destination(part, device.address, _listed(device.suppressed_by), device.id)


def _way(
    campaign: CalledCampaign, recipient: KnownRecipient, found: Found, reached: Reached, channel: ChannelName
) -> _Way:
    if channel is ChannelName.PUSH:
        return _by_push(campaign, recipient, found, reached)
    is_email = channel is ChannelName.EMAIL
    address = _mailbox(campaign, recipient, found) if is_email else _number(recipient, reached)
    given = recipient.others.get(channel)
    has_fault = recipient.has_fault if is_email else given is not None and given.key is None
    consent = found.consent_email if is_email else reached.consent_sms
    suppressed_by = found.suppressed_by if is_email else reached.sms_suppressed_by
    if reason := _blocked(found) or (Reason.NO_ADDRESS if address is None else None):
        return _Way(channel, address, reason)
    if has_fault:
        return _Way(channel, address, Reason.INVALID_ADDRESS)
    return _Way(channel, address, _unwanted(campaign, consent=consent) or _listed(suppressed_by))


def _mailbox(campaign: CalledCampaign, recipient: KnownRecipient, found: Found) -> str | None:
    if recipient.address is not None:
        return recipient.address
    # A campaign that looks nobody up writes to the identity itself, when that is an address.
    return recipient.shown if campaign.high_throughput and recipient.namespace == "email" else found.email


def _number(recipient: KnownRecipient, reached: Reached) -> str | None:
    given = recipient.others.get(ChannelName.SMS)
    return given.address if given else reached.phone


def _by_push(campaign: CalledCampaign, recipient: KnownRecipient, found: Found, reached: Reached) -> _Way:
    given = recipient.others.get(ChannelName.PUSH)
    known = reached.devices
    if given is not None:
        known = (FoundDevice(None, *recipient.push_to, given.address, reached.push_suppressed_by),)
    parts = [run for run in campaign.runs if run.channel is ChannelName.PUSH]
    devices = tuple(device for device in known if any(_serves(run, device) for run in parts))
    if reason := _blocked(found) or (None if devices else Reason.NO_ADDRESS):
        return _Way(ChannelName.PUSH, None, reason)
    if given is not None and given.key is None:
        return _Way(ChannelName.PUSH, given.address, Reason.INVALID_ADDRESS)
    reasons = {_listed(device.suppressed_by) for device in devices}
    reason = _unwanted(campaign, consent=reached.consent_push)
    if reason is None and None not in reasons:
        reason = Reason.UNSUBSCRIBED if reasons == {Reason.UNSUBSCRIBED} else Reason.SUPPRESSED
    return _Way(ChannelName.PUSH, given.address if given and reason else None, reason, devices)


def _serves(run: OpenRun, device: FoundDevice) -> bool:
    """Whether a device is one of a part's; what a call leaves open about its own fits any."""
    return device.app in {None, run.app} and device.platform in {None, run.platform}


def _blocked(found: Found) -> Reason | None:
    return Reason.CONTACT_BLOCKED if found.status not in {None, "active"} else None


def _unwanted(campaign: CalledCampaign, *, consent: bool | None) -> Reason | None:
    return Reason.NO_CONSENT if campaign.category is Category.MARKETING and consent is False else None


def _listed(suppressed_by: str | None) -> Reason | None:
    if suppressed_by is None:
        return None
    return Reason.UNSUBSCRIBED if suppressed_by == "unsubscribed" else Reason.SUPPRESSED
