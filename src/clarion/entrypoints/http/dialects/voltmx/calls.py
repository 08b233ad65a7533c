"""One request to this API from its admission to its answer, and how a route is declared.

A route is a function of a transaction and a `Call`; what it returns is the body. Read `entrance` for who may come in,
`answers` for what goes out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
from litestar import Response

from clarion.application.ports import Transaction
from clarion.application.way_out import WayOut
from clarion.domain.access import Permission, Principal
from clarion.domain.errors import NotFound
from clarion.domain.ids import Id
from clarion.entrypoints.http.dialect import Answers, Parameter, Spoken
from clarion.entrypoints.http.dialects.voltmx.answers import respond
from clarion.entrypoints.http.dialects.voltmx.entrance import admit
from clarion.entrypoints.http.dialects.voltmx.refusals import refused, whole_number
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.operation import Method, keep_promise
from clarion.entrypoints.http.requests import read_bytes
from clarion.entrypoints.http.strict_json import parse_json

PAGE_LIMIT: Final = 500
"""Objects of one page of a list."""


class Reply(msgspec.Struct):
    """What an action answers, and every error: the id as text, and a sentence."""

    id: str
    message: str


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted request. `body` is empty where none is read."""

    edge: Edge
    request: Incoming
    principal: Principal
    body: dict[str, Any]
    way_out: WayOut = field(default_factory=WayOut)

    @property
    def account_id(self) -> Id:
        """The account of the key."""
        return self.principal.account_id

    def number(self, kind: str) -> int:
        """The number in the path. Raises `NotFound` for what cannot be one."""
        text = str(self.request.path_params["id"])
        number = whole_number(text)
        if number is None:
            raise NotFound(kind)
        return number

    def query(self, name: str) -> str:
        """A parameter of the query; the last one counts, and an absent one is empty."""
        return str(self.request.query_params.get(name, ""))


Work = Callable[[Transaction, Call], Awaitable[object]]

_REFUSED: Final[dict[int, Answers]] = {
    400: Answers("Invalid request format, unknown id, or a state that does not allow it", Reply),
    401: Answers("Unauthorized request", Reply),
    429: Answers("Too many requests; see Retry-After", Reply),
    500: Answers("Server failure to process request", Reply),
}
PAGING: Final = (
    Parameter(name="start", about="How many objects to leave out first", schema={"type": "string"}, example="0"),
    Parameter(name="pageSize", about=f"How many to answer, at most {PAGE_LIMIT}", example="10"),
)


def endpoint(
    *,
    name: str,
    method: Method,
    path: str,
    summary: str,
    needs: tuple[Permission, ...],
    answers: Answers,
    description: str = "",
    body: Any = None,  # noqa: ANN401 - any model
    body_example: Any = None,  # noqa: ANN401 - any JSON
    parameters: tuple[Parameter, ...] = (),
    is_promise: bool = False,
    prepare: Callable[[Call], Awaitable[WayOut]] | None = None,
) -> Callable[[Work], Spoken]:
    """Declares what a path does on a method. `is_promise`: no send against the change follows its answer.

    `prepare` uses the network before the transaction begins; what it gives is the call's `way_out`.
    """

    def declared(work: Work) -> Spoken:
        async def handle(request: Incoming) -> Response[Any]:
            edge: Edge = request.app.state.edge
            principal = await admit(request, needs)
            said = await _body_of(request, edge, is_read=body is not None) if method == "POST" else {}
            call = Call(edge, request, principal, said)
            if prepare:
                call = replace(call, way_out=await prepare(call))

            async def effect(tx: Transaction) -> object:
                return await work(tx, call)

            result = await edge.database.retrying(effect)
            if is_promise:
                await keep_promise(edge.database, principal.account_id)
            return respond(result)

        return Spoken(
            name=f"voltmx_{name}",
            method=method,
            path=path,
            summary=summary,
            description=description,
            path_schemas={"id": {"type": "string", "pattern": "^[0-9]+$", "examples": ["3"]}},
            parameters=parameters,
            body=body,
            body_example=body_example,
            answers={200: answers} | _REFUSED,
            handler=handle,
        )

    return declared


async def _body_of(request: Incoming, edge: Edge, *, is_read: bool) -> dict[str, Any]:
    """The body as an object. Actions take none: whatever comes with them is left unread but for its size."""
    raw = await read_bytes(request, edge.max_body_bytes)
    if not is_read:
        return {}
    if not raw.strip():
        raise refused("body", "required", "is missing")
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise refused("body", "type", "must be a JSON object")
    return dict(value)


def page_of(call: Call) -> tuple[int, int]:
    """How many to leave out and how many to answer. Raises `Invalid` for what is no number, or too large a page."""
    start, size = call.query("start") or "0", call.query("pageSize") or "10"
    skip = 0 if start.isascii() and start.isdecimal() and not start.strip("0") else whole_number(start)
    limit = whole_number(size)
    if skip is None:
        raise refused("start", "range", "must be a whole number from 0")
    if limit is None or limit > PAGE_LIMIT:
        raise refused("pageSize", "range", f"must be a whole number from 1 to {PAGE_LIMIT}")
    return skip, limit
