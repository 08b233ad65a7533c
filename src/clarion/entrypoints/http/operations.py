"""For those who run Clarion: is it alive, is it ready, and its metrics. Nothing here needs an account.

Never shows anything about an account. Read `readiness` for what ready means.
"""

from __future__ import annotations

import hmac
from typing import Final

from litestar import Response, get

from clarion import telemetry
from clarion.domain.errors import ClarionError, NotFound
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.envelope import JSON, ErrorBody, failed, succeeded
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.trace import current

_LOOPBACK: Final = ("127.", "::1", "::ffff:127.")
_EXPOSITION: Final = "text/plain; version=0.0.4"


@get("/health/live", include_in_schema=False)
async def live() -> Response[bytes]:
    """Answers while the process does."""
    current().route = "/health/live"
    return Response(succeeded({"status": "live"}), media_type=JSON)


@get("/health/ready", include_in_schema=False)
async def ready(request: Incoming) -> Response[bytes]:
    """Answers 200 when the database answers with the schema this program knows, else 503.

    A database that was restored and is held answers requests all the same; `sending` says so.
    """
    current().route = "/health/ready"
    edge: Edge = request.app.state.edge
    try:
        held = await edge.readiness.check()
    except ClarionError as error:
        body = failed(ErrorBody(code="NOT_READY", message=str(error)))
        return Response(body, status_code=503, media_type=JSON, headers={"Retry-After": "5"})
    said = {"status": "ready"} if held is None else {"status": "ready", "sending": "held"}
    return Response(succeeded(said), media_type=JSON)


@get("/metrics", include_in_schema=False)
async def metrics(request: Incoming) -> Response[bytes]:
    """Shows the metrics to this machine, or to whoever holds the metrics key; nobody else learns they exist."""
    current().route = "/metrics"
    edge: Edge = request.app.state.edge
    if not _may_read(request, edge):
        raise NotFound("path")
    return Response(telemetry.exposition(), media_type=_EXPOSITION)


def _may_read(request: Incoming, edge: Edge) -> bool:
    key = edge.app.settings.metrics_key
    if key is None:
        return request.client is not None and request.client.host.startswith(_LOOPBACK) and not _is_proxied(request)
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), key.reveal().encode())


def _is_proxied(request: Incoming) -> bool:
    """A proxy on this machine speaks for others; it needs the key."""
    return any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip"))


ROUTES = [live, ready, metrics]
