"""Campaigns as their authors handle them: create, read, change while a draft, copy, delete.

Starting, pausing and the rest of a campaign's life are in `lifecycle`; what is checked before a start in `activation`.
Every save of a message makes a new immutable revision.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from clarion.application import activation
from clarion.application.campaign_draft import NAME_LIMIT, CampaignDraft, laid_over
from clarion.application.ports import Transaction
from clarion.domain.campaign import Campaign, CampaignKind, CampaignState, Category
from clarion.domain.errors import Conflict, NotFound
from clarion.domain.ids import Id, new_id
from clarion.rendering.links import Links

_NUMBERS: Final = 2**63


async def create_campaign(tx: Transaction, *, account_id: Id, draft: CampaignDraft, links: Links) -> Campaign:
    """Stores a new draft; with `start_at` in the future it is checked like an activation and becomes scheduled.

    Runs in the caller's transaction.

    Raises:
        Invalid: with one problem per broken rule; nothing is stored.
    """
    now = await tx.campaigns.now()
    blank = Campaign(
        id=new_id(),
        name="",
        description=None,
        kind=CampaignKind.BROADCAST,
        category=Category.MARKETING,
        state=CampaignState.DRAFT,
        state_reason=None,
        group_ids=(),
        contact_ids=(),
        sender_id=None,
        revision_id=None,
        email=None,
        selected_count=None,
        include_conversation_history=False,
        auto_cancel_on_message_received=False,
        outreach_language=None,
        start_at=None,
        end_at=None,
        created_at=now,
        updated_at=now,
        started_at=None,
        rate_limited_until=None,
    )
    campaign = await laid_over(tx, account_id, blank, draft, links)
    await tx.campaigns.add(account_id, campaign)
    await _store_revision(tx, account_id, blank, campaign)
    return await _schedule_if_timed(tx, account_id, campaign.id, links)


async def get_campaign(tx: Transaction, *, account_id: Id, campaign_id: Id) -> Campaign:
    """Reads one campaign.

    Raises:
        NotFound: it is unknown or another account's.
    """
    campaign = await tx.campaigns.get(account_id, campaign_id)
    if campaign is None:
        raise NotFound("campaign")
    return campaign


async def find_by_number(tx: Transaction, *, account_id: Id, number: int) -> Campaign:
    """Reads the campaign that callers know by a whole number.

    Raises:
        NotFound: it is unknown or another account's, or no number a campaign can have.
    """
    campaign = await tx.campaigns.get_by_number(account_id, number) if 0 < number < _NUMBERS else None
    if campaign is None:
        raise NotFound("campaign")
    return campaign


async def list_campaigns(
    tx: Transaction, *, account_id: Id, after: Id | None, limit: int, state: CampaignState | None = None
) -> list[Campaign]:
    """Reads up to `limit` campaigns with ids above `after`, oldest first."""
    return await tx.campaigns.page(account_id, after, limit, state)


async def slice_campaigns(tx: Transaction, *, account_id: Id, skip: int, limit: int) -> tuple[int, list[Campaign]]:
    """Counts the campaigns that are not archived, and reads up to `limit` of them after the first `skip`, oldest first.

    For callers that page by place; one that begins deep in a long list is slower than `list_campaigns`.
    """
    return await tx.campaigns.slice(account_id, skip, limit)


async def update_campaign(
    tx: Transaction, *, account_id: Id, campaign_id: Id, draft: CampaignDraft, links: Links
) -> Campaign:
    """Changes a draft. Runs in the caller's transaction.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `CAMPAIGN_NOT_EDITABLE` when it is no draft any more.
        Invalid: with one problem per broken rule; nothing is stored.
    """
    before = await _draft_for_change(tx, account_id, campaign_id)
    campaign = await laid_over(tx, account_id, before, draft, links)
    await _store_revision(tx, account_id, before, campaign)
    await tx.campaigns.replace(account_id, campaign)
    return await _schedule_if_timed(tx, account_id, campaign_id, links)


async def delete_campaign(tx: Transaction, *, account_id: Id, campaign_id: Id) -> None:
    """Deletes a draft. Runs in the caller's transaction.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `CAMPAIGN_NOT_EDITABLE` when it is no draft any more or has a run: what ran is archived instead.
    """
    await _draft_for_change(tx, account_id, campaign_id)
    if not await tx.campaigns.remove(account_id, campaign_id):
        raise Conflict("CAMPAIGN_NOT_EDITABLE", "The campaign has run; archive it to put it away")


async def duplicate_campaign(tx: Transaction, *, account_id: Id, campaign_id: Id) -> Campaign:
    """Copies a campaign in any state into a new draft without a schedule. Runs in the caller's transaction.

    Raises:
        NotFound: it is unknown or another account's.
    """
    original = await get_campaign(tx, account_id=account_id, campaign_id=campaign_id)
    now = await tx.campaigns.now()
    copy = dataclasses.replace(
        original,
        id=new_id(),
        name=f"{original.name[: NAME_LIMIT - 7]} (copy)",
        state=CampaignState.DRAFT,
        state_reason=None,
        revision_id=new_id() if original.revision_id else None,
        selected_count=None,
        start_at=None,
        end_at=None,
        created_at=now,
        updated_at=now,
        started_at=None,
        rate_limited_until=None,
    )
    await tx.campaigns.add(account_id, copy)
    if copy.revision_id:
        await tx.campaigns.add_revision(account_id, copy)
    return await get_campaign(tx, account_id=account_id, campaign_id=copy.id)


async def _draft_for_change(tx: Transaction, account_id: Id, campaign_id: Id) -> Campaign:
    campaign = await tx.campaigns.get(account_id, campaign_id, lock=True)
    if campaign is None:
        raise NotFound("campaign")
    if campaign.state is not CampaignState.DRAFT:
        raise Conflict("CAMPAIGN_NOT_EDITABLE", f"The campaign is {campaign.state}; only a draft can be changed")
    return campaign


async def _store_revision(tx: Transaction, account_id: Id, before: Campaign, campaign: Campaign) -> None:
    if campaign.revision_id and campaign.revision_id != before.revision_id:
        await tx.campaigns.add_revision(account_id, campaign)


async def _schedule_if_timed(tx: Transaction, account_id: Id, campaign_id: Id, links: Links) -> Campaign:
    campaign = await get_campaign(tx, account_id=account_id, campaign_id=campaign_id)
    if campaign.start_at is None:
        return campaign
    activated = await activation.activate(tx, account_id=account_id, campaign_id=campaign_id, links=links)
    return activated.campaign
