"""Imports: taking in a file of contacts piece by piece, and telling how it went.

Each piece is stored and committed as it arrives; merging it is `pipeline.importing`, which makes all its contacts
visible at once or none.
"""

from __future__ import annotations

from typing import Final

from clarion.application.groups import checked_group_name
from clarion.application.ports import Transaction
from clarion.domain.contact_import import CHUNK_LIMIT, Import, ImportFormat, Rejection
from clarion.domain.errors import Conflict, NotFound, TooLarge
from clarion.domain.ids import Id, new_id

SILENT_S: Final = 600
"""Seconds without a byte after which an import that is still receiving is given up."""


async def open_import(
    tx: Transaction, *, account_id: Id, format_: ImportFormat, group_name: str | None = None
) -> Import:
    """Begins an import whose contacts will join the named group, which is made when the import completes.

    Raises:
        Invalid: the group name breaks a rule.
    """
    name = None if group_name is None else checked_group_name(group_name, field="group")
    return await tx.imports.insert(account_id, new_id(), format_=format_, group_name=name)


async def append_chunk(tx: Transaction, *, import_id: Id, no: int, body: bytes) -> None:
    """Stores piece `no` (from 0, without gaps) of the body; give each its own short transaction.

    Raises:
        TooLarge: the piece is over 1 MB.
        Conflict: `IMPORT_ENDED` when the import no longer receives.
    """
    if len(body) > CHUNK_LIMIT:
        raise TooLarge("body", "1 MB in one piece")
    if body and not await tx.imports.append_chunk(import_id, no, body):
        raise Conflict("IMPORT_ENDED", "The import no longer receives data")


async def finish_receiving(tx: Transaction, *, account_id: Id, import_id: Id) -> Import:
    """Says the body is whole: the import waits to be merged and a worker is woken on commit. An empty one fails.

    Raises:
        Conflict: `IMPORT_ENDED` when the import no longer receives.
    """
    received = await tx.imports.mark_received(account_id, import_id)
    if received is None:
        raise Conflict("IMPORT_ENDED", "The import no longer receives data")
    if received.bytes_received == 0:
        await tx.imports.fail(import_id, "The file is empty")
        return await get_import(tx, account_id=account_id, import_id=import_id)
    return received


async def abandon(tx: Transaction, *, import_id: Id, problem: str) -> None:
    """Ends an import that cannot be received, with a sentence for the caller. Safe to repeat: an end is kept."""
    await tx.imports.fail(import_id, problem)


async def get_import(tx: Transaction, *, account_id: Id, import_id: Id) -> Import:
    """Reads one import.

    Raises:
        NotFound: it is unknown or another account's.
    """
    found = await tx.imports.find(account_id, import_id)
    if found is None:
        raise NotFound("import")
    return found


async def list_imports(tx: Transaction, *, account_id: Id, after: Id | None, limit: int) -> list[Import]:
    """Reads up to `limit` imports with ids above `after`."""
    return await tx.imports.list_after(account_id, after, limit)


async def list_rejections(
    tx: Transaction, *, account_id: Id, import_id: Id, after_row: int, limit: int
) -> list[Rejection]:
    """Reads refused rows above row `after_row`, in file order; whole rows only, so the list may pass `limit`.

    Raises:
        NotFound: the import is unknown or another account's.
    """
    await get_import(tx, account_id=account_id, import_id=import_id)
    return await tx.imports.list_rejections(import_id, after_row, limit)


async def sweep_silent(tx: Transaction, *, silent_s: int = SILENT_S) -> int:
    """Fails imports whose sender went away; returns how many. Safe to repeat: an ended import is not touched."""
    return await tx.imports.sweep_silent(silent_s)
