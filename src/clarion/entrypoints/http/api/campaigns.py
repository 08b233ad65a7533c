"""Campaigns as their authors handle them: create, list, read, change, delete, duplicate.

What happens to a campaign once it is written is in `campaign_verbs`; the models are in `campaign_models`.
"""

from __future__ import annotations

from typing import Any

from clarion.application.campaigns import (
    create_campaign,
    delete_campaign,
    duplicate_campaign,
    get_campaign,
    list_campaigns,
    update_campaign,
)
from clarion.application.ports import Transaction
from clarion.application.way_out import WayOut, ask_way_out
from clarion.domain.access import Permission
from clarion.domain.campaign import Campaign, CampaignState
from clarion.entrypoints.http.api.campaign_models import CampaignInput, CampaignPatch, CampaignView
from clarion.entrypoints.http.api.paging import Deleted, Page, PageQuery, after_id, page
from clarion.entrypoints.http.operation import Call, Nothing, operation


class CampaignsQuery(PageQuery, kw_only=True):
    """Which campaigns to list."""

    status: CampaignState | None = None


async def find(tx: Transaction, call: Call[Any, Any]) -> Campaign:
    """The campaign in the path."""
    return await get_campaign(tx, account_id=call.account_id, campaign_id=call.id("campaignId", "campaign"))


async def ask_first(call: Call[Any, Any]) -> WayOut:
    """Asks the way out of the campaign in the path, before the transaction of its start."""
    campaign_id, edge = call.id("campaignId", "campaign"), call.edge
    return await ask_way_out(edge.database, edge.app.prober, account_id=call.account_id, campaign_id=campaign_id)


@operation(
    name="createCampaign", method="POST", path="/campaigns", tag="campaigns", permission=Permission.CAMPAIGNS_WRITE,
    summary="Create a campaign", description="A draft; with `startAt` in the future it is checked and scheduled.",
    body=CampaignInput, data=CampaignView, status=201, statuses={409: "`CHANNEL_NOT_CONNECTED`"},
)  # fmt: skip
async def create(tx: Transaction, call: Call[CampaignInput, Nothing]) -> CampaignView:
    """Makes a draft."""
    draft = call.body.draft()
    return CampaignView.of(await create_campaign(tx, account_id=call.account_id, draft=draft, links=call.edge.links))


@operation(
    name="listCampaigns", method="GET", path="/campaigns", tag="campaigns", permission=Permission.CAMPAIGNS_READ,
    summary="List campaigns", description="In order of creation.", query=CampaignsQuery, data=Page[CampaignView],
)  # fmt: skip
async def list_all(tx: Transaction, call: Call[Nothing, CampaignsQuery]) -> Page[CampaignView]:
    """Reads one page."""
    rows = await list_campaigns(
        tx, account_id=call.account_id, after=after_id(call), limit=call.query.limit + 1, state=call.query.status
    )
    return page(call, rows, CampaignView.of, lambda campaign: campaign.id)


@operation(
    name="getCampaign", method="GET", path="/campaigns/{campaignId}", tag="campaigns",
    permission=Permission.CAMPAIGNS_READ, summary="Read a campaign",
    description="The fields a start answers, and everything its author wrote.", data=CampaignView,
)  # fmt: skip
async def read(tx: Transaction, call: Call[Nothing, Nothing]) -> CampaignView:
    """Reads one campaign."""
    return CampaignView.of(await find(tx, call))


@operation(
    name="updateCampaign", method="PATCH", path="/campaigns/{campaignId}", tag="campaigns",
    permission=Permission.CAMPAIGNS_WRITE, summary="Change a draft",
    description="Changes the given fields. A campaign that is no draft any more is refused.",
    body=CampaignPatch, data=CampaignView,
    statuses={409: "`CAMPAIGN_NOT_EDITABLE` or `CHANNEL_NOT_CONNECTED`"}, find=find,
)  # fmt: skip
async def update(tx: Transaction, call: Call[CampaignPatch, Nothing]) -> CampaignView:
    """Changes a draft."""
    campaign_id = call.id("campaignId", "campaign")
    changed = await update_campaign(
        tx, account_id=call.account_id, campaign_id=campaign_id, draft=call.body.draft(), links=call.edge.links
    )
    return CampaignView.of(changed)


@operation(
    name="deleteCampaign", method="DELETE", path="/campaigns/{campaignId}", tag="campaigns",
    permission=Permission.CAMPAIGNS_WRITE, summary="Delete a draft",
    description="A campaign that ran is archived instead.", data=Deleted, statuses={409: "`CAMPAIGN_NOT_EDITABLE`"},
)  # fmt: skip
async def delete(tx: Transaction, call: Call[Nothing, Nothing]) -> Deleted:
    """Deletes a draft."""
    campaign_id = call.id("campaignId", "campaign")
    await delete_campaign(tx, account_id=call.account_id, campaign_id=campaign_id)
    return Deleted(campaign_id.hex())


@operation(
    name="duplicateCampaign", method="POST", path="/campaigns/{campaignId}/duplicate", tag="campaigns",
    permission=Permission.CAMPAIGNS_WRITE, summary="Duplicate a campaign",
    description="Copies a campaign in any state into a new draft without a schedule.", data=CampaignView, status=201,
    find=find,
)  # fmt: skip
async def duplicate(tx: Transaction, call: Call[Nothing, Nothing]) -> CampaignView:
    """Copies a campaign."""
    campaign_id = call.id("campaignId", "campaign")
    return CampaignView.of(await duplicate_campaign(tx, account_id=call.account_id, campaign_id=campaign_id))


ROUTES = [create, list_all, read, update, delete, duplicate]
