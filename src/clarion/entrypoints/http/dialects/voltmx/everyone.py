"""The segment that is always there, `All Users`, and how a body or a path names a segment.

It is an ordinary segment of the account whose rule is true for everybody, made when somebody first asks for segments.
"""

from __future__ import annotations

from typing import Any, Final

from clarion.application.ports import Transaction
from clarion.application.segments import create_segment, get_segment, get_segment_by_number
from clarion.domain.errors import Conflict, NotFound
from clarion.domain.ids import Id
from clarion.domain.segment import SEGMENT_NAME_LIMIT, Everyone, Segment
from clarion.entrypoints.http.dialects.voltmx.refusals import whole_number

ALL_USERS: Final = "All Users"


async def all_users(tx: Transaction, account_id: Id) -> Segment:
    """The segment of everybody, made if it is not there yet."""
    try:
        return await _named(tx, account_id, ALL_USERS)
    except NotFound:
        pass
    try:
        return await create_segment(tx, account_id=account_id, name=ALL_USERS, rule=Everyone())
    except Conflict:  # another request made it a moment ago
        return await _named(tx, account_id, ALL_USERS)


def is_built_in(segment: Segment) -> bool:
    """Whether it is the segment that is always there."""
    return segment.name == ALL_USERS and segment.rule == Everyone()


async def find_segment(tx: Transaction, account_id: Id, named: dict[str, Any]) -> Segment:
    """The segment that `{"id": …}` means, or `{"name": …}` where there is no id. Raises `NotFound`."""
    if named.get("id") not in (None, ""):
        number = whole_number(named["id"])
        if number is None:
            raise NotFound("segment")
        return await get_segment_by_number(tx, account_id=account_id, number=number)
    name = named.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= SEGMENT_NAME_LIMIT:
        raise NotFound("segment")
    return await all_users(tx, account_id) if name == ALL_USERS else await _named(tx, account_id, name)


async def _named(tx: Transaction, account_id: Id, name: str) -> Segment:
    found = await tx.campaigns.resolve_segments(account_id, [name])
    if name not in found:
        raise NotFound("segment")
    return await get_segment(tx, account_id=account_id, segment_id=found[name])
