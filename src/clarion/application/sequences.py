"""Sequences: campaigns over one group whose steps follow a date of each member. Named, renamed and listed here.

They are never started: firing their events is a later capability. Their names differ by more than capitals, archived
ones included. Where to read next: `campaign_events`.
"""

from __future__ import annotations

from datetime import datetime

from clarion.application.campaign_draft import CampaignDraft
from clarion.application.campaigns import create_campaign, update_campaign
from clarion.application.names import Named, require_unlike
from clarion.application.ports import Transaction
from clarion.domain.campaign import CampaignKind
from clarion.domain.errors import NotFound
from clarion.domain.ids import Id
from clarion.domain.sequence import Sequence
from clarion.rendering.links import Links


async def create_sequence(tx: Transaction, *, account_id: Id, name: str, group_id: Id, links: Links) -> Sequence:
    """Stores a new sequence over a group. Runs in the caller's transaction.

    Raises:
        Conflict: `NAME_TAKEN`.
        Invalid: the name breaks a rule, or there is no such group.
    """
    await require_unlike(tx, account_id=account_id, kind=Named.SEQUENCE, name=name)
    draft = CampaignDraft(kind=CampaignKind.SEQUENCE, name=name, groups=[group_id.hex()])
    campaign = await create_campaign(tx, account_id=account_id, draft=draft, links=links)
    return await get_sequence(tx, account_id=account_id, campaign_id=campaign.id)


async def update_sequence(
    tx: Transaction, *, account_id: Id, campaign_id: Id, name: str, group_id: Id, links: Links
) -> Sequence:
    """Gives a sequence a name and a group, and leaves its events as they are. Runs in the caller's transaction.

    Raises:
        NotFound: it is unknown, archived or another account's.
        Conflict: `NAME_TAKEN`.
        Invalid: the name breaks a rule, or there is no such group.
    """
    await get_sequence(tx, account_id=account_id, campaign_id=campaign_id)
    await require_unlike(tx, account_id=account_id, kind=Named.SEQUENCE, name=name, apart_from=campaign_id)
    draft = CampaignDraft(name=name, groups=[group_id.hex()])
    await update_campaign(tx, account_id=account_id, campaign_id=campaign_id, draft=draft, links=links)
    return await get_sequence(tx, account_id=account_id, campaign_id=campaign_id)


async def get_sequence(tx: Transaction, *, account_id: Id, campaign_id: Id) -> Sequence:
    """Reads one sequence.

    Raises:
        NotFound: it is unknown, archived or another account's.
    """
    found = await tx.sequences.newest(account_id, None, 1, only=campaign_id)
    if not found:
        raise NotFound("campaign")
    return found[0]


async def list_sequences(
    tx: Transaction,
    *,
    account_id: Id,
    before: Id | None,
    limit: int,
    only: Id | None = None,
    created_from: datetime | None = None,
    created_until: datetime | None = None,
) -> list[Sequence]:
    """Reads up to `limit` sequences with ids below `before`, newest first, without archived ones."""
    return await tx.sequences.newest(
        account_id, before, limit, only=only, created_from=created_from, created_until=created_until
    )
