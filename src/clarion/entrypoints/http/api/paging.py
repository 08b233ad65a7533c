"""Lists: a page of at most 1,000 items in a fixed order, and a signed cursor to the next one.

Owns what every list shares; each list brings its own order and its own mark in it. Read `cursors` for the signature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from msgspec import Meta

from clarion.domain.errors import Invalid, Problem
from clarion.domain.ids import Id, parse_id
from clarion.entrypoints.http.operation import Call

HexId = Annotated[str, Meta(pattern="^[0-9a-f]{24}$", examples=["507f1f77bcf86cd799439011"])]
"""An id as callers see it."""

UNKNOWN: Final = Id(bytes(12))
"""An id that nothing has: what cannot be an id is looked up as this one."""

T = TypeVar("T")
V = TypeVar("V")


class PageQuery(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Which page of a list."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="Items of one page at most.")] = 100
    cursor: (
        Annotated[str, Meta(min_length=1, max_length=2048, description="`nextCursor` of the page before.")] | None
    ) = None


class Page(msgspec.Struct, Generic[V], rename="camel"):
    """One page of a list, in order of creation unless the operation says otherwise."""

    items: list[V]
    next_cursor: str | None
    """Give it as `cursor` for the next page; null on the last one."""


class Deleted(msgspec.Struct, rename="camel"):
    """What was deleted."""

    id: str
    deleted: bool = True


def position(call: Call[Any, Any]) -> bytes | None:
    """Where the asked page begins. Raises `Invalid` for a cursor that is not of this list and these filters."""
    cursor = call.query.cursor
    return None if cursor is None else call.edge.cursors.read(_scope(call), cursor)


def after_id(call: Call[Any, Any]) -> Id | None:
    """The id after which the asked page begins."""
    found = position(call)
    return None if found is None else Id(found)


def page(call: Call[Any, Any], rows: Sequence[T], view: Callable[[T], V], mark: Callable[[T], bytes]) -> Page[V]:
    """A page of `rows`, of which the caller reads one more than `limit` to learn whether there is a next page."""
    limit = call.query.limit
    shown = rows[:limit]
    more = len(rows) > limit
    return Page([view(row) for row in shown], call.edge.cursors.sign(_scope(call), mark(shown[-1])) if more else None)


def as_ids(texts: Sequence[str], field: str) -> list[Id]:
    """Ids in a body. Raises `Invalid` naming each that cannot be one."""
    found = [(number, parse_id(text)) for number, text in enumerate(texts)]
    wrong = [Problem(f"{field}[{number}]", "pattern", "is not an id") for number, id_ in found if id_ is None]
    if wrong:
        raise Invalid.of(wrong)
    return [id_ for _, id_ in found if id_ is not None]


def hex_or_none(id_: Id | None) -> str | None:
    """An optional id as callers see it."""
    return None if id_ is None else id_.hex()


def _scope(call: Call[Any, Any]) -> str:
    filters = {
        name: value for name, value in msgspec.to_builtins(call.query).items() if name not in ("limit", "cursor")
    }
    return call.request.scope["path"] + "?" + msgspec.json.encode(filters, order="sorted").decode()
