"""The calls that bring their recipients: `/unitary` and `/highthroughput`.

A call is stored with others in a group and answered when it is on disk. Where to read next: `mapping`,
`pipeline.intake`; `outcomes` for what became of it.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from litestar import Response

from clarion.application.calls import TriggerCall
from clarion.domain.access import Permission
from clarion.entrypoints.http.dialect import Answers, spoken
from clarion.entrypoints.http.dialects.ajo import mapping
from clarion.entrypoints.http.dialects.ajo.entrance import admit
from clarion.entrypoints.http.dialects.ajo.models import (
    ExecutionResponse,
    HighThroughputCall,
    UnitaryCall,
)
from clarion.entrypoints.http.dialects.ajo.reading import read_body
from clarion.entrypoints.http.dialects.ajo.routes import BASE, HEADERS, ONCE, WITH_BODY, once, respond
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.incoming import Incoming

_ACCEPTED: Final = {202: Answers("The call is stored; its messages leave soon", ExecutionResponse)}


@spoken(
    name="ajoPostUnitary",
    method="POST",
    path=f"{BASE}/executions/unitary",
    is_frequent=True,
    summary="Write to the people named in the call, by a transactional API-triggered campaign",
    parameters=(*HEADERS, ONCE),
    body=UnitaryCall,
    answers=_ACCEPTED | WITH_BODY,
)
async def unitary(request: Incoming) -> Response[bytes]:
    """Stores a call whose recipients may be profiles."""
    return await _execute(request, UnitaryCall, mapping.UNITARY)


@spoken(
    name="ajoPostHighThroughput",
    method="POST",
    path=f"{BASE}/executions/highthroughput",
    is_frequent=True,
    summary="Write to people who are never looked up, by a high-throughput campaign",
    parameters=(*HEADERS, ONCE),
    body=HighThroughputCall,
    answers=_ACCEPTED | WITH_BODY,
)
async def high_throughput(request: Incoming) -> Response[bytes]:
    """Stores a call whose recipients are external."""
    return await _execute(request, HighThroughputCall, mapping.HIGH_THROUGHPUT)


async def _execute(request: Incoming, model: type[UnitaryCall | HighThroughputCall], prefix: str) -> Response[bytes]:
    principal = await admit(request, Permission.CAMPAIGNS_EXECUTE, "campaign")
    call, raw = await read_body(request, model)
    return await once(request, principal, partial(_submit, request, mapping.trigger_call(principal, call, raw), prefix))


async def _submit(request: Incoming, call: TriggerCall, prefix: str) -> Response[bytes]:
    edge: Edge = request.app.state.edge
    return respond(mapping.accepted(prefix, await edge.intake.submit(call)), 202)
