"""Whether the message execution API is there: `/im/health`.

Asks for no token, as the vendor's. Read `readiness` for what else can be asked of this server.
"""

from __future__ import annotations

from litestar import Response

from clarion.entrypoints.http.dialect import Answers, Parameter, spoken
from clarion.entrypoints.http.dialects.ajo.models import Nothing
from clarion.entrypoints.http.dialects.ajo.routes import BASE, refusals, respond
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.incoming import Incoming


@spoken(
    name="ajoGetHealth",
    method="GET",
    path=f"{BASE}/health",
    summary="Whether calls are taken",
    parameters=(
        Parameter(name="x-api-key", place="header", about="Accepted and not looked at."),
        Parameter(name="x-gw-ims-org-id", place="header", about="Accepted and not looked at."),
    ),
    answers={200: Answers("Calls are taken", Nothing)} | refusals(500, 503),
    is_public=True,
)
async def health(request: Incoming) -> Response[bytes]:
    """Asks for the database, without which no call can be stored. Raises `Unavailable`."""
    edge: Edge = request.app.state.edge
    await edge.readiness.check()
    return respond(Nothing())
