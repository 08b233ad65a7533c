"""The calls that start an audience, at once or at a time, and where such an execution stands.

Where to read next: `mapping`, `application.executions`.
"""

from __future__ import annotations

from functools import partial
from hashlib import sha256

from litestar import Response

from clarion.application.executions import Audience, cancel_scheduled, get_execution, trigger_audience
from clarion.application.ports import Transaction
from clarion.domain.access import Permission, Principal
from clarion.domain.campaign import CampaignKind, Category
from clarion.domain.errors import Invalid, NotFound, Problem
from clarion.domain.execution import Execution, ExecutionKind, ExecutionState
from clarion.domain.ids import Id, as_uuid
from clarion.entrypoints.http.dialect import Answers, spoken
from clarion.entrypoints.http.dialects.ajo import mapping
from clarion.entrypoints.http.dialects.ajo.entrance import admit
from clarion.entrypoints.http.dialects.ajo.models import (
    AudienceAnswer,
    AudienceCall,
    AudienceRef,
    ExecutionStatus,
    Nothing,
    ScheduledExecution,
)
from clarion.entrypoints.http.dialects.ajo.reading import plain_context, read_body
from clarion.entrypoints.http.dialects.ajo.routes import ALWAYS, BASE, HEADERS, ONCE, WITH_BODY, once, respond
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.requests import as_utc


@spoken(
    name="ajoPostAudience",
    method="POST",
    path=f"{BASE}/executions/audience",
    summary="Write to the audience of a marketing API-triggered campaign, or to another one",
    parameters=(*HEADERS, ONCE),
    body=AudienceCall,
    answers={202: Answers("It has begun, or waits for its time", AudienceAnswer)} | WITH_BODY,
)
async def audience(request: Incoming) -> Response[bytes]:
    """Starts or schedules an audience."""
    principal = await admit(request, Permission.CAMPAIGNS_EXECUTE, "campaign")
    call, raw = await read_body(request, AudienceCall)
    return await once(request, principal, partial(_start, request, principal, call, sha256(raw).digest()))


async def _start(request: Incoming, principal: Principal, call: AudienceCall, body_hash: bytes) -> Response[bytes]:
    edge: Edge = request.app.state.edge
    context = plain_context("context", call.context)
    execute_at = call.schedule.execute_at if call.schedule else None

    async def work(tx: Transaction) -> Execution:
        return await trigger_audience(
            tx,
            account_id=principal.account_id,
            campaign_id=mapping.campaign_id(call.campaign_id),
            audience=await _audience(tx, principal.account_id, call.audience) if call.audience else None,
            context=context or None,
            request_id=call.request_id,
            body_hash=body_hash,
            execute_at=as_utc("schedule.executeAt", execute_at) if execute_at else None,
            created_by=mapping.caller(principal),
            kind=CampaignKind.TRIGGERED,
            category=Category.MARKETING,
        )

    execution = await edge.database.retrying(work)
    if execution.execute_at is None:
        return respond(mapping.accepted(mapping.AUDIENCE, execution), 202)
    async with edge.database.reading() as tx:
        return respond(await _scheduled(tx, principal.account_id, execution), 202)


async def _audience(tx: Transaction, account_id: Id, named: AudienceRef) -> Audience:
    """The group or segment of this id. Raises `Invalid` when there is neither."""
    id_ = mapping.parse_any_id(named.id)
    if id_ is not None and await tx.groups.find(account_id, id_) is not None:
        return Audience(groups=(id_,))
    if id_ is not None and await tx.segments.find(account_id, id_) is not None:
        return Audience(segments=(id_,))
    raise Invalid(Problem("audience.id", "exists", "there is no such audience"))


@spoken(
    name="ajoGetAudience",
    method="GET",
    path=f"{BASE}/executions/audience/{{executionId}}",
    summary="See where an audience stands",
    parameters=HEADERS,
    answers={200: Answers("Where it stands", ExecutionStatus)} | ALWAYS,
)
async def audience_status(request: Incoming) -> Response[bytes]:
    """Shows an audience that has begun."""
    principal = await admit(request, Permission.CAMPAIGNS_READ, "execution")
    edge: Edge = request.app.state.edge
    id_ = mapping.parse_execution_id(request.path_params["executionId"], (mapping.AUDIENCE,))
    async with edge.database.reading() as tx:
        execution = await _find(tx, principal.account_id, id_)
        if execution.state is ExecutionState.SCHEDULED:
            raise NotFound("execution")
        return respond(await _status(tx, principal.account_id, execution))


@spoken(
    name="ajoGetSchedule",
    method="GET",
    path=f"{BASE}/executions/schedules/{{scheduleId}}",
    summary="See whether a scheduled audience has begun",
    parameters=HEADERS,
    answers={200: Answers("The schedule, with its execution once it has begun", ScheduledExecution)} | ALWAYS,
)
async def schedule(request: Incoming) -> Response[bytes]:
    """Shows a schedule."""
    principal = await admit(request, Permission.CAMPAIGNS_READ, "schedule")
    edge: Edge = request.app.state.edge
    async with edge.database.reading() as tx:
        execution = await _find_scheduled(tx, principal.account_id, request.path_params["scheduleId"])
        return respond(await _scheduled(tx, principal.account_id, execution))


@spoken(
    name="ajoDeleteSchedule",
    method="DELETE",
    path=f"{BASE}/executions/schedules/{{scheduleId}}",
    summary="Take a scheduled audience back before its time",
    parameters=HEADERS,
    answers={200: Answers("It will not begin", Nothing)} | ALWAYS,
)
async def delete_schedule(request: Incoming) -> Response[bytes]:
    """Takes a schedule back."""
    principal = await admit(request, Permission.CAMPAIGNS_EXECUTE, "schedule")
    edge: Edge = request.app.state.edge

    async def work(tx: Transaction) -> None:
        execution = await _find_scheduled(tx, principal.account_id, request.path_params["scheduleId"])
        await cancel_scheduled(tx, account_id=principal.account_id, execution_id=execution.id)

    await edge.database.retrying(work)
    return respond(Nothing())


async def _find(tx: Transaction, account_id: Id, id_: Id) -> Execution:
    execution = await get_execution(tx, account_id=account_id, execution_id=id_)
    if execution.kind is not ExecutionKind.AUDIENCE or execution.state is ExecutionState.DELETED:
        raise NotFound("execution")
    return execution


async def _find_scheduled(tx: Transaction, account_id: Id, text: str) -> Execution:
    id_ = mapping.parse_any_id(text)
    execution = await tx.executions.get(account_id, id_) if id_ else None
    if execution is None or execution.execute_at is None or execution.state is ExecutionState.DELETED:
        raise NotFound("schedule")
    return execution


async def _status(tx: Transaction, account_id: Id, execution: Execution) -> ExecutionStatus:
    run = await tx.runs.get(account_id, execution.run_id) if execution.run_id else None
    return ExecutionStatus(
        execution_id=mapping.execution_id(mapping.AUDIENCE, execution.id),
        status=mapping.status_of(run),
        created_at=run.started_at if run else execution.created_at,
        campaign_id=as_uuid(execution.campaign_id),
        audience_id=await _audience_id(tx, execution),
        targeted_profile_count=run.selected_count if run else None,
    )


async def _scheduled(tx: Transaction, account_id: Id, execution: Execution) -> ScheduledExecution:
    waits = execution.state is ExecutionState.SCHEDULED
    named = await _audience_id(tx, execution)
    return ScheduledExecution(
        schedule_id=as_uuid(execution.id),
        schedule_status="Scheduled" if waits else "Triggered",
        campaign_id=as_uuid(execution.campaign_id),
        execute_at=execution.execute_at or execution.created_at,
        audience=AudienceRef(named) if named else None,
        execution_details=None if waits else await _status(tx, account_id, execution),
    )


async def _audience_id(tx: Transaction, execution: Execution) -> str | None:
    """The audience that the call named, if it did."""
    plan = await tx.executions.plan(execution.id)
    named = (*(plan.groups or ()), *(plan.segments or ()))
    return as_uuid(named[0]) if named else None
