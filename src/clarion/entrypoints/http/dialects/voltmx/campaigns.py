"""Campaigns: list, get, create, modify, and modify with a restart.

A campaign of this API is a broadcast whose audience is read again while it runs, until its end. Where to read next:
`wishes` (what a body asks for), `actions` (start, pause and the rest).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from clarion.application import campaigns, lifecycle
from clarion.application.ports import Transaction
from clarion.domain.access import Permission
from clarion.domain.campaign import Campaign, CampaignKind, CampaignState
from clarion.domain.errors import Conflict, NotFound
from clarion.entrypoints.http.dialect import Answers, Parameter
from clarion.entrypoints.http.dialects.voltmx.calls import PAGING, Call, Reply, endpoint, page_of
from clarion.entrypoints.http.dialects.voltmx.views import CampaignView, said_of, views_of
from clarion.entrypoints.http.dialects.voltmx.wishes import Wish, read_wish

PATH: Final = "/api/v1/campaigns"
_EXAMPLE: Final = {
    "name": "Spring letter",
    "campaignType": "",
    "zone": "(GMT+01:00) Berlin, Rome, Paris",
    "startDateStr": "03/20/2027 09:00:00 AM",
    "endDateStr": "03/31/2027 06:00:00 PM",
    "campaignSegments": [{"segment": {"id": 1, "name": "All Users"}}],
    "campaignMails": [
        {
            "subject": "Spring is here, ##First Name##",
            "contentType": "text/html",
            "senderEmail": "news@sender.example",
            "senderName": "News",
            "content": "<p>Hello ##First Name##</p>",
        }
    ],
    "campaignChannelPriorities": [],
}
_ENDED: Final = frozenset({CampaignState.COMPLETED, CampaignState.STOPPED})
_FUTURE: Final = frozenset({CampaignState.DRAFT, CampaignState.SCHEDULED})


class CampaignInput(msgspec.Struct, rename="camel"):
    """A campaign to create, or what it is to become. Counters and other fields are ignored."""

    name: str
    start_date_str: str
    end_date_str: str
    zone: str = ""
    campaign_type: str = ""
    campaign_segments: list[dict[str, Any]] = []
    campaign_messages: list[dict[str, Any]] = []
    campaign_mails: list[dict[str, Any]] = []
    campaign_sms: list[dict[str, Any]] = []
    campaign_voice_sms: list[dict[str, Any]] = []
    campaign_passes: list[dict[str, Any]] = []
    campaign_channel_priorities: list[dict[str, Any]] = []


class CampaignPage(msgspec.Struct):
    """A page of campaigns; `total` counts all of them."""

    total: int
    campaigns: list[CampaignView]


@endpoint(
    name="list_campaigns",
    method="GET",
    path=PATH,
    summary="List campaigns",
    needs=(Permission.CAMPAIGNS_READ,),
    parameters=PAGING,
    answers=Answers("A page, oldest first", CampaignPage),
)
async def list_campaigns(tx: Transaction, call: Call) -> object:
    """A page of campaigns."""
    skip, limit = page_of(call)
    total, found = await campaigns.slice_campaigns(tx, account_id=call.account_id, skip=skip, limit=limit)
    return CampaignPage(total, await views_of(tx, call.account_id, found))


@endpoint(
    name="get_campaign",
    method="GET",
    path=f"{PATH}/{{id}}",
    summary="Read a campaign",
    needs=(Permission.CAMPAIGNS_READ,),
    answers=Answers("The campaign", CampaignView),
)
async def get_campaign(tx: Transaction, call: Call) -> object:
    """One campaign."""
    return (await views_of(tx, call.account_id, [await find_campaign(tx, call)]))[0]


@endpoint(
    name="create_campaign",
    method="POST",
    path=PATH,
    summary="Create a campaign",
    description=(
        "Draft without a message, Pending with a start in the future, Running with one that is not. One mail is sent; "
        "messages of other channels are stored."
    ),
    needs=(Permission.CAMPAIGNS_WRITE,),
    body=CampaignInput,
    body_example=_EXAMPLE,
    answers=Answers("Stored", Reply, example={"message": "Details added successfully", "id": "3"}),
)
async def create_campaign(tx: Transaction, call: Call) -> object:
    """Stores a campaign, and starts it when its time has come."""
    wish = await read_wish(tx, call)
    now = await tx.campaigns.now()
    made = await campaigns.create_campaign(
        tx, account_id=call.account_id, draft=wish.draft(now, {}), links=call.edge.links
    )
    if wish.begins(now):
        await lifecycle.start(tx, account_id=call.account_id, campaign_id=made.id)
    return {"message": "Details added successfully", "id": str(made.number)}


@endpoint(
    name="modify_campaign",
    method="POST",
    path=f"{PATH}/{{id}}/modify",
    summary="Modify a campaign, or run it again",
    description=(
        "Replaces a Draft or Pending campaign. With `restart=true` it replaces a Completed or Terminated one, which "
        "then is Pending or Running by its new dates and writes to everybody again."
    ),
    needs=(Permission.CAMPAIGNS_WRITE,),
    parameters=(Parameter(name="restart", about="Run an ended campaign again", example="true"),),
    body=CampaignInput,
    body_example=_EXAMPLE,
    answers=Answers("Stored", Reply, example={"message": "Details updated successfully", "id": "3"}),
)
async def modify_campaign(tx: Transaction, call: Call) -> object:
    """Replaces a campaign, and starts it when its time has come."""
    before = await find_campaign(tx, call, lock=True)
    _refuse_state(before, restarts=call.query("restart").strip().lower() == "true")
    wish = await read_wish(tx, call, said_of(before))
    if before.state is not CampaignState.DRAFT:
        await lifecycle.reopen(tx, account_id=call.account_id, campaign_id=before.id)
    await _replace(tx, call, before, wish)
    return {"message": "Details updated successfully", "id": str(before.number)}


async def find_campaign(tx: Transaction, call: Call, *, lock: bool = False) -> Campaign:
    """The campaign in the path; with `lock`, nobody else changes it until the transaction ends. Raises `NotFound`."""
    found = await campaigns.find_by_number(tx, account_id=call.account_id, number=call.number("campaign"))
    if lock:
        found = await tx.campaigns.get(call.account_id, found.id, lock=True) or found
    if found.state is CampaignState.ARCHIVED:
        raise NotFound("campaign")
    return found


def _refuse_state(campaign: Campaign, *, restarts: bool) -> None:
    if campaign.kind is not CampaignKind.BROADCAST:
        raise Conflict("CAMPAIGN_NOT_EDITABLE", "Campaign was made elsewhere and has no segments to send to")
    if restarts and campaign.state not in _ENDED:
        raise Conflict("CAMPAIGN_NOT_RESTARTABLE", "Only a Completed or Terminated campaign can be restarted")
    if not restarts and campaign.state in _ENDED:
        raise Conflict("CAMPAIGN_NOT_EDITABLE", "Campaign has ended; modify it with restart=true to run it again")
    if not restarts and campaign.state not in _FUTURE:
        raise Conflict("CAMPAIGN_NOT_EDITABLE", "Only a Draft or Pending campaign can be modified; terminate it first")


async def _replace(tx: Transaction, call: Call, before: Campaign, wish: Wish) -> None:
    now = await tx.campaigns.now()
    await campaigns.update_campaign(
        tx,
        account_id=call.account_id,
        campaign_id=before.id,
        draft=wish.draft(now, before.extras),
        links=call.edge.links,
    )
    if wish.begins(now):
        await lifecycle.start(tx, account_id=call.account_id, campaign_id=before.id)
