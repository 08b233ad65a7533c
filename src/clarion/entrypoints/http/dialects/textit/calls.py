"""One request to this API from its admission to its answer, and how a route is declared.

A route is a function of a transaction and a `Call`; what it returns is the body. Read `entrance` for who may come in,
`inputs` for how a body is read.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from litestar import Response

from clarion.application.ports import Transaction
from clarion.domain.access import Permission, Principal
from clarion.domain.errors import Malformed
from clarion.domain.ids import Id
from clarion.entrypoints.http.dialect import Answers, Parameter, Spoken
from clarion.entrypoints.http.dialects.textit.answers import respond
from clarion.entrypoints.http.dialects.textit.entrance import admit
from clarion.entrypoints.http.dialects.textit.queries import Query
from clarion.entrypoints.http.dialects.textit.refusals import detail, of_body
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.operation import Method, keep_promise
from clarion.entrypoints.http.requests import content_type, read_bytes
from clarion.entrypoints.http.strict_json import Json, parse_json

PREFIX: Final = "/api/v2"
FORM: Final = "application/x-www-form-urlencoded"
Body = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted request."""

    edge: Edge
    request: Incoming
    principal: Principal
    query: Query
    body: Body

    @property
    def account_id(self) -> Id:
        """The workspace: the account of the key."""
        return self.principal.account_id


@dataclass(frozen=True, slots=True)
class Made:
    """A body that is answered with 201, because it is of something new."""

    body: object


Work = Callable[[Transaction, Call], Awaitable[object]]

REFUSED: Final[dict[int, Answers]] = {
    400: Answers("A parameter or a field breaks a rule", dict[str, Any], example={"name": ["This field is required."]}),
    403: Answers("No good credentials, or no permission", dict[str, Any], example={"detail": "Invalid token"}),
    406: Answers("The answer cannot be JSON", dict[str, Any], example={"detail": "Could not satisfy …"}),
    429: Answers("The hour is used up; see Retry-After", dict[str, Any], example={"detail": "Request was throttled."}),
    503: Answers("The database does not answer; try again", dict[str, Any], example={"detail": "Try again"}),
}
NOT_HERE: Final = {404: Answers("There is no such object", dict[str, Any], example={"detail": "Not found."})}
UNREADABLE: Final[dict[int, Answers]] = {
    408: Answers("The body did not arrive in time", dict[str, Any], example={"detail": "Too slow"}),
    413: Answers("The body is too large", dict[str, Any], example={"detail": "Too large"}),
    415: Answers("The body is not JSON", dict[str, Any], example={"detail": "Unsupported media type"}),
}
UUID: Final = Parameter(name="uuid", about="The UUID of one object", schema={"type": "string", "format": "uuid"})
CURSOR: Final = Parameter(name="cursor", about="From `next` of the page before")


def endpoint(
    *,
    noun: str,
    method: Method,
    summary: str,
    needs: tuple[Permission, ...],
    answers: dict[int, Answers],
    scope: str = "v2",
    body: Any = None,  # noqa: ANN401 - any model
    parameters: tuple[Parameter, ...] = (),
    is_promise: bool = False,
) -> Callable[[Work], Spoken]:
    """Declares what `/api/v2/<noun>.json` does on a method. `is_promise`: no send against the change follows it."""

    def declared(work: Work) -> Spoken:
        async def handle(request: Incoming) -> Response[Any]:
            edge: Edge = request.app.state.edge
            principal = await admit(request, needs, scope)
            said = await _body_of(request, edge) if method == "POST" else {}
            call = Call(edge, request, principal, Query(request), said)
            result = await _run(edge, method, work, call)
            if is_promise:
                await keep_promise(edge.database, principal.account_id)
            return _answer(result)

        return Spoken(
            name=f"textit_{method.lower()}_{noun}",
            method=method,
            path=f"{PREFIX}/{noun}.json",
            summary=summary,
            parameters=parameters,
            body=body,
            body_types=("application/json", FORM),
            answers=answers | REFUSED | (UNREADABLE | NOT_HERE if method == "POST" else NOT_HERE),
            handler=handle,
        )

    return declared


async def _run(edge: Edge, method: Method, work: Work, call: Call) -> object:
    if method == "GET":
        async with edge.database.reading() as tx:
            return await work(tx, call)

    async def effect(tx: Transaction) -> object:
        return await work(tx, call)

    return await edge.database.retrying(effect)


def _answer(result: object) -> Response[Any]:
    if isinstance(result, Made):
        return respond(result.body, 201)
    return respond(result, 204 if result is None else 200)


async def _body_of(request: Incoming, edge: Edge) -> Body:
    raw = await read_bytes(request, edge.max_body_bytes)
    kind = content_type(request)
    if not raw.strip():
        return {}
    if kind == FORM:
        return _form(raw)
    if kind != "application/json":
        raise detail(f'Unsupported media type "{kind}" in request.', 415)
    value = _json(raw)
    if not isinstance(value, dict):
        raise of_body("Request body should be a single JSON object")
    return value


def _form(raw: bytes) -> Body:
    try:
        lists = parse_qs(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=1000)
        # Through JSON, so that what no text may contain is refused in one place.
        found = parse_json(json.dumps(lists).encode())
    except (UnicodeDecodeError, ValueError):
        raise detail("The form could not be read.") from None
    values = found if isinstance(found, dict) else {}
    return {name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in values.items()}


def _json(raw: bytes) -> Json:
    try:
        return parse_json(raw)
    except Malformed as error:
        raise detail(f"JSON parse error - {_why(raw, error)}") from None


def _why(raw: bytes, error: Malformed) -> str:
    try:
        json.loads(raw)
    except (ValueError, RecursionError) as known:
        return str(known) if isinstance(known, json.JSONDecodeError) else error.problems[0].message
    return error.problems[0].message
