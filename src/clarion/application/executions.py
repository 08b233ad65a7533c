"""Executions: stored calls. Starting an audience by a call now or at its time, reading a call, taking one back.

Calls that bring their recipients become executions in `intake`; what becomes of each recipient is told by the
deliveries. Where to read next: `starts`, which opens the run of an audience.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from clarion.application.calls import check_request_id
from clarion.application.campaign_rules import extras_problems
from clarion.application.ports import Transaction
from clarion.application.ports.executions import AudiencePlan
from clarion.application.runs import list_deliveries
from clarion.application.starts import CONTEXT_LIMIT, check_audience, start_run
from clarion.domain.campaign import Campaign, CampaignKind, CampaignState, Category
from clarion.domain.delivery import Delivery, DeliveryId
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem, Removed
from clarion.domain.execution import Execution, ExecutionKind, ExecutionState
from clarion.domain.ids import Id, new_id


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom a call for an audience names instead of the campaign's own audience."""

    groups: tuple[Id, ...] = ()
    segments: tuple[Id, ...] = ()


async def trigger_audience(
    tx: Transaction,
    *,
    account_id: Id,
    campaign_id: Id,
    audience: Audience | None = None,
    context: Mapping[str, Any] | None = None,
    request_id: str | None = None,
    body_hash: bytes = b"",
    execute_at: datetime | None = None,
    created_by: str = "",
    kind: CampaignKind | None = None,
    category: Category | None = None,
) -> Execution:
    """Starts a run of a campaign over its audience or another one, now or at a time; may be called again and again.

    `context` is what templates see as `context`, for everyone. With a time, the audience is whoever belongs to it then.
    The same request id with the same body is answered as the first time. `kind` and `category` are what the caller
    expects of the campaign. Runs in the caller's transaction.

    Raises:
        NotFound: the campaign is unknown or another account's.
        Conflict: the campaign cannot be started, is not as expected, or the request id came before with another body.
        Invalid: a group or a segment is not here, the time is past or outside of the campaign's window, or the context
            is too large.
    """
    campaign = await tx.campaigns.get(account_id, campaign_id)
    if campaign is None:
        raise NotFound("campaign")
    if request_id is not None:
        check_request_id(request_id)
        before = await tx.executions.hold(campaign_id, request_id)
        if before is not None:
            return _again(before.execution, same=before.body_hash == body_hash)
    _check_expected(campaign, kind, category)
    if audience:
        await check_audience(tx, account_id, audience.groups, audience.segments, "")
    _check_context(context)
    plan = AudiencePlan(
        groups=audience.groups if audience else None, segments=audience.segments if audience else None, context=context
    )
    execution = Execution(
        id=new_id(), campaign_id=campaign_id, kind=ExecutionKind.AUDIENCE, state=ExecutionState.SCHEDULED,
        request_id=request_id, run_id=None, first_seq=None, last_seq=None, execute_at=execute_at, problem=None,
        created_by=created_by, created_at=await tx.campaigns.now(),
    )  # fmt: skip
    if execute_at is None:
        execution = await _started(tx, account_id, execution, plan)
    else:
        _check_time(campaign, execute_at, execution.created_at)
    return await tx.executions.add(account_id, execution, body_hash, plan)


async def get_execution(tx: Transaction, *, account_id: Id, execution_id: Id) -> Execution:
    """Reads one execution.

    Raises:
        NotFound: it is unknown or another account's.
    """
    execution = await tx.executions.get(account_id, execution_id)
    if execution is None:
        raise NotFound("execution")
    return execution


async def list_executions(
    tx: Transaction, *, account_id: Id, campaign_id: Id | None = None, after: Id | None, limit: int
) -> list[Execution]:
    """Reads up to `limit` executions with ids above `after`, oldest first."""
    return await tx.executions.page(account_id, campaign_id, after, limit)


async def list_outcomes(
    tx: Transaction, *, account_id: Id, execution: Execution, after: DeliveryId | None = None, limit: int
) -> list[Delivery]:
    """Reads what became of a call's recipients, those that follow `after`: part after part, in the order of the call.

    Those of an audience come in the order of its run.

    Raises:
        Removed: the deliveries are no longer kept.
    """
    run = await tx.runs.get(account_id, execution.run_id) if execution.run_id else None
    if run is None:
        return []
    if run.removed_at is not None:
        raise Removed("delivery")
    if not execution.stretches:
        return await list_deliveries(tx, account_id=account_id, run_id=run.id, after=after, limit=limit)
    found: list[Delivery] = []
    for part_id, first, last in execution.stretches:
        if after is not None and part_id < after.run_id:
            continue
        after_seq = max(after.seq if after and after.run_id == part_id else 0, first - 1)
        count = min(limit - len(found), last - after_seq)
        found += await tx.deliveries.page(part_id, None, None, after_seq, count) if count > 0 else []
    return found


async def cancel_scheduled(tx: Transaction, *, account_id: Id, execution_id: Id) -> Execution:
    """Takes a scheduled execution back before its time.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `EXECUTION_NOT_SCHEDULED` once it was started, failed or was taken back.
    """
    execution = await get_execution(tx, account_id=account_id, execution_id=execution_id)
    taken = await tx.executions.take(account_id, execution_id)
    if taken is None:
        raise Conflict("EXECUTION_NOT_SCHEDULED", f"The execution is {execution.state}")
    deleted = replace(taken, state=ExecutionState.DELETED)
    await tx.executions.settle(deleted)
    return deleted


async def execute_scheduled(tx: Transaction, *, account_id: Id, execution_id: Id) -> Execution | None:
    """Starts a scheduled execution whose time has come; None when somebody else does, or it was taken back.

    Runs in the caller's transaction. Raises what `start_run` raises.
    """
    taken = await tx.executions.take(account_id, execution_id)
    if taken is None:
        return None
    started = await _started(tx, account_id, taken, await tx.executions.plan(execution_id))
    await tx.executions.settle(started)
    return started


async def fail_scheduled(tx: Transaction, *, account_id: Id, execution_id: Id, problem: str) -> None:
    """Marks a scheduled execution as failed, with why it could not be started."""
    taken = await tx.executions.take(account_id, execution_id)
    if taken is not None:
        await tx.executions.settle(replace(taken, state=ExecutionState.FAILED, problem=problem))


def _check_context(context: Mapping[str, Any] | None) -> None:
    if problems := list(extras_problems(context or {}, "context", CONTEXT_LIMIT)):
        raise Invalid.of(problems)


def _again(execution: Execution, *, same: bool) -> Execution:
    if same:
        return execution
    raise Conflict("REQUEST_ID_REUSED", "This request id came before with another body")


def _check_expected(campaign: Campaign, kind: CampaignKind | None, category: Category | None) -> None:
    if kind is not None and campaign.kind is not kind:
        raise Conflict("CAMPAIGN_KIND", f"The campaign is a {campaign.kind}, not a {kind}")
    if category is not None and campaign.category is not category:
        raise Conflict("CAMPAIGN_CATEGORY", f"The campaign is {campaign.category}, not {category}")


def _check_time(campaign: Campaign, execute_at: datetime, now: datetime) -> None:
    """Whether a campaign can be expected to start then; asked again when the time has come."""
    if execute_at <= now:
        raise Invalid(Problem("executeAt", "future", "must be in the future; leave it out to start now"))
    if campaign.end_at is not None and execute_at >= campaign.end_at:
        raise Invalid(Problem("executeAt", "range", "must be before the campaign ends"))
    if campaign.kind is CampaignKind.SEQUENCE:
        raise Conflict("CAMPAIGN_NOT_BOUNDED", "A sequence has no audience to start over")
    if campaign.state in {CampaignState.STOPPED, CampaignState.FAILED, CampaignState.ARCHIVED}:
        raise Conflict("CAMPAIGN_NOT_STARTABLE", f"The campaign is {campaign.state}")
    if campaign.kind is CampaignKind.TRIGGERED and campaign.state is not CampaignState.RUNNING:
        raise Conflict("CAMPAIGN_NOT_RUNNING", f"The campaign is {campaign.state}; it takes calls while it is running")


async def _started(tx: Transaction, account_id: Id, execution: Execution, plan: AudiencePlan) -> Execution:
    started = await start_run(
        tx,
        account_id=account_id,
        campaign_id=execution.campaign_id,
        context=plan.context,
        groups=plan.groups,
        segments=plan.segments,
    )
    return replace(execution, state=ExecutionState.TRIGGERED, run_id=started.run.id)
