"""Stores groups and their members.

Members that leave move to `group_member_removed`, because a run reads the membership as it was when it started.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from clarion.adapters.postgres.bulk import in_turns
from clarion.adapters.postgres.connection import Connection
from clarion.domain.errors import Conflict, NotFound
from clarion.domain.group import Group
from clarion.domain.ids import Id, new_id

_INSERT = (
    "INSERT INTO contact_group (id, account_id, name) VALUES ($1, $2, $3) RETURNING id, name, 0 AS members, created_at"
)

# index: contact_group_account_id_name_key.
_ENSURE = """
INSERT INTO contact_group (id, account_id, name) VALUES ($1, $2, $3) ON CONFLICT (account_id, name) DO NOTHING
"""

# index: contact_group_account_id_name_key.
_NAMED = "SELECT name, id FROM contact_group WHERE account_id = $1 AND name = ANY($2::text[])"

# index: contact_group_pkey.
_EXISTING = "SELECT id FROM contact_group WHERE account_id = $1 AND id = ANY($2::bytea[])"

_GROUP = "g.id, g.name, (SELECT count(*) FROM group_member m WHERE m.group_id = g.id) AS members, g.created_at"

# index: contact_group_pkey, group_member_pkey (index only).
_FIND = f"SELECT {_GROUP} FROM contact_group g WHERE g.id = $2 AND g.account_id = $1"

# index: contact_group_account_id_name_key to find, group_member_pkey (index only) to count.
_LIST = f"SELECT {_GROUP} FROM contact_group g WHERE g.account_id = $1 AND g.id > $2 ORDER BY g.id LIMIT $3"

# index: contact_group_pkey backwards from the cursor; group_member_pkey (index only) to count.
_NEWEST = f"""
SELECT {_GROUP} FROM contact_group g
WHERE g.account_id = $1 AND ($2::bytea IS NULL OR g.id < $2) AND ($4::bytea IS NULL OR g.id = $4)
  AND ($5::text IS NULL OR lower(g.name) = lower($5))
ORDER BY g.id DESC LIMIT $3
"""

# index: contact_group_pkey.
_RENAME = "UPDATE contact_group SET name = $3 WHERE id = $2 AND account_id = $1 RETURNING true"

# index: contact_group_pkey. Locks the group, so that members added meanwhile wait and are then refused.
_LOCK = "SELECT true FROM contact_group WHERE id = $2 AND account_id = $1 FOR UPDATE"

_MOVE: Final = """
WITH gone AS (DELETE FROM group_member WHERE {condition} RETURNING group_id, contact_id, added_xid)
INSERT INTO group_member_removed (group_id, contact_id, added_xid) SELECT group_id, contact_id, added_xid FROM gone
"""

# index: group_member_pkey.
_REMOVE_ALL = _MOVE.format(condition="group_id = $1")

# index: group_member_pkey.
_REMOVE = _MOVE.format(condition="group_id = $1 AND contact_id = ANY($2::bytea[])")

# index: group_member_by_contact.
_LEAVE_ALL = _MOVE.format(condition="contact_id = ANY($1::bytea[])")

# index: group_member_removed_by_age. An hour is longer than any transaction that may still be opening a run lasts.
_SWEEP = """
DELETE FROM group_member_removed AS m
WHERE m.ctid IN (
    SELECT r.ctid FROM group_member_removed AS r
    WHERE r.removed_at < now() - interval '1 hour' AND NOT EXISTS (
        SELECT FROM run WHERE run.finished_at IS NULL AND NOT run.snapshot_done
          AND NOT pg_visible_in_snapshot(r.removed_xid, run.started_snapshot))
    LIMIT $1)
"""

# index: contact_group_pkey.
_DELETE = "DELETE FROM contact_group WHERE id = $1"

# index: contact_group_pkey. While it is held the group cannot be deleted: what a foreign key would check for each row.
_HOLD = "SELECT true FROM contact_group WHERE id = $1 FOR KEY SHARE"

# index: group_member_pkey.
_ADD = """
INSERT INTO group_member (group_id, contact_id)
SELECT $1, contact_id FROM unnest($2::bytea[]) AS contact_id ON CONFLICT DO NOTHING
"""


class GroupStore:
    """The groups and their members."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, account_id: Id, group_id: Id, name: str) -> Group:
        """Stores a new group. Raises `Conflict` with `GROUP_NAME_TAKEN`; the transaction is then of no more use."""
        try:
            row = await self._connection.fetchrow(_INSERT, group_id, account_id, name)
        except asyncpg.UniqueViolationError as error:
            raise _taken() from error
        return _group(row)

    async def ensure(self, account_id: Id, name: str) -> Id:
        """Returns the id of the group of this name, making it when absent."""
        await self._connection.execute(_ENSURE, new_id(), account_id, name)
        return (await self.named(account_id, [name]))[name]

    async def find(self, account_id: Id, group_id: Id) -> Group | None:
        """Reads one group with its member count."""
        row = await self._connection.fetchrow(_FIND, account_id, group_id)
        return _group(row) if row else None

    async def list_after(self, account_id: Id, after: Id | None, limit: int) -> list[Group]:
        """Reads groups above a cursor in order of creation."""
        return [_group(row) for row in await self._connection.fetch(_LIST, account_id, after or b"", limit)]

    async def existing(self, account_id: Id, group_ids: Sequence[Id]) -> set[Id]:
        """Which of these groups are here."""
        return {row["id"] for row in await self._connection.fetch(_EXISTING, account_id, list(group_ids))}

    async def newest(
        self, account_id: Id, before: Id | None, limit: int, *, only: Id | None = None, name: str | None = None
    ) -> list[Group]:
        """Reads groups below a cursor, newest first, all given conditions met; `name` in any capitals."""
        return [_group(row) for row in await self._connection.fetch(_NEWEST, account_id, before, limit, only, name)]

    async def rename(self, account_id: Id, group_id: Id, name: str) -> bool:
        """Gives a group another name; False when it is not here. Raises `Conflict` with `GROUP_NAME_TAKEN`."""
        try:
            return bool(await self._connection.fetchval(_RENAME, account_id, group_id, name))
        except asyncpg.UniqueViolationError as error:
            raise _taken() from error

    async def named(self, account_id: Id, names: Sequence[str]) -> dict[str, Id]:
        """The ids of the groups among these names that exist."""
        return {row["name"]: row["id"] for row in await self._connection.fetch(_NAMED, account_id, list(names))}

    async def delete(self, account_id: Id, group_id: Id) -> bool:
        """Removes a group; its members are kept for runs that began before. False: no such group."""
        if not await self._connection.fetchval(_LOCK, account_id, group_id):
            return False
        await self._connection.execute(_REMOVE_ALL, group_id)
        await self._connection.execute(_DELETE, group_id)
        return True

    async def add_members(self, group_id: Id, contact_ids: Sequence[Id]) -> int:
        """Adds members; returns how many were not members before. Raises `NotFound` when the group just went."""
        await self._hold(group_id)
        # In one order for everybody, so that two calls with the same contacts wait instead of dead-locking.
        return _affected(await self._connection.execute(_ADD, group_id, sorted(contact_ids)))

    async def copy_members(self, group_id: Id, contact_ids: Sequence[Id]) -> None:
        """Adds members in bulk that are known to be in no group yet. Raises `NotFound` when the group just went."""
        await self._hold(group_id)
        await self._connection.copy_records_to_table(
            "group_member",
            columns=["group_id", "contact_id"],
            records=in_turns((group_id, contact_id) for contact_id in contact_ids),
        )

    async def _hold(self, group_id: Id) -> None:
        if not await self._connection.fetchval(_HOLD, group_id):
            raise NotFound("group")

    async def remove_members(self, group_id: Id, contact_ids: Sequence[Id]) -> int:
        """Removes members; they are kept for runs that began before. Returns how many were members."""
        return _affected(await self._connection.execute(_REMOVE, group_id, list(contact_ids)))

    async def sweep_removed(self, limit: int) -> int:
        """Forgets removed members that no run can still need; returns how many."""
        return int((await self._connection.execute(_SWEEP, limit)).split()[-1])

    async def leave_all(self, contact_ids: Sequence[Id]) -> None:
        """Removes contacts from every group; kept for runs that began before."""
        await self._connection.execute(_LEAVE_ALL, list(contact_ids))


def _group(row: Any) -> Group:  # noqa: ANN401 - a driver's record
    return Group(row["id"], row["name"], row["members"], row["created_at"])


def _taken() -> Conflict:
    return Conflict("GROUP_NAME_TAKEN", "Another group of the account has this name")


def _affected(status: str) -> int:
    return int(status.rpartition(" ")[2])
