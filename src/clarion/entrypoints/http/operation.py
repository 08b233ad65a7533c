"""One operation of the native API: what is declared about it, and the order in which a request to it is checked.

Every route is a function that takes a transaction and a `Call` and returns what stands in `data`. The declaration
beside it is all that the OpenAPI document, the permission check and the readers of body and query know.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from clarion.application.ports import Database, Transaction
from clarion.application.ports.replies import Reply
from clarion.domain.access import Permission, Principal
from clarion.domain.errors import Invalid, NotFound
from clarion.domain.ids import Id, parse_id
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.envelope import JSON, succeeded
from clarion.entrypoints.http.idempotency import claimed, digest, once, reply_key, settle
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.requests import read_bytes, read_model, read_query, require_json
from clarion.entrypoints.http.trace import current

PREFIX: Final = "/v1/accounts/{accountGroupId}"
FREQUENT: Final = "is_frequent"
"""The option of a route handler that puts it on the short way of `express`."""
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No fields at all."""


B = TypeVar("B")
Q = TypeVar("Q")


@dataclass(slots=True)
class Call(Generic[B, Q]):
    """One admitted request: who asks, and its body and query as the declared models."""

    edge: Edge
    request: Incoming
    principal: Principal
    body: B
    query: Q
    raw: bytes = b""
    """The body as it came."""
    prepared: Any = None
    """What the operation's `prepare` gave."""

    @property
    def account_id(self) -> Id:
        """The account asked about, which is the key's own."""
        return self.principal.account_id

    def id(self, name: str, kind: str) -> Id:
        """The id in the path. Raises `NotFound` for what cannot be an id."""
        found = parse_id(self.request.path_params[name])
        if found is None:
            raise NotFound(kind)
        return found


@dataclass(frozen=True, slots=True)
class Answer:
    """Data with a status other than the declared one."""

    data: object
    status: int


Work = Callable[[Transaction, Any], Awaitable[object]]
Direct = Callable[[Any], Awaitable[Response[Any]]]
Networked = Callable[[Any], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is declared about an operation. `path` is below the account's own."""

    name: str
    method: Method
    path: str
    tag: str
    summary: str
    description: str
    permission: Permission
    body: type | None = None
    body_types: tuple[str, ...] = (JSON,)
    body_limit: int | None = None
    """Bytes of its body; None: what every JSON body may have."""
    query: type = Nothing
    data: Any = None
    status: int = 200
    statuses: dict[int, str] = field(default_factory=dict)
    """Further statuses it may answer with, and when."""
    downloads: tuple[str, ...] = ()
    """Content types of a success other than the envelope."""
    find: Work | None = None
    """Reads the object in the path, so that an unknown one is told before a mistake in the request."""
    prepare: Networked | None = None
    """Uses the network before the transaction begins; what it gives is the call's `prepared`."""
    is_secret: bool = False
    """Whether the answer shows a secret; its reply is kept encrypted."""
    is_frequent: bool = False
    """Whether it comes thousands of times a second, and takes the short way of `express`."""
    promises: bool = False
    """Whether no message leaves against the change once it is answered."""

    @property
    def full_path(self) -> str:
        """The path from the root of the server."""
        return PREFIX + self.path


def operation(**declared: Any) -> Callable[[Work], HTTPRouteHandler]:  # noqa: ANN401 - the fields of Operation
    """Declares a route that works in one transaction, which ends before it is answered."""
    declaration = Operation(**declared)
    return lambda work: route(declaration, partial(_run, declaration, work))


def direct_operation(**declared: Any) -> Callable[[Direct], HTTPRouteHandler]:  # noqa: ANN401 - the fields of Operation
    """Declares a route that arranges its own transactions and answer; only the key is checked for it."""
    declaration = Operation(**declared)
    return lambda work: route(declaration, partial(_run_direct, declaration, work))


def network_operation(**declared: Any) -> Callable[[Networked], HTTPRouteHandler]:  # noqa: ANN401 - the fields of Operation
    """Declares a route whose work uses the network, during which no transaction is open."""
    declaration = Operation(**declared)
    return lambda work: route(declaration, partial(_run_networked, declaration, work))


def route(declaration: Operation, endpoint: Callable[[Incoming], Awaitable[Response[Any]]]) -> HTTPRouteHandler:
    """Gives the framework a declared operation."""

    async def handle(request: Incoming) -> Response[Any]:
        current().route = declaration.full_path
        return await endpoint(request)

    path = re.sub(r"{(\w+)}", r"{\1:str}", declaration.full_path)
    handler = HTTPRouteHandler(
        path, http_method=declaration.method, status_code=declaration.status, name=declaration.name,
        opt={"operation": declaration, FREQUENT: declaration.is_frequent}, include_in_schema=False,
    )  # fmt: skip
    return handler(handle)


async def _run_direct(declaration: Operation, work: Direct, request: Incoming) -> Response[Any]:
    edge: Edge = request.app.state.edge
    principal = await edge.doorkeeper.admit(request, declaration.permission)
    call = await _understand(declaration, Call(edge, request, principal, Nothing(), Nothing()), b"")
    return await work(call)


async def _run_networked(declaration: Operation, work: Networked, request: Incoming) -> Response[bytes]:
    edge, call, raw = await _admit(declaration, request)
    key, body_hash = reply_key(request, call.principal), digest(request, raw)
    async with claimed(edge.database, key) as earlier:
        if earlier:
            return respond(settle(earlier, body_hash))
        reply = _reply(declaration, await work(call))
        if key:
            async with edge.database.transaction() as tx:
                await tx.replies.keep(key, body_hash, reply)
    return respond(reply)


async def _run(declaration: Operation, work: Work, request: Incoming) -> Response[bytes]:
    edge, call, raw = await _admit(declaration, request)
    if declaration.method == "GET":
        async with edge.database.reading() as tx:
            return respond(_reply(declaration, await work(tx, call)))

    if declaration.prepare:
        call.prepared = await declaration.prepare(call)

    async def effect(tx: Transaction) -> Reply:
        return _reply(declaration, await work(tx, call))

    key = reply_key(request, call.principal) if declaration.method == "POST" else None
    sealer = edge.app.sealer if declaration.is_secret else None
    reply = await once(edge.database, key, digest(request, raw), effect, sealer)
    if declaration.promises:
        await keep_promise(edge.database, call.account_id)
    return respond(reply)


async def _admit(declaration: Operation, request: Incoming) -> tuple[Edge, Call[Any, Any], bytes]:
    """The checks every request passes, in the order callers may rely on: key, permission, account, object, shape."""
    edge: Edge = request.app.state.edge
    principal = await edge.doorkeeper.admit(request, declaration.permission)
    raw = await _read_body(declaration, request, edge)
    return edge, await _understand(declaration, Call(edge, request, principal, Nothing(), Nothing(), raw), raw), raw


async def _read_body(declaration: Operation, request: Incoming, edge: Edge) -> bytes:
    if declaration.method in ("GET", "DELETE"):
        return b""
    raw = await read_bytes(request, declaration.body_limit or edge.max_body_bytes)
    require_json(request, raw)
    return raw


async def _understand(declaration: Operation, call: Call[Any, Any], raw: bytes) -> Call[Any, Any]:
    try:
        call.query = read_query(call.request, declaration.query)
        if declaration.method not in ("GET", "DELETE"):
            call.body = read_model(raw, declaration.body or Nothing)
    except Invalid:
        if declaration.find:
            async with call.edge.database.reading() as tx:
                await declaration.find(tx, call)
        raise
    return call


def _reply(declaration: Operation, result: object) -> Reply:
    answer = result if isinstance(result, Answer) else Answer(result, declaration.status)
    return Reply(answer.status, succeeded(answer.data), JSON)


async def keep_promise(database: Database, account_id: Id) -> None:
    """Waits until no message is on its way to the wire that a committed change forbids."""
    async with database.reading() as tx:
        await tx.barrier(account_id)


def respond(reply: Reply) -> Response[bytes]:
    """Sends a reply; one of an earlier request is marked as replayed."""
    headers = {"Idempotency-Replayed": "true"} if current().replayed else {}
    return Response(reply.body, status_code=reply.status, media_type=reply.content_type, headers=headers)
