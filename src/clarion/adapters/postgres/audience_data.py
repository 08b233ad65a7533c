"""What an audience has where a message looks: how many have nothing there, and the longest that anybody has.

Each is one pass over the audience. Never changes anything. Where to read next: `audience`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from clarion.adapters.postgres import audience
from clarion.adapters.postgres.connection import Connection
from clarion.domain.campaign import Campaign
from clarion.domain.ids import Id
from clarion.domain.segment import Rule

PLAIN_COLUMNS: Final = frozenset({"external_id", "email", "phone", "first_name", "last_name", "language", "timezone"})

# index: those of the members, then contact_pkey. Every path is mentioned, for what is not has no type.
_ASKED: Final = """
SELECT {columns}, {mentioned} FROM ({members}) AS m JOIN contact AS c ON c.id = m.contact_id
"""

# The greatest of the texts that begin with their own length is the longest; reading it needs no sorting.
_LONGEST: Final = """
substr(max((lpad(octet_length({value})::text, 9, '0') || {value}) COLLATE "C"), 10)
"""


async def count_missing(
    connection: Connection, account_id: Id, campaign: Campaign, rules: Sequence[Rule], paths: list[tuple[str, ...]]
) -> dict[tuple[str, ...], int]:
    """Counts who has nothing at each path: a column, or `attributes` and keys."""
    counting = "count(*) FILTER (WHERE coalesce({value}, '') = '')"
    found = await _asked(connection, account_id, campaign, rules, paths=paths, figure=counting)
    return {path: count for path, count in found.items() if count}


async def longest(
    connection: Connection, account_id: Id, campaign: Campaign, rules: Sequence[Rule], paths: list[tuple[str, ...]]
) -> dict[tuple[str, ...], str]:
    """Finds the longest value at each path, as text; `attributes` alone is the largest object of all, as JSON."""
    found = await _asked(connection, account_id, campaign, rules, paths=paths, figure=_LONGEST)
    return {path: value for path, value in found.items() if value}


async def _asked(
    connection: Connection,
    account_id: Id,
    campaign: Campaign,
    rules: Sequence[Rule],
    *,
    paths: list[tuple[str, ...]],
    figure: str,
) -> dict[tuple[str, ...], Any]:
    if not paths:
        return {}
    members, values = audience.members(account_id, campaign, rules)
    first = len(values) + 1
    columns = (figure.format(value=_value(path, place)) for place, path in enumerate(paths, start=first))
    query = _ASKED.format(
        columns=", ".join(columns), mentioned=_mentioned(range(first, first + len(paths))), members=members
    )
    (row,) = await connection.fetch(query, *values, *(list(path[1:]) for path in paths))
    return dict(zip(paths, row, strict=False))


def _value(path: tuple[str, ...], place: int) -> str:
    return f"c.{path[0]}" if path[0] in PLAIN_COLUMNS else f"(c.attributes #>> ${place}::text[])"


def _mentioned(places: Iterable[int]) -> str:
    return ", ".join(f"${place}::text[] IS NULL" for place in places)
