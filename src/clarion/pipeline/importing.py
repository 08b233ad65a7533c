"""Merging imports: reads the stored pieces of a body, writes its contacts in one transaction.

All contacts of an import appear when it commits, or none. A worker that dies holds nothing: the next one claims the
import again and starts over. Parsing runs in a thread, one slice ahead of the database. What a slice does is decided
in `application.import_merging`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Final

from clarion.application import imports
from clarion.application.import_fields import FREE, TypedFields
from clarion.application.import_files import BrokenFile, NumberedRecord, RecordReader, reader_for
from clarion.application.import_merging import Plan, decide
from clarion.application.import_rows import FIELD_NAMES, Row, RowReader, read_object, read_records
from clarion.application.ports import Database, Transaction
from clarion.application.ports.contacts import Columns
from clarion.domain.contact import OWN_NAMESPACES, Identity
from clarion.domain.contact_import import MERGE_TRIES, REJECTIONS_KEPT, Import, Rejection, Tally
from clarion.domain.errors import Unavailable
from clarion.domain.ids import Id
from clarion.failpoints import failpoint

SLICE_ROWS: Final = 5_000
"""Rows written together: enough to spread the cost of a statement, few enough never to hold up the event loop."""
STEP_BYTES: Final = 512 * 1024
"""Bytes of the body that are parsed together, at least."""
PROGRESS_ROWS: Final = 20_000
"""Rows after which progress is shown: about twice a second."""
REFRESH_ROWS: Final = 10_000
"""Changed rows from which counts and plans are worth refreshing."""

Parsed = tuple[list[Row], list[Rejection]]


async def merge_next(db: Database) -> bool:
    """Merges the oldest import that waits; False when none does. Call again until it says so.

    Safe to repeat because everything it writes, the end of the import included, is in one transaction.
    """
    merge = _Merge(db)
    try:
        async with db.transaction() as tx:
            claimed = await tx.imports.claim()
            if claimed is None:
                return False
            failpoint("before_merge")
            await merge.run(tx, claimed)
            failpoint("before_merge_commit")
    except BrokenFile as broken:
        async with db.transaction() as tx:
            await tx.imports.fail(merge.import_id, str(broken))
    failpoint("after_merge")
    if merge.written >= REFRESH_ROWS:
        with contextlib.suppress(Unavailable):
            async with db.reading() as session:
                await session.contacts.refresh()
    return True


async def sweep_abandoned(db: Database) -> int:
    """Fails imports whose upload fell silent and drops what was received; returns how many."""
    async with db.transaction() as tx:
        return await imports.sweep_silent(tx)


class _Merge:
    """One merge from claim to end."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.import_id = Id(b"")
        self.read = self.created = self.updated = self.rejected = self._shown = 0
        self._has_further = False

    @property
    def written(self) -> int:
        return self.created + self.updated

    async def run(self, tx: Transaction, claimed: Import) -> None:
        """Writes everything but the commit. Raises `BrokenFile`."""
        self.import_id = claimed.id
        if claimed.tries >= MERGE_TRIES:
            raise BrokenFile(f"The import was given up after {MERGE_TRIES} tries; send it again")
        async with self._db.reading() as session:
            await session.imports.count_try(claimed.id)
        group_id = await tx.groups.ensure(claimed.account_id, claimed.group_name) if claimed.group_name else None
        self._has_further = await tx.identities.has_further(claimed.account_id, OWN_NAMESPACES)
        typed = await _typed_fields(tx, claimed.account_id)
        async with contextlib.aclosing(_one_ahead(_slices(self._db, claimed, typed))) as slices:
            async for rows, rejections in slices:
                await self._write(tx, claimed, group_id, rows, rejections)
                failpoint("after_merge_slice")
        await tx.imports.complete(claimed.id, self._tally(), group_id)

    def _tally(self) -> Tally:
        return Tally(self.read, self.created, self.updated, self.rejected)

    async def _write(
        self, tx: Transaction, claimed: Import, group_id: Id | None, rows: list[Row], rejections: list[Rejection]
    ) -> None:
        self.read += len(rows) + len(rejections)
        if self._has_further:
            rows, refused = await _without_taken(tx, claimed.account_id, rows)
            rejections = rejections + refused
        while rows:
            plan, rows = await self._write_rows(tx, claimed.account_id, group_id, rows)
            rejections = rejections + plan.rejections
        await self._reject(tx, rejections)
        if self.read - self._shown >= PROGRESS_ROWS:
            self._shown = self.read
            async with self._db.reading() as session:
                await session.imports.progress(claimed.id, self._tally())

    async def _write_rows(
        self, tx: Transaction, account_id: Id, group_id: Id | None, rows: list[Row]
    ) -> tuple[Plan, list[Row]]:
        """Writes the rows; returns those whose identity somebody else took in this very moment, to decide again."""
        plan = await asyncio.to_thread(decide, rows, await tx.contacts.holders(account_id, *_identities(rows)))
        if plan.changed:
            await tx.contacts.overlay(account_id, plan.changed, plan.released)
        lost = await tx.contacts.copy_new(account_id, list(plan.new.values())) if plan.new else set()
        if group_id is not None:
            await _join(tx, group_id, plan, lost)
        again = _rows_behind(lost, rows, plan) if lost else []
        self.created += len(plan.new) - len(lost)
        self.updated += plan.updated - (len(again) - len(lost))
        return plan, again

    async def _reject(self, tx: Transaction, rejections: Sequence[Rejection]) -> None:
        room = max(REJECTIONS_KEPT - self.rejected, 0)
        self.rejected += len(rejections)
        if rejections and room:
            await tx.imports.reject(self.import_id, rejections[:room])


async def _join(tx: Transaction, group_id: Id, plan: Plan, lost: set[Id]) -> None:
    new = [id_ for id_ in plan.new if id_ not in lost]
    if new:
        await tx.groups.copy_members(group_id, new)
    if plan.changed:
        await tx.groups.add_members(group_id, [columns.id for columns in plan.changed])


def _rows_behind(lost: set[Id], rows: Sequence[Row], plan: Plan) -> list[Row]:
    first = [row for row in rows if row[1].id in lost]
    later = [row for id_ in lost for row in plan.later_rows.get(id_, ())]
    return sorted(first + later, key=lambda row: row[0])


def _identities(rows: Sequence[Row]) -> tuple[list[str], list[str], list[str]]:
    return (
        [row.external_id for _, row in rows if row.external_id is not None],
        [row.email_key for _, row in rows if row.email_key is not None],
        [row.phone for _, row in rows if row.phone is not None],
    )


async def _without_taken(tx: Transaction, account_id: Id, rows: list[Row]) -> tuple[list[Row], list[Rejection]]:
    """The rows without those whose email, phone or external id stands among the further identities of a contact."""
    given = {number: _own_identities(columns) for number, columns in rows}
    taken = await tx.identities.further(account_id, [one for identities in given.values() for one in identities])
    refused = {
        number: Rejection(number, FIELD_NAMES[one.namespace], "taken", "is a further identity of a stored contact")
        for number, identities in given.items()
        for one in identities
        if one in taken
    }
    return [row for row in rows if row[0] not in refused], list(refused.values())


def _own_identities(columns: Columns) -> list[Identity]:
    values = (columns.external_id, columns.email_key, columns.phone)
    return [Identity(name, value) for name, value in zip(OWN_NAMESPACES, values, strict=True) if value is not None]


async def _typed_fields(tx: Transaction, account_id: Id) -> TypedFields:
    types = await tx.contact_fields.types(account_id)
    account = await tx.accounts.find(account_id)
    return TypedFields(types, account.timezone, account.date_style, account.country) if account else FREE


async def _slices(db: Database, claimed: Import, typed: TypedFields) -> AsyncGenerator[Parsed, None]:
    """Reads the body piece by piece and yields its rows, at most `SLICE_ROWS` at a time."""
    parser = _Parser(reader_for(claimed.format), typed)
    received = 0
    async for body, last in _steps(db, claimed.id):
        received += len(body)
        if last and received != claimed.bytes_received:
            raise BrokenFile("The stored file is incomplete; send it again")
        records = await asyncio.to_thread(parser.records, body, last)
        for start in range(0, len(records), SLICE_ROWS):
            yield await asyncio.to_thread(read_records, records[start : start + SLICE_ROWS], parser.read)


async def _steps(db: Database, import_id: Id) -> AsyncGenerator[tuple[bytes, bool], None]:
    """Yields the stored body in steps of `STEP_BYTES` or a little more, and whether each is the last."""
    pieces: list[bytes] = []
    no = 0
    async with db.reading() as session:
        following = await session.imports.read_chunk(import_id, no)
    while following is not None:
        pieces.append(following)
        no += 1
        async with db.reading() as session:
            following = await session.imports.read_chunk(import_id, no)
        if following is None or sum(map(len, pieces)) >= STEP_BYTES:
            yield b"".join(pieces), following is None
            pieces.clear()


class _Parser:
    """A record reader and, once a CSV header is known, what reads its rows."""

    def __init__(self, reader: RecordReader, typed: TypedFields) -> None:
        self._reader = reader
        self._typed = typed
        self.read: Callable[[int, Any, Id], Columns | Rejection] = functools.partial(read_object, typed=typed)

    def records(self, body: bytes, last: bool) -> list[NumberedRecord]:  # noqa: FBT001 - called through a thread
        before = self._reader.header
        records = self._reader.feed(body, last=last)
        if before is None and self._reader.header is not None:
            self.read = RowReader(self._reader.header, self._typed).read
        return records


async def _one_ahead(source: AsyncGenerator[Parsed, None]) -> AsyncGenerator[Parsed, None]:
    """Yields what the source yields, while the next item is already being made."""
    upcoming = asyncio.ensure_future(anext(source, None))
    try:
        while (item := await upcoming) is not None:
            upcoming = asyncio.ensure_future(anext(source, None))
            yield item
    finally:
        upcoming.cancel()
        await asyncio.gather(upcoming, return_exceptions=True)
        await source.aclose()
