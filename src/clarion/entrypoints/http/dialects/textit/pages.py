"""Pages of a list: 250 rows, newest first, with an absolute link to the next that keeps every other parameter.

A cursor is opaque and good for one list of one workspace; whatever else comes as one is answered with 404.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

import msgspec

from clarion.domain.errors import Invalid
from clarion.domain.ids import Id
from clarion.entrypoints.http.dialects.textit.calls import Call
from clarion.entrypoints.http.dialects.textit.refusals import detail
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.incoming import Incoming

PAGE_SIZE: Final = 250
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?", re.ASCII)
T = TypeVar("T")
R = TypeVar("R")


class Page(msgspec.Struct, Generic[T]):
    """One page. `previous` is always null: lists are read forwards."""

    next: str | None
    previous: str | None
    results: list[T]


async def page_of(
    call: Call,
    name: str,
    read: Callable[[bytes | None, int], Awaitable[list[R]]],
    position: Callable[[R], bytes],
    view: Callable[[Sequence[R]], Awaitable[list[T]]],
) -> Page[T]:
    """Reads one page of the list `name`: `read` gives rows behind a position, `view` shows them.

    Raises:
        Refusal: the cursor is not one of this list.
    """
    scope = f"textit {name} {call.account_id.hex()}"
    rows = await read(_position(call, scope), PAGE_SIZE + 1)
    shown = rows[:PAGE_SIZE]
    following = call.edge.cursors.sign(scope, position(shown[-1])) if len(rows) > PAGE_SIZE else None
    return Page(following and _link(call, following), None, await view(shown))


def id_in(position: bytes | None) -> Id | None:
    """The id that a position of a list ordered by id is."""
    return None if position is None else Id(position)


def no_rows() -> Page[Any]:
    """A list with nothing in it."""
    return Page(None, None, [])


def _position(call: Call, scope: str) -> bytes | None:
    cursor = call.query.text("cursor")
    try:
        return None if cursor is None else call.edge.cursors.read(scope, cursor)
    except Invalid:
        raise detail("Invalid cursor", 404) from None


def _link(call: Call, cursor: str) -> str:
    kept = [(name, value) for name, value in call.query.pairs if name != "cursor"]
    return f"{base_url(call.request)}{call.request.scope['path']}?{urlencode([('cursor', cursor), *kept])}"


def base_url(request: Incoming) -> str:
    """Where the caller found us, as far as its `Host` header can be believed."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        edge: Edge = request.app.state.edge
        return edge.app.settings.link_base_url
    return f"{request.scope['scheme']}://{host}"
