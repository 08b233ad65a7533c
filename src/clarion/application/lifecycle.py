"""A campaign's life after its draft: start, pause, resume, stop, reopen, archive.

Each call locks the campaign, checks the one table of transitions and moves campaign and run together; a second call
finds the state changed and is refused. After committing a pause or a stop, the caller waits on `Transaction.barrier`
before answering, so that the answer is a promise. Where to read next: `pipeline`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clarion.application.activation import refuse_unready, rules_of
from clarion.application.ports import Transaction
from clarion.application.ports.runs import Opening
from clarion.domain.campaign import CAMPAIGN_TRANSITIONS, Campaign, CampaignKind, CampaignState, RunState
from clarion.domain.errors import Conflict, NotFound
from clarion.domain.ids import Id, new_id

END_REACHED: Final = "end_reached"
"""The reason of a campaign that ended because its time was over."""
_STARTABLE: Final = frozenset({CampaignState.DRAFT, CampaignState.SCHEDULED})


@dataclass(frozen=True, slots=True)
class Started:
    """What a start did: the campaign as it is now, and how many of its people a message is on its way to.

    With `is_estimate` that number is worked out from a sample of the people.

    `triggered` tells whether the campaign's own message flow was fired by this call: true for a broadcast, false for a
    triggered campaign, which sends when it is called.
    """

    campaign: Campaign
    triggered: bool
    instances_created: int
    is_estimate: bool = False


async def start(tx: Transaction, *, account_id: Id, campaign_id: Id) -> Started:
    """Starts a draft or scheduled campaign, once in its life.

    A broadcast gets one run over the audience as it is at this moment; it answers in milliseconds whatever the
    audience, because recipients are frozen afterwards, slice by slice, as of this moment. A triggered campaign takes
    calls from now on. Runs in the caller's transaction.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: with a code for the state or the missing part that keeps it from starting.
    """
    campaign = await _locked(tx, account_id, campaign_id)
    if campaign.state not in _STARTABLE:
        raise _start_refusal(campaign.state)
    refuse_unready(campaign, await tx.campaigns.now())
    if campaign.kind is CampaignKind.TRIGGERED:
        await tx.campaigns.mark_started(account_id, campaign_id, 0)
        return Started(await _read(tx, account_id, campaign_id), triggered=False, instances_created=0)
    rules = await rules_of(tx, account_id, campaign.segment_ids)
    audience = await tx.runs.open(account_id, Opening(run_id=new_id(), campaign=campaign, rules=rules, rechecks=True))
    if audience.selected == 0 and campaign.recheck_seconds is None:
        raise Conflict("CAMPAIGN_HAS_NO_LEADS", "No contact is selected")
    await tx.campaigns.mark_started(account_id, campaign_id, audience.selected)
    await tx.announce_work()
    return Started(
        await _read(tx, account_id, campaign_id),
        triggered=True,
        instances_created=audience.eligible,
        is_estimate=audience.is_estimate,
    )


async def pause(tx: Transaction, *, account_id: Id, campaign_id: Id, reason: str | None = None) -> Campaign:
    """Holds a running campaign; what is on the wire finishes, nothing new goes out and no call is taken.

    `reason` is said when nobody asked for the pause.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `CAMPAIGN_NOT_RUNNING`.
    """
    await _move(tx, account_id, campaign_id, CampaignState.PAUSED, "CAMPAIGN_NOT_RUNNING", reason=reason)
    await tx.runs.move_active(campaign_id, RunState.PAUSED, reason)
    return await _read(tx, account_id, campaign_id)


async def resume(tx: Transaction, *, account_id: Id, campaign_id: Id) -> Campaign:
    """Lets a paused campaign go on exactly where it was held; one whose end has passed meanwhile is over at once.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `CAMPAIGN_NOT_PAUSED`.
    """
    campaign = await _locked(tx, account_id, campaign_id)
    if campaign.state is not CampaignState.PAUSED:
        raise Conflict("CAMPAIGN_NOT_PAUSED", f"The campaign is {campaign.state}; only a paused one can be resumed")
    if campaign.end_at is not None and campaign.end_at <= await tx.campaigns.now():
        return await complete_overdue(tx, account_id=account_id, campaign_id=campaign_id)
    await tx.campaigns.move(account_id, campaign_id, frozenset({campaign.state}), CampaignState.RUNNING)
    await tx.runs.move_active(campaign_id, RunState.SENDING)
    await tx.announce_work()
    return await _read(tx, account_id, campaign_id)


async def stop(tx: Transaction, *, account_id: Id, campaign_id: Id, reason: str | None = None) -> Campaign:
    """Ends a scheduled, running or paused campaign; whoever was not reached is cancelled.

    A running triggered campaign takes no more calls, and what it has taken is still sent: those calls were answered. To
    hold that back too, pause it first.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `CAMPAIGN_NOT_STOPPABLE`.
    """
    code = "CAMPAIGN_NOT_STOPPABLE"
    before = await _move(tx, account_id, campaign_id, CampaignState.STOPPED, code, reason=reason)
    await _end_runs(tx, before, reason)
    return await _read(tx, account_id, campaign_id)


async def complete_overdue(tx: Transaction, *, account_id: Id, campaign_id: Id) -> Campaign:
    """Ends a running or paused campaign that is past its end, with the reason `end_reached`.

    Where an end is the plan (an audience read again until then, a time for calls) it is completed, else stopped.
    Whoever was not reached is cancelled; calls that were taken are still sent unless the campaign was paused.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `CAMPAIGN_NOT_STOPPABLE`: it is over already, or its end has not come.
    """
    campaign = await _locked(tx, account_id, campaign_id)
    if campaign.end_at is None or campaign.end_at > await tx.campaigns.now():
        raise Conflict("CAMPAIGN_NOT_STOPPABLE", "The end of the campaign has not come")
    is_planned = campaign.kind is CampaignKind.TRIGGERED or campaign.recheck_seconds is not None
    target = CampaignState.COMPLETED if is_planned else CampaignState.STOPPED
    await _move(tx, account_id, campaign_id, target, "CAMPAIGN_NOT_STOPPABLE", reason=END_REACHED)
    await _end_runs(tx, campaign, END_REACHED)
    return await _read(tx, account_id, campaign_id)


async def reopen(tx: Transaction, *, account_id: Id, campaign_id: Id) -> Campaign:
    """Makes a scheduled, completed or stopped campaign a draft again, to be changed and started once more.

    Its runs and their reports stay; a run that is still being sent goes on. Runs in the caller's transaction.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `CAMPAIGN_NOT_REOPENABLE`.
    """
    await _move(tx, account_id, campaign_id, CampaignState.DRAFT, "CAMPAIGN_NOT_REOPENABLE")
    return await _read(tx, account_id, campaign_id)


async def archive(tx: Transaction, *, account_id: Id, campaign_id: Id) -> Campaign:
    """Puts a finished campaign away, or a draft that has run before.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `CAMPAIGN_NOT_FINISHED`.
    """
    before = await _move(tx, account_id, campaign_id, CampaignState.ARCHIVED, "CAMPAIGN_NOT_FINISHED")
    if before.state is CampaignState.DRAFT and not await tx.runs.page(account_id, campaign_id, None, 1):
        raise Conflict("CAMPAIGN_NOT_FINISHED", "The campaign is a draft that never ran; delete it instead")
    return await _read(tx, account_id, campaign_id)


async def _end_runs(tx: Transaction, campaign: Campaign, reason: str | None) -> None:
    """Ends what a campaign has going, as it was before it ended."""
    await tx.runs.close_intake(campaign.id)
    if campaign.kind is CampaignKind.TRIGGERED and campaign.state is CampaignState.RUNNING:
        return
    if reason == END_REACHED and campaign.recheck_seconds is not None:
        await tx.runs.end(campaign.id, END_REACHED)
    else:
        await tx.runs.move_active(campaign.id, RunState.STOPPED, reason)
    await tx.announce_work()


async def _move(
    tx: Transaction, account_id: Id, campaign_id: Id, target: CampaignState, code: str, *, reason: str | None = None
) -> Campaign:
    """Moves a campaign where the table of transitions allows; returns it as it was before."""
    campaign = await _locked(tx, account_id, campaign_id)
    if target not in CAMPAIGN_TRANSITIONS[campaign.state]:
        raise Conflict(code, f"The campaign is {campaign.state} and cannot become {target}")
    await tx.campaigns.move(account_id, campaign_id, frozenset({campaign.state}), target, reason)
    return campaign


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
    return Conflict("CAMPAIGN_NOT_STARTABLE", f"The campaign is {state}; reopen or duplicate it to run it again")
