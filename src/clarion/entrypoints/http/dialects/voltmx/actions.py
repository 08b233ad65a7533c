"""What can be done to a campaign: start, pause, resume, terminate, delete, and what counts its audience.

The sentences are the vendor's to the letter, its misspelling and trailing blanks too. Where to read next:
`application.lifecycle`, which decides.
"""

from __future__ import annotations

from typing import Final

from clarion.application import campaigns, lifecycle
from clarion.application.activation import rules_of
from clarion.application.ports import Transaction
from clarion.application.way_out import WayOut, ask_way_out
from clarion.domain.access import Permission
from clarion.domain.campaign import Campaign, CampaignState
from clarion.domain.errors import Conflict
from clarion.entrypoints.http.dialect import Answers
from clarion.entrypoints.http.dialects.voltmx.calls import Call, Reply, endpoint
from clarion.entrypoints.http.dialects.voltmx.campaigns import PATH, find_campaign

STARTED: Final = "Campaign execution intiated successfully. "
PAUSED: Final = "Campaign execution paused successfully. "
RESUMED: Final = "Campaign execution resumed successfully. "
STOPPED: Final = "Campaign execution stopped successfully. "
DELETED: Final = "Campaign deleted successfully"
PUBLISHED: Final = "Campaign published successfully"
_KEPT: Final = frozenset({CampaignState.RUNNING, CampaignState.COMPLETED, CampaignState.STOPPED, CampaignState.FAILED})


def _answers(message: str) -> Answers:
    return Answers("Done", Reply, example={"id": "3", "message": message})


def _reply(campaign: Campaign, message: str) -> dict[str, str]:
    return {"id": str(campaign.number), "message": message}


async def _ask_way_out(call: Call) -> WayOut:
    async with call.edge.database.reading() as tx:
        campaign = await find_campaign(tx, call)
    edge = call.edge
    return await ask_way_out(edge.database, edge.app.prober, account_id=call.account_id, campaign_id=campaign.id)


@endpoint(
    name="start_campaign",
    method="POST",
    path=f"{PATH}/{{id}}/start",
    summary="Start a campaign before its time",
    description="A Pending campaign runs from now on: its start date becomes now, its end date stays. Takes no body.",
    needs=(Permission.CAMPAIGNS_EXECUTE,),
    answers=_answers(STARTED),
    prepare=_ask_way_out,
)
async def start_campaign(tx: Transaction, call: Call) -> object:
    """Starts it; of many calls at once, one does."""
    campaign = await find_campaign(tx, call)
    await lifecycle.start(tx, account_id=call.account_id, campaign_id=campaign.id)
    call.way_out.confirm()
    return _reply(campaign, STARTED)


@endpoint(
    name="pause_campaign",
    method="POST",
    path=f"{PATH}/{{id}}/pause",
    summary="Pause a running campaign",
    needs=(Permission.CAMPAIGNS_EXECUTE,),
    answers=_answers(PAUSED),
    is_promise=True,
)
async def pause_campaign(tx: Transaction, call: Call) -> object:
    """Holds it; nothing leaves once this is answered."""
    campaign = await find_campaign(tx, call)
    await lifecycle.pause(tx, account_id=call.account_id, campaign_id=campaign.id)
    return _reply(campaign, PAUSED)


@endpoint(
    name="resume_campaign",
    method="POST",
    path=f"{PATH}/{{id}}/resume",
    summary="Resume a paused campaign",
    description="Whoever was not written to yet is. One whose end has passed meanwhile is Completed at once.",
    needs=(Permission.CAMPAIGNS_EXECUTE,),
    answers=_answers(RESUMED),
)
async def resume_campaign(tx: Transaction, call: Call) -> object:
    """Lets it go on."""
    campaign = await find_campaign(tx, call)
    await lifecycle.resume(tx, account_id=call.account_id, campaign_id=campaign.id)
    return _reply(campaign, RESUMED)


@endpoint(
    name="terminate_campaign",
    method="POST",
    path=f"{PATH}/{{id}}/terminate",
    summary="Terminate a campaign",
    description="Ends a Pending, Running or Paused campaign; whoever was not reached is not.",
    needs=(Permission.CAMPAIGNS_EXECUTE,),
    answers=_answers(STOPPED),
    is_promise=True,
)
async def terminate_campaign(tx: Transaction, call: Call) -> object:
    """Ends it; nothing leaves once this is answered."""
    campaign = await find_campaign(tx, call)
    await lifecycle.stop(tx, account_id=call.account_id, campaign_id=campaign.id)
    return _reply(campaign, STOPPED)


@endpoint(
    name="delete_campaign",
    method="POST",
    path=f"{PATH}/{{id}}/delete",
    summary="Delete a campaign",
    description=(
        "A Draft, Pending or Paused one. One that has written to somebody is stopped and put away, so that its reports "
        "stay; for this API it is gone as well."
    ),
    needs=(Permission.CAMPAIGNS_WRITE,),
    answers=_answers(DELETED),
    is_promise=True,
)
async def delete_campaign(tx: Transaction, call: Call) -> object:
    """Removes it, or puts it away when it has a run."""
    campaign = await find_campaign(tx, call, lock=True)
    if campaign.state in _KEPT:
        raise Conflict("CAMPAIGN_NOT_EDITABLE", "Only a Draft, Pending or Paused campaign can be deleted")
    account_id, campaign_id = call.account_id, campaign.id
    if campaign.state is CampaignState.PAUSED:
        await lifecycle.stop(tx, account_id=account_id, campaign_id=campaign_id)
    elif campaign.state is CampaignState.SCHEDULED:
        await lifecycle.reopen(tx, account_id=account_id, campaign_id=campaign_id)
    if campaign.state is CampaignState.PAUSED or campaign.started_at is not None:
        await lifecycle.archive(tx, account_id=account_id, campaign_id=campaign_id)
    else:
        await campaigns.delete_campaign(tx, account_id=account_id, campaign_id=campaign_id)
    return _reply(campaign, DELETED)


@endpoint(
    name="publish_campaign",
    method="POST",
    path=f"{PATH}/{{id}}/publish",
    summary="Publish a campaign (legacy)",
    description="Every campaign is published; nothing changes.",
    needs=(Permission.CAMPAIGNS_WRITE,),
    answers=_answers(PUBLISHED),
)
async def publish_campaign(tx: Transaction, call: Call) -> object:
    """Says what older callers wait for."""
    return _reply(await find_campaign(tx, call), PUBLISHED)


@endpoint(
    name="validate_campaign",
    method="GET",
    path=f"{PATH}/{{id}}/validate",
    summary="Count the audience of a campaign",
    needs=(Permission.CAMPAIGNS_READ,),
    answers=_answers("Campaign Criteria is valid. Audience Members Count: 1"),
)
async def validate_campaign(tx: Transaction, call: Call) -> object:
    """Counts whom the segments of a campaign select now."""
    campaign = await find_campaign(tx, call)
    rules = await rules_of(tx, call.account_id, campaign.segment_ids)
    audience = await tx.campaigns.count_audience(call.account_id, campaign, rules)
    return _reply(campaign, f"Campaign Criteria is valid. Audience Members Count: {audience.selected}")
