"""Stores segments and asks their rules of the contacts.

A rule is stored as the JSON its author reads, and read back the same way. How a rule becomes SQL is in `segment_sql`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from clarion.adapters.postgres.connection import Connection
from clarion.adapters.postgres.contacts import CONTACT, known
from clarion.adapters.postgres.segment_sql import where
from clarion.application.segment_rules import parse_rule, rule_to_json
from clarion.domain.campaign import AudienceCount
from clarion.domain.contact import Contact
from clarion.domain.ids import Id
from clarion.domain.segment import Rule, Segment

_SEGMENT: Final = "id, number, name, rule, extras, created_at, updated_at"

# index: segment_account_id_name_key decides whether the name is free.
_INSERT: Final = f"""
INSERT INTO segment (account_id, id, name, rule, extras) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account_id, name) DO NOTHING RETURNING {_SEGMENT}
"""

# index: segment_pkey.
_FIND: Final = f"SELECT {_SEGMENT} FROM segment WHERE account_id = $1 AND id = $2"
_HOLD: Final = f"SELECT {_SEGMENT} FROM segment WHERE account_id = $1 AND id = ANY($2::bytea[]) FOR KEY SHARE"
_LOCK: Final = "SELECT true FROM segment WHERE account_id = $1 AND id = $2 FOR UPDATE"
_DELETE: Final = "DELETE FROM segment WHERE id = $1"

# index: segment_number_key.
_FIND_BY_NUMBER: Final = f"SELECT {_SEGMENT} FROM segment WHERE account_id = $1 AND number = $2"

# index: segment_account_id_name_key, sorted: an account has few.
_LIST: Final = f"SELECT {_SEGMENT} FROM segment WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3"

# index: segment_account_id_name_key, sorted.
_SLICE: Final = f"SELECT {_SEGMENT} FROM segment WHERE account_id = $1 ORDER BY id OFFSET $2 LIMIT $3"
_COUNT_ALL: Final = "SELECT count(*) FROM segment WHERE account_id = $1"

# index: segment_pkey to write.
_UPDATE: Final = f"""
UPDATE segment SET name = coalesce($3, name), rule = coalesce($4, rule), extras = coalesce($5, extras),
    updated_at = now()
WHERE account_id = $1 AND id = $2 RETURNING {_SEGMENT}
"""

# index: campaign_by_account.
_USED_BY: Final = """
SELECT name FROM campaign
WHERE account_id = $1 AND $2 = ANY(segment_ids) AND state NOT IN ('completed', 'stopped', 'failed', 'archived')
ORDER BY id LIMIT 3
"""

# No index: every contact is looked at once, by several processes where the server may use them. The few suppressed
# are met by suppression_pkey and contact_by_email.
_COUNT: Final = """
SELECT found.selected, found.mailable - blocked.mailable AS eligible
FROM (
    SELECT count(*) AS selected, count(*) FILTER (WHERE {mailable}) AS mailable FROM contact AS c
    WHERE c.account_id = $1 AND c.deleted_at IS NULL AND {selected}
) AS found, (
    SELECT count(*) AS mailable
    FROM suppression AS s JOIN contact AS c ON c.account_id = s.account_id AND c.email_key = s.address_key
    WHERE s.account_id = $1 AND s.channel = 'email' AND c.deleted_at IS NULL AND {mailable} AND {selected}
) AS blocked
"""
# A group may have ten members or a million: a plan that fits any of them fits none. The memory is for the members of a
# group of two million as a hash: looked up one by one they take three times as long.
_PLAN_FOR_VALUES: Final = "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL work_mem = '48MB'"
_MAILABLE: Final = "c.email IS NOT NULL AND c.consent_email IS NOT FALSE AND c.status = 'active'"

# index: contact_by_account in order.
_CONTACTS: Final = """
SELECT {columns} FROM contact AS c
WHERE c.account_id = $1 AND c.id > $2 AND c.deleted_at IS NULL AND {selected} ORDER BY c.id LIMIT $3
"""


class SegmentStore:
    """The segments of all accounts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(
        self, account_id: Id, segment_id: Id, *, name: str, rule: Rule, extras: dict[str, Any]
    ) -> Segment | None:
        """Stores a new segment; None when the name is taken."""
        row = await self._connection.fetchrow(_INSERT, account_id, segment_id, name, rule_to_json(rule), extras)
        return _segment(row) if row else None

    async def find(self, account_id: Id, segment_id: Id) -> Segment | None:
        """Reads one segment."""
        row = await self._connection.fetchrow(_FIND, account_id, segment_id)
        return _segment(row) if row else None

    async def find_by_number(self, account_id: Id, number: int) -> Segment | None:
        """Reads one segment by its number; one that no column can hold is nobody's."""
        if not 0 < number < 2**63:
            return None
        row = await self._connection.fetchrow(_FIND_BY_NUMBER, account_id, number)
        return _segment(row) if row else None

    async def hold(self, account_id: Id, segment_ids: Sequence[Id]) -> list[Segment]:
        """Reads those of these segments that exist; none of them can be deleted before the transaction ends."""
        return [_segment(row) for row in await self._connection.fetch(_HOLD, account_id, list(segment_ids))]

    async def list_after(self, account_id: Id, after: Id | None, limit: int) -> list[Segment]:
        """Reads segments above a cursor in order of creation."""
        return [_segment(row) for row in await self._connection.fetch(_LIST, account_id, after or b"", limit)]

    async def slice(self, account_id: Id, skip: int, limit: int) -> tuple[int, list[Segment]]:
        """How many segments there are, and some of them by their place."""
        rows = await self._connection.fetch(_SLICE, account_id, skip, limit)
        return await self._connection.fetchval(_COUNT_ALL, account_id), [_segment(row) for row in rows]

    async def update(
        self, account_id: Id, segment_id: Id, *, name: str | None, rule: Rule | None, extras: dict[str, Any] | None
    ) -> Segment | None:
        """Overwrites what is not None of a segment that exists; None when the name is taken."""
        written = None if rule is None else rule_to_json(rule)
        try:
            # A transaction of its own inside the caller's, which a collision then leaves usable.
            async with self._connection.transaction():
                row = await self._connection.fetchrow(_UPDATE, account_id, segment_id, name, written, extras)
        except asyncpg.UniqueViolationError:
            return None
        return _segment(row)

    async def lock(self, account_id: Id, segment_id: Id) -> bool:
        """Waits until nobody holds the segment and keeps others from it; False when it is not here."""
        return bool(await self._connection.fetchval(_LOCK, account_id, segment_id))

    async def used_by(self, account_id: Id, segment_id: Id) -> list[str]:
        """The names of a few campaigns that may still reach the segment's contacts."""
        return [row["name"] for row in await self._connection.fetch(_USED_BY, account_id, segment_id)]

    async def delete(self, segment_id: Id) -> None:
        """Removes a segment."""
        await self._connection.execute(_DELETE, segment_id)

    async def count(self, account_id: Id, rule: Rule) -> AudienceCount:
        """How many contacts a rule selects now, and how many of them marketing mail may be sent to."""
        selected, arguments = where([rule], 2)
        statement = _COUNT.format(mailable=_MAILABLE, selected=selected)
        async with self._connection.transaction():
            await self._connection.execute(_PLAN_FOR_VALUES)
            # Not fetchrow: the driver asks for one row only, and the server then uses one process only.
            (row,) = await self._connection.fetch(statement, account_id, *arguments)
        return AudienceCount(row["selected"], row["eligible"])

    async def contacts_after(self, account_id: Id, rule: Rule, after: Id | None, limit: int) -> list[Contact]:
        """Reads contacts that a rule selects, above a cursor, in order of creation."""
        selected, arguments = where([rule], 4)
        statement = _CONTACTS.format(columns=CONTACT, selected=selected)
        return [
            known(row) for row in await self._connection.fetch(statement, account_id, after or b"", limit, *arguments)
        ]


def _segment(row: Any) -> Segment:  # noqa: ANN401 - a driver's record
    return Segment(**{**dict(row), "rule": parse_rule(row["rule"])})
