"""Campaign events: the steps of sequences, each so long before or after a date of a contact.

They are checked, stored and shown in full; firing them on time is a later capability. Where to read next: `sequences`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final

from clarion.application.contact_fields import list_fields
from clarion.application.ports import Transaction
from clarion.application.sequences import get_sequence
from clarion.domain.campaign_event import CampaignEvent, EventUnit
from clarion.domain.contact_field import FieldType
from clarion.domain.errors import Invalid, NotFound, Problem
from clarion.domain.ids import Id, new_id

OWN_DATES: Final = {"created_on": "Created On", "last_seen_on": "Last Seen On"}
"""A contact's own dates that an event may follow, and what they are called."""
HOURS: Final = range(-1, 24)
"""Hours of delivery; -1 keeps the time of day of the date."""
OFFSETS: Final = range(-(2**31), 2**31)


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignEventDraft:
    """What an author says of an event; all of it, each time."""

    relative_to: str
    offset: int
    unit: EventUnit
    delivery_hour: int
    message: dict[str, str]


async def create_campaign_event(
    tx: Transaction, *, account_id: Id, campaign_id: Id, draft: CampaignEventDraft
) -> CampaignEvent:
    """Stores a new event of a sequence. Runs in the caller's transaction.

    Raises:
        NotFound: there is no such sequence.
        Invalid: with one problem per broken rule.
    """
    sequence = await get_sequence(tx, account_id=account_id, campaign_id=campaign_id)
    await _check(tx, account_id, draft)
    event = CampaignEvent(
        id=new_id(),
        campaign_id=campaign_id,
        campaign_name=sequence.name,
        created_at=await tx.campaigns.now(),
        **_said(draft),
    )
    await tx.campaign_events.add(account_id, event)
    return await get_campaign_event(tx, account_id=account_id, event_id=event.id)


async def update_campaign_event(
    tx: Transaction, *, account_id: Id, event_id: Id, draft: CampaignEventDraft
) -> CampaignEvent:
    """Overwrites an event; its id and its campaign stay. Runs in the caller's transaction.

    Raises:
        NotFound: it is unknown, deleted or another account's.
        Invalid: with one problem per broken rule.
    """
    event = await get_campaign_event(tx, account_id=account_id, event_id=event_id)
    await _check(tx, account_id, draft)
    changed = dataclasses.replace(event, **_said(draft))
    await tx.campaign_events.replace(account_id, changed)
    return changed


async def delete_campaign_event(tx: Transaction, *, account_id: Id, event_id: Id) -> None:
    """Takes an event out of its sequence; its row stays. Runs in the caller's transaction.

    Raises:
        NotFound: it is unknown, already deleted or another account's.
    """
    if not await tx.campaign_events.remove(account_id, event_id):
        raise NotFound("campaign event")


async def get_campaign_event(tx: Transaction, *, account_id: Id, event_id: Id) -> CampaignEvent:
    """Reads one event.

    Raises:
        NotFound: it is unknown, deleted or another account's.
    """
    found = await tx.campaign_events.newest(account_id, None, 1, only=event_id)
    if not found:
        raise NotFound("campaign event")
    return found[0]


async def list_campaign_events(
    tx: Transaction,
    *,
    account_id: Id,
    before: Id | None,
    limit: int,
    only: Id | None = None,
    campaign_id: Id | None = None,
    campaign_name: str | None = None,
) -> list[CampaignEvent]:
    """Reads up to `limit` events with ids below `before`, newest first; those of archived sequences too."""
    return await tx.campaign_events.newest(
        account_id, before, limit, only=only, campaign_id=campaign_id, campaign_name=campaign_name
    )


async def _check(tx: Transaction, account_id: Id, draft: CampaignEventDraft) -> None:
    problems = []
    if draft.relative_to not in OWN_DATES:
        fields = {field.key: field for field in await list_fields(tx, account_id=account_id)}
        field = fields.get(draft.relative_to)
        if field is None:
            problems.append(Problem("relative_to", "exists", f"No such object: {draft.relative_to}"))
        elif field.type is not FieldType.DATETIME:
            problems.append(Problem("relative_to", "type", "Must be a field that holds a date."))
    if draft.offset not in OFFSETS:
        problems.append(Problem("offset", "maximum", "Must be a whole number of 32 bits."))
    if draft.delivery_hour not in HOURS:
        problems.append(Problem("delivery_hour", "maximum", "Must be an hour from 0 to 23, or -1."))
    if not draft.message:
        problems.append(Problem("message", "required", "An event needs a text."))
    if problems:
        raise Invalid.of(problems)


def _said(draft: CampaignEventDraft) -> dict[str, Any]:
    return {field.name: getattr(draft, field.name) for field in dataclasses.fields(draft)}
