"""Seeing a message before anyone gets it: rendered for a contact, or sent to a few addresses as a test.

Nothing here is recorded in a ledger: previews and tests belong to no run, and their links lead to no delivery.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, cast

from clarion.application.campaigns import get_campaign
from clarion.application.messages import STRANGER, facts_of, plan_of_campaign, plan_of_part
from clarion.application.ports import Transaction
from clarion.domain.campaign import Campaign
from clarion.domain.channel import ChannelName
from clarion.domain.contact import Contact
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem
from clarion.domain.ids import Id
from clarion.domain.sender import Sender
from clarion.rendering.addresses import AddressFault, parse_email
from clarion.rendering.context import LookedOver, look_over
from clarion.rendering.email import WireEmail
from clarion.rendering.headers import date_header
from clarion.rendering.links import Links
from clarion.rendering.message import Plan, Refusal
from clarion.rendering.plan import EmailPlan, Preview
from clarion.rendering.push import WirePush
from clarion.rendering.push_plan import PushPlan
from clarion.rendering.sms_plan import SmsPlan, Worded
from clarion.rendering.templates import RenderFault

TEST_LIMIT: Final = 10
"""Addresses of one test send."""
TEST_MARK: Final = "[Test] "


@dataclass(frozen=True, slots=True)
class TestMail:
    """What a test send puts on the wire, and on which sender. `sealed_secrets` is the sender's, still sealed."""

    __test__ = False

    sender: Sender
    sealed_secrets: bytes | None
    messages: tuple[WireEmail, ...]


@dataclass(frozen=True, slots=True)
class Previews:
    """A campaign's messages as one person would get them, by channel; None where nothing is said."""

    email: Preview | None
    sms: Worded | None
    push: WirePush | None
    warnings: tuple[str, ...]


async def preview(
    tx: Transaction,
    *,
    account_id: Id,
    campaign_id: Id,
    contact_id: Id | None,
    links: Links,
    context: Mapping[str, Any] | None = None,
) -> Previews:
    """Renders the campaign's messages as one contact would see them; without a contact every name is empty.

    `context` is what a call or the start of a run would say. Where the contact has no number or no device, the message
    is shown as somebody's with one.

    Raises:
        NotFound: the campaign or the contact is unknown or another account's.
        Conflict: `WORKFLOW_NOT_READY` when there is no message yet.
        Invalid: a message cannot be rendered with this contact's data.
    """
    campaign = await get_campaign(tx, account_id=account_id, campaign_id=campaign_id)
    if not campaign.said_on:
        raise Conflict("WORKFLOW_NOT_READY", "The campaign has no message")
    contact, said = await _contact(tx, account_id, contact_id), _said(context)
    account = await tx.accounts.find(account_id)
    found: dict[ChannelName, Preview | Worded | WirePush] = {}
    warnings: list[str] = []
    for channel in campaign.said_on:
        sender_id = next(iter(campaign.senders_of(channel)), None)
        plan = plan_of_part(
            campaign,
            channel,
            account_id=account_id,
            account_name=account.name if account else "",
            sender=await tx.senders.get(account_id, sender_id) if sender_id else None,
            links=links,
        )
        seen = _seen(plan, contact, said)
        if isinstance(seen, Refusal):
            raise Invalid(_unrendered(seen))
        found[channel] = seen
        warnings += [*plan.warnings, *_unreached(plan, contact)]
    email, sms, push = (found.get(channel) for channel in ChannelName)
    return Previews(
        email=email if isinstance(email, Preview) else None,
        sms=sms if isinstance(sms, Worded) else None,
        push=push if isinstance(push, WirePush) else None,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _seen(plan: Plan, contact: Contact | None, said: LookedOver) -> Preview | Worded | WirePush | Refusal:
    facts = facts_of(contact)
    if isinstance(plan, SmsPlan):
        return plan.worded(0, facts, said)
    if isinstance(plan, PushPlan):
        return plan.preview(facts, said)
    address = contact.email if contact and contact.email else STRANGER
    return cast("EmailPlan", plan).preview(address, facts, date_header(datetime.now(UTC)), said)


def _unreached(plan: Plan, contact: Contact | None) -> list[str]:
    """Why a contact's number is sent nothing, whatever the text message says."""
    if not isinstance(plan, SmsPlan) or contact is None or contact.phone is None:
        return []
    way = plan.way(contact.phone)
    return [f"the contact gets no text message: {way.detail}"] if isinstance(way, Refusal) else []


async def compose_test(
    tx: Transaction,
    *,
    account_id: Id,
    campaign_id: Id,
    addresses: Sequence[str],
    contact_id: Id | None,
    links: Links,
    context: Mapping[str, Any] | None = None,
) -> TestMail:
    """Renders the message for up to 10 addresses with one contact's data, marked as a test in its subject.

    The caller sends it outside of any transaction.

    Raises:
        NotFound: the campaign or the contact is unknown or another account's.
        Conflict: `WORKFLOW_NOT_READY` or `CHANNEL_NOT_CONNECTED` when message or sender is missing.
        Invalid: with one problem per address that is none.
    """
    mailboxes = _mailboxes(addresses)
    _, plan, sender = await _compiled(tx, account_id, campaign_id, links, mark=TEST_MARK)
    if sender is None:
        raise Conflict("CHANNEL_NOT_CONNECTED", "The campaign has no sender")
    facts = facts_of(await _contact(tx, account_id, contact_id))
    date, said = date_header(datetime.now(UTC)), _said(context)
    rendered = [plan.render(number, mailbox, facts, date, said) for number, mailbox in enumerate(mailboxes, start=1)]
    problems = [_unrendered(mail) for mail in rendered if isinstance(mail, Refusal)]
    if problems:
        raise Invalid.of(problems)
    sealed = await tx.senders.sealed_secrets(sender.id)
    return TestMail(sender, sealed, tuple(mail for mail in rendered if isinstance(mail, WireEmail)))


def _said(context: Mapping[str, Any] | None) -> LookedOver:
    """What templates see as `context`. Raises `Invalid` for what is no plain data."""
    try:
        return look_over(context or {})
    except RenderFault as fault:
        raise Invalid(Problem("context", "renders", str(fault))) from None


def _unrendered(refusal: Refusal) -> Problem:
    return Problem("contactId", "renders", f"{refusal.reason}: {refusal.detail}")


def _mailboxes(addresses: Sequence[str]) -> list[str]:
    if not 1 <= len(addresses) <= TEST_LIMIT:
        raise Invalid(Problem("addresses", "maxItems", f"1 to {TEST_LIMIT} addresses"))
    parsed = [parse_email(address) for address in addresses]
    problems = [
        Problem(f"addresses[{index}]", address.rule, address.message)
        for index, address in enumerate(parsed)
        if isinstance(address, AddressFault)
    ]
    if problems:
        raise Invalid.of(problems)
    return [address.mailbox for address in parsed if not isinstance(address, AddressFault)]


async def _compiled(
    tx: Transaction, account_id: Id, campaign_id: Id, links: Links, *, mark: str
) -> tuple[Campaign, EmailPlan, Sender | None]:
    campaign = await get_campaign(tx, account_id=account_id, campaign_id=campaign_id)
    if campaign.email is None:
        raise Conflict("WORKFLOW_NOT_READY", "The campaign has no email")
    account = await tx.accounts.find(account_id)
    sender = await tx.senders.get(account_id, campaign.sender_id) if campaign.sender_id else None
    plan = plan_of_campaign(
        campaign,
        replace(campaign.email, subject=mark + campaign.email.subject),
        account_id=account_id,
        account_name=account.name if account else "",
        sender=sender,
        links=links,
    )
    return campaign, plan, sender


async def _contact(tx: Transaction, account_id: Id, contact_id: Id | None) -> Contact | None:
    if contact_id is None:
        return None
    contact = await tx.contacts.find(account_id, contact_id)
    if contact is None:
        raise NotFound("contact")
    return contact
