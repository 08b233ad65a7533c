"""Stores imports: the body in pieces, progress, refusals and the end.

The merge of an import holds a lock on its first piece, not on the import itself, so that progress can be written
beside it. The lock dies with the transaction of the merge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from clarion.adapters.postgres.connection import Connection
from clarion.domain.contact_import import Import, ImportFormat, ImportState, Rejection, Tally
from clarion.domain.ids import Id

WAKE_CHANNEL: Final = "clarion_work"

_IMPORT = """i.id, i.account_id, i.group_id, i.group_name, i.format, i.state, i.problem, i.bytes_received, i.rows_read,
    i.rows_created, i.rows_updated, i.rows_rejected, i.tries, i.created_at, i.received_at, i.finished_at"""

_INSERT = f"""
INSERT INTO contact_import AS i (id, account_id, format, group_name, state) VALUES ($2, $1, $3, $4, 'receiving')
RETURNING {_IMPORT}
"""

# index: contact_import_pkey.
_FIND = f"SELECT {_IMPORT} FROM contact_import i WHERE i.id = $2 AND i.account_id = $1"

# index: contact_import_by_account.
_LIST = f"SELECT {_IMPORT} FROM contact_import i WHERE i.account_id = $1 AND i.id > $2 ORDER BY i.id LIMIT $3"

# index: contact_import_pkey. received_at is the time of the latest piece until the body is whole.
_APPEND = """
WITH open AS (
    UPDATE contact_import SET bytes_received = bytes_received + octet_length($3::bytea), received_at = clock_timestamp()
    WHERE id = $1 AND state = 'receiving' RETURNING id)
INSERT INTO import_chunk (import_id, no, body) SELECT id, $2::int, $3::bytea FROM open RETURNING true
"""

# index: contact_import_pkey.
_RECEIVED = f"""
UPDATE contact_import AS i SET state = 'merging', received_at = clock_timestamp()
WHERE i.id = $2 AND i.account_id = $1 AND i.state = 'receiving' RETURNING {_IMPORT}
"""

_WAKE = "SELECT pg_notify($1, '')"

# index: contact_import_pkey. Counts of a failed import are none: it left nothing behind.
_FAIL = """
UPDATE contact_import SET state = 'failed', problem = $2, finished_at = clock_timestamp(), rows_created = 0,
    rows_updated = 0, rows_rejected = 0
WHERE id = $1 AND state IN ('receiving', 'merging') RETURNING true
"""

# index: import_chunk_pkey.
_DROP_CHUNKS = "DELETE FROM import_chunk WHERE import_id = $1"

# indexes: contact_import_unfinished, import_chunk_pkey. The oldest of each account only: they merge one by one.
_CLAIM = f"""
SELECT {_IMPORT} FROM contact_import i JOIN import_chunk first ON first.import_id = i.id AND first.no = 0
WHERE i.state = 'merging' AND NOT EXISTS (
    SELECT FROM contact_import older
    WHERE older.account_id = i.account_id AND older.state = 'merging' AND older.id < i.id)
ORDER BY i.id LIMIT 1 FOR UPDATE OF first SKIP LOCKED
"""

# index: contact_import_pkey.
_COUNT_TRY = "UPDATE contact_import SET tries = tries + 1 WHERE id = $1"

# index: import_chunk_pkey.
_READ_CHUNK = "SELECT body FROM import_chunk WHERE import_id = $1 AND no = $2"

# index: contact_import_pkey.
_PROGRESS = """
UPDATE contact_import SET rows_read = $2, rows_created = $3, rows_updated = $4, rows_rejected = $5
WHERE id = $1 AND state = 'merging'
"""

# index: contact_import_pkey.
_COMPLETE = """
UPDATE contact_import SET state = 'completed', rows_read = $2, rows_created = $3, rows_updated = $4,
    rows_rejected = $5, group_id = $6, finished_at = clock_timestamp()
WHERE id = $1
"""

# index: import_rejection_by_row.
_REJECTIONS = """
SELECT row_no, field, rule, message FROM import_rejection WHERE import_id = $1 AND row_no > $2
ORDER BY row_no FETCH FIRST $3 ROWS WITH TIES
"""

# index: contact_import_unfinished.
_SILENT = """
SELECT id FROM contact_import
WHERE state = 'receiving' AND coalesce(received_at, created_at) < now() - make_interval(secs => $1)
FOR UPDATE SKIP LOCKED
"""


class ImportStore:
    """The imports."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, account_id: Id, import_id: Id, *, format_: ImportFormat, group_name: str | None) -> Import:
        """Stores a new import in `receiving`."""
        return _import(await self._connection.fetchrow(_INSERT, account_id, import_id, format_, group_name))

    async def find(self, account_id: Id, import_id: Id) -> Import | None:
        """Reads one import."""
        row = await self._connection.fetchrow(_FIND, account_id, import_id)
        return _import(row) if row else None

    async def list_after(self, account_id: Id, after: Id | None, limit: int) -> list[Import]:
        """Reads imports above a cursor in order of creation."""
        return [_import(row) for row in await self._connection.fetch(_LIST, account_id, after or b"", limit)]

    async def append_chunk(self, import_id: Id, no: int, body: bytes) -> bool:
        """Stores one piece of the body of an import in `receiving`; False when it is in no such state."""
        return bool(await self._connection.fetchval(_APPEND, import_id, no, body))

    async def mark_received(self, account_id: Id, import_id: Id) -> Import | None:
        """Moves `receiving` to `merging` and wakes a worker; None when it was in no such state."""
        row = await self._connection.fetchrow(_RECEIVED, account_id, import_id)
        if row is None:
            return None
        await self._connection.execute(_WAKE, WAKE_CHANNEL)
        return _import(row)

    async def fail(self, import_id: Id, problem: str) -> bool:
        """Ends an unfinished import as failed and drops its chunks; False when it had already ended."""
        if not await self._connection.fetchval(_FAIL, import_id, problem):
            return False
        await self._connection.execute(_DROP_CHUNKS, import_id)
        return True

    async def claim(self) -> Import | None:
        """Locks the oldest import to merge until the transaction ends, one per account at a time."""
        row = await self._connection.fetchrow(_CLAIM)
        return _import(row) if row else None

    async def count_try(self, import_id: Id) -> None:
        """Counts the beginning of a merge. Runs outside the merge's transaction, so that a crash is counted."""
        await self._connection.execute(_COUNT_TRY, import_id)

    async def read_chunk(self, import_id: Id, no: int) -> bytes | None:
        """Reads one piece of the body; None after the last."""
        body: bytes | None = await self._connection.fetchval(_READ_CHUNK, import_id, no)
        return body

    async def progress(self, import_id: Id, tally: Tally) -> None:
        """Shows how far a merge has come. Runs outside the merge's transaction."""
        await self._connection.execute(_PROGRESS, import_id, *_counts(tally))

    async def reject(self, import_id: Id, rejections: Sequence[Rejection]) -> None:
        """Records refused rows in bulk."""
        await self._connection.copy_records_to_table(
            "import_rejection",
            columns=["import_id", "row_no", "field", "rule", "message"],
            records=[(import_id, one.row_no, one.field, one.rule, one.message) for one in rejections],
        )

    async def complete(self, import_id: Id, tally: Tally, group_id: Id | None) -> None:
        """Ends an import as completed and drops its chunks."""
        await self._connection.execute(_COMPLETE, import_id, *_counts(tally), group_id)
        await self._connection.execute(_DROP_CHUNKS, import_id)

    async def list_rejections(self, import_id: Id, after_row: int, limit: int) -> list[Rejection]:
        """Reads refused rows above a row number, in file order."""
        return [Rejection(*row) for row in await self._connection.fetch(_REJECTIONS, import_id, after_row, limit)]

    async def sweep_silent(self, silent_s: int) -> int:
        """Fails imports that have received nothing for this long; returns how many."""
        rows = await self._connection.fetch(_SILENT, float(silent_s))
        for row in rows:
            await self.fail(row["id"], "The upload stopped before the file was complete; send it again")
        return len(rows)


def _counts(tally: Tally) -> tuple[int, int, int, int]:
    return tally.read, tally.created, tally.updated, tally.rejected


def _import(row: Any) -> Import:  # noqa: ANN401 - a driver's record
    values = dict(row)
    return Import(**values | {"format": ImportFormat(values["format"]), "state": ImportState(values["state"])})
