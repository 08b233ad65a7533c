"""What became of a call that brought its recipients. The vendor's own API tells it by webhook only.

Where to read next: `mapping` for the codes of exclusions.
"""

from __future__ import annotations

from typing import Final

from litestar import Response

from clarion.application.executions import get_execution, list_outcomes
from clarion.domain.access import Permission
from clarion.domain.errors import NotFound
from clarion.domain.execution import ExecutionKind
from clarion.entrypoints.http.dialect import Answers, spoken
from clarion.entrypoints.http.dialects.ajo import mapping
from clarion.entrypoints.http.dialects.ajo.entrance import admit
from clarion.entrypoints.http.dialects.ajo.models import UnitaryOutcome
from clarion.entrypoints.http.dialects.ajo.routes import ALWAYS, BASE, HEADERS, respond
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.incoming import Incoming

DELIVERIES_LIMIT: Final = 10_000
"""Deliveries that one answer shows: on every channel, and on each device of each recipient."""


@spoken(
    name="ajoGetUnitary",
    method="GET",
    path=f"{BASE}/executions/unitary/{{executionId}}",
    summary="See what became of each recipient of a call",
    description="Not of the vendor's API: it tells outcomes by webhook only. Exclusions carry Adobe's codes.",
    parameters=HEADERS,
    answers={200: Answers("The call and its recipients", UnitaryOutcome)} | ALWAYS,
)
async def unitary_outcome(request: Incoming) -> Response[bytes]:
    """Shows a call of either kind, by the id it was answered with."""
    principal = await admit(request, Permission.CAMPAIGNS_READ, "execution")
    edge: Edge = request.app.state.edge
    text = request.path_params["executionId"]
    id_ = mapping.parse_execution_id(text, (mapping.UNITARY, mapping.HIGH_THROUGHPUT))
    async with edge.database.reading() as tx:
        execution = await get_execution(tx, account_id=principal.account_id, execution_id=id_)
        if execution.kind is not ExecutionKind.RECIPIENTS:
            raise NotFound("execution")
        rows = await list_outcomes(tx, account_id=principal.account_id, execution=execution, limit=DELIVERIES_LIMIT)
    return respond(mapping.outcome_of(text.partition("-")[0], execution, rows))
