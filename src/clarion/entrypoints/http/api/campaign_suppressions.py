"""Addresses that one campaign must not write to, as callers see them.

Owns their models and routes, never what they mean: that is `application.campaign_suppressions`. Those of the whole
account are in `suppressions`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from clarion.application.campaign_suppressions import (
    find_campaign_suppression,
    lift_campaign_suppression,
    list_campaign_suppressions,
    suppress_for_campaign,
)
from clarion.application.ports import Transaction
from clarion.domain.access import Permission
from clarion.domain.channel import ChannelName
from clarion.domain.suppression import CampaignSuppression
from clarion.entrypoints.http.api.campaigns import find
from clarion.entrypoints.http.api.paging import Deleted, HexId, Page, PageQuery, page, position
from clarion.entrypoints.http.api.suppressions import id_of, mark_of, named, place
from clarion.entrypoints.http.operation import Answer, Call, Nothing, operation

Address = Annotated[str, Meta(min_length=1, max_length=320, examples=["ada@lovelace.example"])]


class CampaignSuppressionInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An address that this campaign must not write to, in any spelling."""

    address: Address
    channel: ChannelName = ChannelName.EMAIL


class CampaignSuppressionView(msgspec.Struct, rename="camel"):
    """A stored one. It holds for this campaign whatever its category."""

    id: str
    campaign_id: HexId
    channel: ChannelName
    address: str
    """The address in its canonical spelling, by which all its spellings are recognised."""
    created_at: datetime

    @classmethod
    def of(cls, suppression: CampaignSuppression) -> CampaignSuppressionView:
        """The suppression as callers see it."""
        return cls(
            id=id_of(suppression.channel, suppression.address_key),
            campaign_id=suppression.campaign_id.hex(),
            channel=suppression.channel,
            address=suppression.address_key,
            created_at=suppression.created_at,
        )


@operation(
    name="addCampaignSuppression", method="POST", path="/campaigns/{campaignId}/suppressions", tag="suppressions",
    permission=Permission.CONTACTS_WRITE, summary="Suppress an address for one campaign",
    description="Holds for its next message, whatever its category.",
    body=CampaignSuppressionInput, data=CampaignSuppressionView, status=201, promises=True,
    statuses={200: "It was suppressed already."}, find=find,
)  # fmt: skip
async def add(tx: Transaction, call: Call[CampaignSuppressionInput, Nothing]) -> Answer:
    """Suppresses one address for one campaign."""
    campaign_id, given = call.id("campaignId", "campaign"), call.body
    told = {"account_id": call.account_id, "campaign_id": campaign_id}
    is_new = await suppress_for_campaign(tx, **told, channel=given.channel, address=given.address)
    stored = await find_campaign_suppression(tx, **told, channel=given.channel, address=given.address)
    return Answer(CampaignSuppressionView.of(stored), 201 if is_new else 200)


@operation(
    name="listCampaignSuppressions", method="GET", path="/campaigns/{campaignId}/suppressions", tag="suppressions",
    permission=Permission.CONTACTS_READ, summary="List the suppressions of a campaign",
    description="Ordered by channel and address.", query=PageQuery, data=Page[CampaignSuppressionView], find=find,
)  # fmt: skip
async def list_all(tx: Transaction, call: Call[Nothing, PageQuery]) -> Page[CampaignSuppressionView]:
    """Reads one page."""
    at = position(call)
    rows = await list_campaign_suppressions(
        tx,
        account_id=call.account_id,
        campaign_id=call.id("campaignId", "campaign"),
        after=None if at is None else place(at),
        limit=call.query.limit + 1,
    )
    return page(call, rows, CampaignSuppressionView.of, lambda row: mark_of(row.channel, row.address_key))


@operation(
    name="liftCampaignSuppression", method="DELETE", path="/campaigns/{campaignId}/suppressions/{suppressionId}",
    tag="suppressions", permission=Permission.CONTACTS_WRITE, summary="Lift a suppression of a campaign",
    description="The campaign may write to the address again.", data=Deleted,
)  # fmt: skip
async def lift(tx: Transaction, call: Call[Nothing, Nothing]) -> Deleted:
    """Lifts one suppression of a campaign."""
    channel, address = named(call.request.path_params["suppressionId"])
    campaign_id = call.id("campaignId", "campaign")
    await lift_campaign_suppression(
        tx, account_id=call.account_id, campaign_id=campaign_id, channel=channel, address=address
    )
    return Deleted(call.request.path_params["suppressionId"])


ROUTES = [add, list_all, lift]
