"""The hook of a sender: its provider tells here what became of messages, and brings what people answer.

A call is answered with success only once its news is on disk, so that a provider that hears nothing else tells it
again. Nothing of a forged call is kept. Where to read next: `pipeline/inbox`, docs/receipts.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from litestar import Response
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler

from clarion import telemetry
from clarion.application.notices import give_notice
from clarion.application.ports.receipts import Callback, Confirmation, Forged
from clarion.domain.errors import Forbidden
from clarion.domain.ids import parse_id
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.hooks.callers import Caller
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.operation import FREQUENT
from clarion.entrypoints.http.requests import read_bytes
from clarion.entrypoints.http.trace import current

BODY_LIMIT: Final = 256 * 1024
"""Bytes of a call: the largest, of Amazon SNS, have 256 kB."""
_ROUTE: Final = "/hooks/{senderId}"


async def receive(request: Incoming) -> Response[bytes]:
    """Stores the news in a provider's call and answers as the provider wants it.

    Raises:
        NotFound: no sender with such calls is here.
        Forbidden: the call is not its provider's.
        Malformed: it is the provider's and cannot be read.
        RateLimited, Unavailable: the provider should tell it again.
    """
    current().route = _ROUTE
    edge: Edge = request.app.state.edge
    caller = await edge.callers.find(parse_id(request.path_params["senderId"]))
    return await take(edge, caller, await read_call(request, edge.links.base_url))


async def take(edge: Edge, caller: Caller, call: Callback) -> Response[bytes]:
    """Stores the news in a call of this sender's provider and answers as the provider wants it.

    Raises:
        Forbidden, Malformed, RateLimited, Unavailable: as `receive` does.
    """
    try:
        await caller.callbacks.prepare(call)
        news = caller.callbacks.read(call)
    except Forged as forged:
        telemetry.callbacks.labels(caller.provider, "forged").inc()
        raise Forbidden(f"This call is not signed as calls of this sender's provider are: {forged}") from forged
    await edge.app.inbox.put([one for one in news if not isinstance(one, Confirmation)])
    await _tell(edge, caller, [one for one in news if isinstance(one, Confirmation)])
    telemetry.callbacks.labels(caller.provider, "taken").inc()
    answer = caller.callbacks.answer
    return Response(answer.body, status_code=answer.status, media_type=answer.content_type or "text/plain")


async def read_call(request: Incoming, base_url: str) -> Callback:
    """The call as it came, under the address that we gave the provider: whatever stands before us may have others."""
    query = request.scope["query_string"].decode("latin-1")
    return Callback(
        method=request.scope["method"],
        url=f"{base_url}{request.scope['path']}" + (f"?{query}" if query else ""),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await read_bytes(request, BODY_LIMIT),
    )


async def _tell(edge: Edge, caller: Caller, confirmations: Sequence[Confirmation]) -> None:
    if not confirmations:
        return
    async with edge.database.transaction() as tx:
        for one in confirmations:
            message = f"The provider of sender {caller.sender_id.hex()} calls once somebody has opened {one.url}"
            await give_notice(
                tx, account_id=caller.account_id, campaign_id=None, kind="callback_to_confirm", message=message
            )


ROUTES = [
    HTTPRouteHandler(
        "/hooks/{senderId:str}", http_method=[HttpMethod.GET, HttpMethod.POST], status_code=200,
        opt={FREQUENT: True}, include_in_schema=False,
    )(receive)
]  # fmt: skip
