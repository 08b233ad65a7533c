"""Where a test run goes: each of a campaign's parts to one address that the people of the account own.

Emails go to the address they are from. A text message or a push message needs to be told where, for nobody reads what
is sent to a sender of those. Nothing is sent here. Where to read next: `starts`.
"""

from __future__ import annotations

from collections.abc import Mapping

from clarion.application.contact_rules import Refusal, read_phone
from clarion.application.ports import Transaction
from clarion.domain.campaign import Campaign, Part
from clarion.domain.channel import ChannelName
from clarion.domain.device import PLATFORM_OF, Device, Platform
from clarion.domain.errors import Conflict, Invalid, Problem
from clarion.domain.ids import Id, parse_id
from clarion.domain.providers.push import Apns, Fcm, WebPush
from clarion.domain.push_address import WebSubscription
from clarion.rendering.addresses import AddressFault, parse_mailbox


async def tested_parts(
    tx: Transaction, account_id: Id, campaign: Campaign, addresses: Mapping[ChannelName, str]
) -> dict[Part, str]:
    """The parts of a campaign that a test sends, and where each goes; a channel without an address is left out.

    Raises:
        Conflict: `CHANNEL_NOT_CONNECTED`: its emails are from no address.
        Invalid: an address that is none, is of a channel on which nothing is said, or is missing altogether.
    """
    said = {part.channel for part in campaign.parts}
    strange = [
        Problem(f"testAddresses.{channel}", "channel", f"the campaign says nothing by {channel}")
        for channel in addresses
        if channel not in said
    ]
    if strange:
        raise Invalid.of(strange)
    found = {}
    if ChannelName.PUSH in addresses:
        device = await served_device(tx, account_id, campaign, addresses[ChannelName.PUSH], "testAddresses.push")
        if isinstance(device, Problem):
            raise Invalid(device)
        found[device[0]] = device[1]
    for part in campaign.parts:
        if part.channel is ChannelName.EMAIL:
            found[part] = await _own_mailbox(tx, account_id, campaign, part.sender_id)
        elif part.channel is ChannelName.SMS and part.channel in addresses:
            found[part] = _number(addresses[part.channel])
    if not found:
        missing = ", ".join(sorted(said))
        raise Invalid(Problem("testAddresses", "required", f"a test by {missing} needs an address to go to"))
    return {part: found[part] for part in campaign.parts if part in found}


async def served_device(
    tx: Transaction, account_id: Id, campaign: Campaign, text: str, field: str
) -> tuple[Part, str] | Problem:
    """The part of a campaign that serves the device with this id, and its address; else what is wrong with `field`."""
    device_id = parse_id(text)
    device = await tx.devices.get(account_id, device_id) if device_id else None
    if device is None or device.retired_at is not None:
        return Problem(field, "exists", "there is no such device that is written to")
    for part in campaign.parts:
        sender = await tx.senders.get(account_id, part.sender_id) if part.channel is ChannelName.PUSH else None
        provider = sender.provider if sender else None
        if not isinstance(provider, Fcm | Apns | WebPush):
            continue
        if (provider.app, PLATFORM_OF[provider.name]) == (device.app, device.platform):
            return part, _address_of(device)
    return Problem(field, "channel", "none of the campaign's push senders serves this device")


def _address_of(device: Device) -> str:
    """What a delivery to this device has as its address."""
    if device.platform is not Platform.WEB:
        return device.token
    return WebSubscription(device.token, device.p256dh or "", device.auth or "").packed()


async def _own_mailbox(tx: Transaction, account_id: Id, campaign: Campaign, sender_id: Id) -> str:
    """The address that the campaign's emails are from."""
    sender = await tx.senders.get(account_id, sender_id)
    if sender is None:
        raise Conflict("CHANNEL_NOT_CONNECTED", "The campaign has no sender")
    read = parse_mailbox((campaign.email.from_ if campaign.email else None) or sender.from_address)
    if isinstance(read, AddressFault):
        raise Conflict("CHANNEL_NOT_CONNECTED", "The message is from no address")
    return read.address.mailbox


def _number(text: str) -> str:
    read = read_phone(text)
    if isinstance(read, Refusal):
        raise Invalid(Problem("testAddresses.sms", read.rule, read.message))
    return read
