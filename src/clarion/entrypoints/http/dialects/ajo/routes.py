"""What every route here declares: its headers, its common answers, and how an answer is written.

Where to read next: `recipients`, `audiences`, `tokens`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from litestar import Response

from clarion.application.ports.replies import Reply, ReplyKey
from clarion.domain.access import Principal
from clarion.domain.errors import Invalid, Problem
from clarion.entrypoints.http.dialect import Answers, Parameter
from clarion.entrypoints.http.dialects.ajo.models import Refusal
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.envelope import JSON
from clarion.entrypoints.http.idempotency import claimed
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.trace import current

BASE: Final = "/ajo/im"
REQUEST_ID_HEADER: Final = "x-request-id"
_REQUEST_ID_LIMIT: Final = 255

HEADERS: Final = (
    Parameter(name="x-api-key", place="header", about="The client id: the id of an API key.", required=True),
    Parameter(
        name="x-gw-ims-org-id", place="header", about="The organisation.", required=True, example="acme@AdobeOrg"
    ),
    Parameter(name="x-sandbox-name", place="header", about="The sandbox.", required=True, example="prod"),
)
ONCE: Final = Parameter(
    name=REQUEST_ID_HEADER,
    place="header",
    about="Sent again within 24 hours, the call is answered as the first time and not executed.",
)


def refusals(*statuses: int) -> dict[int, Answers]:
    """The declarations of these statuses."""
    return {status: Answers(_REFUSALS[status], Refusal) for status in statuses}


_REFUSALS: Final = {
    400: "The request breaks a rule, or the campaign does not take it",
    401: "The token is missing or not good",
    403: "The client id is not that of the token, or may not do this",
    404: "There is no such campaign, profile or execution",
    408: "The body did not arrive in time",
    409: "The requestId came before with another body",
    413: "The body is too large",
    415: "The body is not declared as JSON",
    429: "Too many requests; see Retry-After",
    500: "Our fault",
    503: "A part is not there just now; see Retry-After",
}
ALWAYS: Final = refusals(400, 401, 403, 404, 429, 500, 503)
WITH_BODY: Final = ALWAYS | refusals(408, 409, 413, 415)


def respond(body: object, status: int = 200) -> Response[bytes]:
    """An answer in JSON."""
    return Response(msgspec.json.encode(body), status_code=status, media_type=JSON)


async def once(
    request: Incoming, principal: Principal, work: Callable[[], Awaitable[Response[bytes]]]
) -> Response[bytes]:
    """Does the work, unless a request with this `x-request-id` was answered before: then gives that answer.

    Raises:
        Invalid: the header is longer than 255 characters.
        Conflict: the first one is still worked on.
    """
    given = request.headers.get(REQUEST_ID_HEADER, "").strip()
    if not given:
        return await work()
    if len(given) > _REQUEST_ID_LIMIT or not given.isprintable() or not given.isascii():
        raise Invalid(Problem(f"header.{REQUEST_ID_HEADER}", "pattern", "must be at most 255 printable characters"))
    edge: Edge = request.app.state.edge
    key = ReplyKey(principal.key_id, request.scope["path"], f"{REQUEST_ID_HEADER}: {given}")
    async with claimed(edge.database, key) as earlier:
        if earlier is not None and earlier.reply is not None:
            current().replayed = True
            return Response(earlier.reply.body, status_code=earlier.reply.status, media_type=JSON)
        answer = await work()
        async with edge.database.transaction() as tx:
            await tx.replies.keep(key, b"", Reply(answer.status_code or 0, _bytes(answer), JSON))
    return answer


def _bytes(answer: Response[Any]) -> bytes:
    return bytes(answer.content)
