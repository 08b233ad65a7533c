"""Seeing a message before anyone gets it, as one contact would.

Nothing here is recorded in a ledger: a preview belongs to no run, and its links lead to no delivery. Where to read
next: `message_tests`, which sends some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from clarion.application.campaigns import get_campaign
from clarion.application.messages import STRANGER, facts_of, plan_of_part
from clarion.application.ports import Transaction
from clarion.domain.channel import ChannelName
from clarion.domain.contact import Contact
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem
from clarion.domain.ids import Id
from clarion.rendering.context import LookedOver, look_over
from clarion.rendering.headers import date_header
from clarion.rendering.links import Links
from clarion.rendering.message import Plan, Refusal
from clarion.rendering.plan import EmailPlan, Preview
from clarion.rendering.push import WirePush
from clarion.rendering.push_plan import PushPlan
from clarion.rendering.sms_plan import SmsPlan, Worded
from clarion.rendering.templates import RenderFault


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
    contact, said = await contact_named(tx, account_id, contact_id), look_over_context(context)
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
            raise Invalid(unrendered(seen))
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


def look_over_context(context: Mapping[str, Any] | None) -> LookedOver:
    """What templates see as `context`. Raises `Invalid` for what is no plain data."""
    try:
        return look_over(context or {})
    except RenderFault as fault:
        raise Invalid(Problem("context", "renders", str(fault))) from None


def unrendered(refusal: Refusal) -> Problem:
    """What is wrong when a message cannot be made of the named contact's data."""
    return Problem("contactId", "renders", f"{refusal.reason}: {refusal.detail}")


async def contact_named(tx: Transaction, account_id: Id, contact_id: Id | None) -> Contact | None:
    """The contact whose data is filled in, if one is named. Raises `NotFound` for a stranger."""
    if contact_id is None:
        return None
    contact = await tx.contacts.find(account_id, contact_id)
    if contact is None:
        raise NotFound("contact")
    return contact
