"""A campaign's life after its draft: start, pause, resume, stop, archive.

Each call locks the campaign, checks the one table of transitions and moves campaign and run together; a second call
finds the state changed and is refused. After committing a pause or a stop, the caller waits on `Transaction.barrier`
before answering, so that the answer is a promise. Where to read next: `pipeline`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clarion.application.activation import problems_of
from clarion.application.ports import Transaction
from clarion.domain.campaign import CAMPAIGN_TRANSITIONS, AudienceCount, Campaign, CampaignState, RunState
from clarion.domain.errors import Conflict, NotFound
from clarion.domain.ids import Id, new_id

_CANNOT_START: Final = {
    "audience": ("CAMPAIGN_HAS_NO_LEADS", "No contact is selected"),
    "senderId": ("CHANNEL_NOT_CONNECTED", "The campaign has no sender"),
    "message.email": ("WORKFLOW_NOT_READY", "The campaign has no message"),
}


@dataclass(frozen=True, slots=True)
class Started:
    """What a start did: the campaign as it is now, and how many deliveries it set going.

    `triggered` is true because the campaign's own message flow was fired by this call.
    """

    campaign: Campaign
    triggered: bool
    instances_created: int


async def start(tx: Transaction, *, account_id: Id, campaign_id: Id) -> Started:
    """Starts a draft or scheduled campaign: one run over the audience as it is at this moment.

    Answers in milliseconds whatever the audience, because recipients are frozen afterwards, slice by slice, as of this
    moment. Runs in the caller's transaction.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: with a code for the state or the missing part that keeps it from starting.
    """
    campaign = await _locked(tx, account_id, campaign_id)
    if CampaignState.RUNNING not in CAMPAIGN_TRANSITIONS[campaign.state] or campaign.state is CampaignState.PAUSED:
        raise _start_refusal(campaign.state)
    for problem in problems_of(campaign, AudienceCount(1, 1)):
        raise Conflict(*_CANNOT_START[problem.field])
    audience = await tx.runs.open(account_id, campaign, new_id())
    if audience.selected == 0:
        raise Conflict(*_CANNOT_START["audience"])
    await tx.campaigns.mark_started(account_id, campaign_id, audience.selected)
    await tx.announce_work()
    return Started(await _read(tx, account_id, campaign_id), triggered=True, instances_created=audience.eligible)


async def pause(tx: Transaction, *, account_id: Id, campaign_id: Id) -> Campaign:
    """Holds a running campaign; what is on the wire finishes, nothing new goes out.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `CAMPAIGN_NOT_RUNNING`.
    """
    await _move(tx, account_id, campaign_id, CampaignState.PAUSED, "CAMPAIGN_NOT_RUNNING")
    await tx.runs.move_active(campaign_id, RunState.PAUSED)
    return await _read(tx, account_id, campaign_id)


async def resume(tx: Transaction, *, account_id: Id, campaign_id: Id) -> Campaign:
    """Lets a paused campaign go on exactly where it was held.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `CAMPAIGN_NOT_PAUSED`.
    """
    campaign = await _locked(tx, account_id, campaign_id)
    if campaign.state is not CampaignState.PAUSED:
        raise Conflict("CAMPAIGN_NOT_PAUSED", f"The campaign is {campaign.state}; only a paused one can be resumed")
    await tx.campaigns.move(account_id, campaign_id, frozenset({campaign.state}), CampaignState.RUNNING)
    await tx.runs.move_active(campaign_id, RunState.SENDING)
    await tx.announce_work()
    return await _read(tx, account_id, campaign_id)


async def stop(tx: Transaction, *, account_id: Id, campaign_id: Id, reason: str | None = None) -> Campaign:
    """Ends a scheduled, running or paused campaign for good; whoever was not reached is cancelled.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `CAMPAIGN_NOT_STOPPABLE`.
    """
    await _move(tx, account_id, campaign_id, CampaignState.STOPPED, "CAMPAIGN_NOT_STOPPABLE", reason=reason)
    await tx.runs.move_active(campaign_id, RunState.STOPPED, reason)
    await tx.announce_work()
    return await _read(tx, account_id, campaign_id)


async def archive(tx: Transaction, *, account_id: Id, campaign_id: Id) -> Campaign:
    """Puts a finished campaign away.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `CAMPAIGN_NOT_FINISHED`.
    """
    await _move(tx, account_id, campaign_id, CampaignState.ARCHIVED, "CAMPAIGN_NOT_FINISHED")
    return await _read(tx, account_id, campaign_id)


async def _move(
    tx: Transaction, account_id: Id, campaign_id: Id, target: CampaignState, code: str, *, reason: str | None = None
) -> None:
    campaign = await _locked(tx, account_id, campaign_id)
    if target not in CAMPAIGN_TRANSITIONS[campaign.state]:
        raise Conflict(code, f"The campaign is {campaign.state} and cannot become {target}")
    await tx.campaigns.move(account_id, campaign_id, frozenset({campaign.state}), target, reason)


async def _locked(tx: Transaction, account_id: Id, campaign_id: Id) -> Campaign:
    campaign = await tx.campaigns.get(account_id, campaign_id, lock=True)
    if campaign is None:
        raise NotFound("campaign")
    return campaign


async def _read(tx: Transaction, account_id: Id, campaign_id: Id) -> Campaign:
    campaign = await tx.campaigns.get(account_id, campaign_id)
    if campaign is None:
        raise NotFound("campaign")
    return campaign


def _start_refusal(state: CampaignState) -> Conflict:
    if state is CampaignState.RUNNING:
        return Conflict("CAMPAIGN_ALREADY_RUNNING", "The campaign is already running")
    if state is CampaignState.PAUSED:
        return Conflict("CAMPAIGN_PAUSED", "The campaign is paused; resume it instead")
    return Conflict("CAMPAIGN_NOT_STARTABLE", f"The campaign is {state}; duplicate it to run it again")
