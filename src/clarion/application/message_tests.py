"""Message tests: a campaign's message rendered for a few addresses, numbers and devices, and marked as a test.

Nothing is recorded in a ledger, and nothing is sent here: the caller does that, outside of any transaction. A test that
is a run is in `starts` and `tested_parts`. Where to read next: `preview`, `messages`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from clarion.application.campaigns import get_campaign
from clarion.application.contact_rules import Refusal as Misread
from clarion.application.contact_rules import read_phone
from clarion.application.messages import facts_of, plan_of_part
from clarion.application.ports import Transaction
from clarion.application.preview import contact_named, look_over_context, unrendered
from clarion.application.tested_parts import served_device
from clarion.domain.campaign import Campaign, Part
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Conflict, Invalid, Problem
from clarion.domain.ids import Id, new_id
from clarion.domain.outcome import Reason
from clarion.domain.sender import Sender
from clarion.rendering.addresses import AddressFault, parse_email
from clarion.rendering.email import WireEmail
from clarion.rendering.headers import date_header
from clarion.rendering.links import Links
from clarion.rendering.message import Refusal, WireMessage
from clarion.rendering.sms import WireSms
from clarion.rendering.sms_encoding import fitted

TEST_LIMIT: Final = 10
"""Messages of one test."""
TEST_MARK: Final = "[Test] "
_OF_ADDRESSES: Final = frozenset(
    {
        Reason.INVALID_ADDRESS,
        Reason.UNSUPPORTED_ADDRESS,
        Reason.UNROUTABLE,
        Reason.LANDLINE,
        Reason.COUNTRY_NOT_ALLOWED,
        Reason.NO_ORIGINATOR,
    }
)
"""Why there is no message to an address, whatever it would say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Testers:
    """Where a message test goes: email addresses, phone numbers in E.164, and ids of devices."""

    addresses: Sequence[str] = ()
    phones: Sequence[str] = ()
    devices: Sequence[str] = ()

    @property
    def by_channel(self) -> dict[ChannelName, tuple[str, Sequence[str]]]:
        """The name of the field and what it holds, of every channel that is asked for."""
        fields = {
            ChannelName.EMAIL: ("addresses", self.addresses),
            ChannelName.SMS: ("phones", self.phones),
            ChannelName.PUSH: ("devices", self.devices),
        }
        return {channel: field for channel, field in fields.items() if field[1]}


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTest:
    """What goes by one sender, and to whom, as the caller may read it: of a device, its id.

    `sealed_secrets` is the sender's, still sealed.
    """

    sender: Sender
    sealed_secrets: bytes | None
    recipients: tuple[str, ...]
    messages: tuple[WireMessage, ...]


class _Place(NamedTuple):
    """One recipient: the field that names it, what the caller reads, the part it is reached by, and its address."""

    field: str
    shown: str
    part: Part
    address: str


async def compose_message_test(
    tx: Transaction,
    *,
    account_id: Id,
    campaign_id: Id,
    testers: Testers,
    contact_id: Id | None,
    links: Links,
    context: Mapping[str, Any] | None = None,
) -> list[MessageTest]:
    """Renders up to 10 messages with one contact's data, by sender, marked in their subject, text or title.

    Each has a key of its own, so that no provider takes a second test for the first.

    Raises:
        NotFound: the campaign or the contact is unknown or another account's.
        Conflict: `WORKFLOW_NOT_READY` when it says nothing, `CHANNEL_NOT_CONNECTED` when a channel has no sender.
        Invalid: with one problem per recipient that is none, that is sent nothing, or by whose channel nothing is said.
    """
    campaign = await get_campaign(tx, account_id=account_id, campaign_id=campaign_id)
    _demand_said(campaign, testers)
    places = await _places(tx, account_id, campaign, testers)
    account, said = await tx.accounts.find(account_id), look_over_context(context)
    facts, date = facts_of(await contact_named(tx, account_id, contact_id)), date_header(datetime.now(UTC))
    problems: list[Problem] = []
    composed = []
    for part in dict.fromkeys(place.part for place in places):
        sender, sealed_secrets = await _sender(tx, account_id, part)
        name = account.name if account else ""
        plan = plan_of_part(
            _marked_subject(campaign),
            part.channel,
            account_id=account_id,
            account_name=name,
            sender=sender,
            links=links,
        )
        mine = [place for place in places if place.part == part]
        written = [plan.render(number, place.address, facts, date, said) for number, place in enumerate(mine, start=1)]
        problems += [_problem(place, one) for place, one in zip(mine, written, strict=True) if isinstance(one, Refusal)]
        messages = tuple(_marked(message) for message in written if not isinstance(message, Refusal))
        shown = tuple(place.shown for place in mine)
        composed.append(MessageTest(sender=sender, sealed_secrets=sealed_secrets, recipients=shown, messages=messages))
    if problems:
        raise Invalid.of(problems)
    return composed


def _demand_said(campaign: Campaign, testers: Testers) -> None:
    """Raises what is wrong with the channels that are asked for, before anybody on them is looked at."""
    asked = testers.by_channel
    if not 1 <= (count := sum(len(texts) for _, texts in asked.values())) <= TEST_LIMIT:
        rule = "maxItems" if count else "minItems"
        raise Invalid(Problem("addresses", rule, f"must be 1 to {TEST_LIMIT} addresses, phones and devices together"))
    if not campaign.said_on:
        raise Conflict("WORKFLOW_NOT_READY", "The campaign has no message")
    strange = [
        Problem(field, "channel", f"the campaign says nothing by {channel}")
        for channel, (field, _) in asked.items()
        if channel not in campaign.said_on
    ]
    if strange:
        raise Invalid.of(strange)
    for channel in asked:
        if not campaign.senders_of(channel):
            raise Conflict("CHANNEL_NOT_CONNECTED", f"The campaign has no sender for {channel}")


async def _places(tx: Transaction, account_id: Id, campaign: Campaign, testers: Testers) -> list[_Place]:
    read: list[_Place | Problem] = []
    for channel, (name, texts) in testers.by_channel.items():
        first = Part(channel, campaign.senders_of(channel)[0])
        for index, text in enumerate(texts):
            field = f"{name}[{index}]"
            if channel is not ChannelName.PUSH:
                read.append(_place(field, text, first))
                continue
            device = await served_device(tx, account_id, campaign, text, field)
            read.append(device if isinstance(device, Problem) else _Place(field, text, *device))
    problems = [one for one in read if isinstance(one, Problem)]
    if problems:
        raise Invalid.of(problems)
    return [one for one in read if isinstance(one, _Place)]


def _place(field: str, text: str, part: Part) -> _Place | Problem:
    read: str | AddressFault | Misread
    if part.channel is ChannelName.SMS:
        read = read_phone(text)
    else:
        address = parse_email(text)
        read = address if isinstance(address, AddressFault) else address.mailbox
    return _Place(field, read, part, read) if isinstance(read, str) else Problem(field, read.rule, read.message)


async def _sender(tx: Transaction, account_id: Id, part: Part) -> tuple[Sender, bytes | None]:
    found = await tx.senders.get_with_secrets(account_id, part.sender_id)
    if found is None:
        raise Conflict("CHANNEL_NOT_CONNECTED", f"The campaign has no sender for {part.channel}")
    return found


def _marked_subject(campaign: Campaign) -> Campaign:
    """The mark of an email is in its template, for what is rendered is signed and cannot be changed."""
    if campaign.email is None:
        return campaign
    return replace(campaign, email=replace(campaign.email, subject=TEST_MARK + campaign.email.subject))


def _marked(message: WireMessage) -> WireMessage:
    """A message that says it is a test, under a key of its own; the limits held for what its author wrote."""
    if isinstance(message, WireEmail):
        return message
    key = f"{new_id().hex()}-1"
    if isinstance(message, WireSms):
        text = TEST_MARK + message.text
        encoding, parts = fitted(text)
        return message._replace(text=text, encoding=encoding, parts=parts, key=key)
    if message.is_silent:
        return message._replace(key=key)
    if message.title:
        return message._replace(title=TEST_MARK + message.title, key=key)
    return message._replace(body=TEST_MARK + message.body, key=key)


def _problem(place: _Place, refusal: Refusal) -> Problem:
    if refusal.reason in _OF_ADDRESSES:
        return Problem(place.field, refusal.reason, refusal.detail)
    return unrendered(refusal)
