"""Executions: calling a campaign, with recipients or for an audience, and what became of each call.

A call with recipients shares its commit with those that come at the same time; see `pipeline.intake`. Read
`trigger_models` for what a call says.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from clarion.application.calls import TriggerCall
from clarion.application.executions import (
    Audience,
    cancel_scheduled,
    get_execution,
    list_executions,
    list_outcomes,
    trigger_audience,
)
from clarion.application.ports import Transaction
from clarion.application.sample_call import sample_recipient
from clarion.domain.access import Permission, Principal
from clarion.domain.execution import Execution
from clarion.entrypoints.http.api.campaigns import find as find_campaign
from clarion.entrypoints.http.api.deliveries import DeliveryView, after_delivery, delivery_mark
from clarion.entrypoints.http.api.paging import Page, PageQuery, after_id, as_ids, page
from clarion.entrypoints.http.api.runs import OfCampaignQuery, campaign_asked_for
from clarion.entrypoints.http.api.trigger_models import AudienceCallInput, ExecutionView, SampleCall, TriggerInput
from clarion.entrypoints.http.idempotency import digest
from clarion.entrypoints.http.operation import Call, Nothing, network_operation, operation
from clarion.entrypoints.http.requests import as_utc

TRIGGER_BODY_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of the body of a call with recipients."""
_CONFLICTS: Final = (
    "`CAMPAIGN_NOT_TRIGGERED`, `CAMPAIGN_NOT_RUNNING` or `REQUEST_ID_REUSED` (the request id came with another body)"
)


def caller(principal: Principal) -> str:
    """Who made a call: whoever answers for the key, else the key."""
    return principal.owner_email or principal.key_id.hex()


@network_operation(
    name="triggerCampaign", method="POST", path="/campaigns/{campaignId}/trigger", tag="executions",
    permission=Permission.CAMPAIGNS_EXECUTE, summary="Write to the recipients in this call",
    description=(
        "For a triggered campaign that is running. Once this is answered the call is on disk, and its messages leave "
        "at once. Who may not or cannot be written to is skipped with the reason and fails nothing; a contact that is "
        "not there refuses the whole call, unless the campaign makes contacts. The body has at most 8 MiB."
    ),
    body=TriggerInput, body_limit=TRIGGER_BODY_LIMIT, is_frequent=True, data=ExecutionView, status=202,
    statuses={409: _CONFLICTS, 503: "Too many calls wait, or the database is away; repeat it with its request id."},
    find=find_campaign,
)  # fmt: skip
async def trigger(call: Call[TriggerInput, Nothing]) -> ExecutionView:
    """Stores a call with its recipients."""
    asked = TriggerCall(
        account_id=call.account_id,
        campaign_id=call.id("campaignId", "campaign"),
        request_id=call.body.request_id,
        body_hash=digest(call.request, call.raw),
        recipients=tuple(one.read(number) for number, one in enumerate(call.body.recipients)),
        created_by=caller(call.principal),
    )
    return ExecutionView.of(await call.edge.intake.submit(asked))


@operation(
    name="triggerCampaignAudience", method="POST", path="/campaigns/{campaignId}/trigger-audience", tag="executions",
    permission=Permission.CAMPAIGNS_EXECUTE, summary="Write to an audience, now or at a time",
    description=(
        "Starts one more run of a campaign, over its own audience or over the groups and segments named; may be called "
        "again and again. With `executeAt` the audience is whoever belongs to it then."
    ),
    body=AudienceCallInput, data=ExecutionView, status=202,
    statuses={
        409: "`CAMPAIGN_NOT_STARTABLE`, `CAMPAIGN_NOT_RUNNING`, `CAMPAIGN_PAUSED`, `CAMPAIGN_NOT_BOUNDED`, "
        "`CAMPAIGN_HAS_NO_LEADS`, `CHANNEL_NOT_CONNECTED`, `WORKFLOW_NOT_READY` or `REQUEST_ID_REUSED`",
    },
    find=find_campaign,
)  # fmt: skip
async def trigger_all(tx: Transaction, call: Call[AudienceCallInput, Nothing]) -> ExecutionView:
    """Starts an audience."""
    body = call.body
    audience = None
    if body.groups is not None or body.segments is not None:
        groups, segments = as_ids(body.groups or (), "groups"), as_ids(body.segments or (), "segments")
        audience = Audience(tuple(groups), tuple(segments))
    execution = await trigger_audience(
        tx,
        account_id=call.account_id,
        campaign_id=call.id("campaignId", "campaign"),
        audience=audience,
        context=body.context or None,
        request_id=body.request_id,
        body_hash=digest(call.request, call.raw),
        execute_at=as_utc("executeAt", body.execute_at) if body.execute_at else None,
        created_by=caller(call.principal),
    )
    return ExecutionView.of(execution)


@operation(
    name="sampleCampaignCall", method="GET", path="/campaigns/{campaignId}/sample-call", tag="executions",
    permission=Permission.CAMPAIGNS_READ, summary="Show how to call a campaign",
    description="A ready command that names everything the message looks up in what a call says.",
    data=SampleCall, statuses={409: "`WORKFLOW_NOT_READY` when there is no message yet"}, find=find_campaign,
)  # fmt: skip
async def sample(tx: Transaction, call: Call[Nothing, Nothing]) -> SampleCall:
    """Writes a command to copy."""
    campaign_id = call.id("campaignId", "campaign")
    said = await sample_recipient(tx, account_id=call.account_id, campaign_id=campaign_id, links=call.edge.links)
    body = {"requestId": "a-name-of-your-own", "recipients": [said.recipient]}
    url = f"{call.edge.links.base_url.rstrip('/')}{call.request.scope['path'].removesuffix('sample-call')}trigger"
    text = msgspec.json.format(msgspec.json.encode(body), indent=2).decode().replace("'", "'\\''")
    command = (
        f"curl -X POST '{url}' \\\n  -H 'Authorization: Bearer YOUR_API_KEY' \\\n"
        f"  -H 'Content-Type: application/json' \\\n  -d '{text}'"
    )
    return SampleCall(command, list(said.variables), body)


async def find(tx: Transaction, call: Call[Any, Any]) -> Execution:
    """The execution in the path."""
    return await get_execution(tx, account_id=call.account_id, execution_id=call.id("executionId", "execution"))


@operation(
    name="listExecutions", method="GET", path="/executions", tag="executions", permission=Permission.CAMPAIGNS_READ,
    summary="List executions", description="In order of their calls.", query=OfCampaignQuery, data=Page[ExecutionView],
)  # fmt: skip
async def list_all(tx: Transaction, call: Call[Nothing, OfCampaignQuery]) -> Page[ExecutionView]:
    """Reads one page."""
    campaign_id = await campaign_asked_for(tx, call)
    found = await list_executions(
        tx, account_id=call.account_id, campaign_id=campaign_id, after=after_id(call), limit=call.query.limit + 1
    )
    return page(call, found, ExecutionView.of, lambda execution: execution.id)


@operation(
    name="getExecution", method="GET", path="/executions/{executionId}", tag="executions",
    permission=Permission.CAMPAIGNS_READ, summary="Read an execution", description="", data=ExecutionView, find=find,
)  # fmt: skip
async def read(tx: Transaction, call: Call[Nothing, Nothing]) -> ExecutionView:
    """Reads one."""
    return ExecutionView.of(await find(tx, call))


@operation(
    name="listExecutionRecipients", method="GET", path="/executions/{executionId}/recipients", tag="executions",
    permission=Permission.CAMPAIGNS_READ, summary="List what became of a call's recipients",
    description="In the order of the call; those of an audience in the order of its run.",
    query=PageQuery, data=Page[DeliveryView], find=find,
)  # fmt: skip
async def recipients(tx: Transaction, call: Call[Nothing, PageQuery]) -> Page[DeliveryView]:
    """Reads one page."""
    execution = await find(tx, call)
    found = await list_outcomes(
        tx,
        account_id=call.account_id,
        execution=execution,
        after=after_delivery(call),
        limit=call.query.limit + 1,
    )
    return page(call, found, DeliveryView.of, delivery_mark)


@operation(
    name="cancelExecution", method="DELETE", path="/executions/{executionId}", tag="executions",
    permission=Permission.CAMPAIGNS_EXECUTE, summary="Take a scheduled execution back",
    description="Before its time; what was started is ended by stopping the campaign.", data=ExecutionView,
    statuses={409: "`EXECUTION_NOT_SCHEDULED`"}, find=find,
)  # fmt: skip
async def cancel(tx: Transaction, call: Call[Nothing, Nothing]) -> ExecutionView:
    """Takes one back."""
    execution_id = call.id("executionId", "execution")
    return ExecutionView.of(await cancel_scheduled(tx, account_id=call.account_id, execution_id=execution_id))


ROUTES = [trigger, trigger_all, sample, list_all, read, recipients, cancel]
