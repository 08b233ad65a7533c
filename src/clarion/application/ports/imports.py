"""Storage of imports: the body in chunks while it arrives, then the merge's progress, refusals and end.

Never reads what is in a body. Where to read next: `application.imports`, then `pipeline.importing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clarion.domain.contact_import import Import, ImportFormat, Rejection, Tally
from clarion.domain.ids import Id


class Imports(Protocol):
    """The imports."""

    async def insert(self, account_id: Id, import_id: Id, *, format_: ImportFormat, group_name: str | None) -> Import:
        """Stores a new import in `receiving`."""
        ...

    async def find(self, account_id: Id, import_id: Id) -> Import | None:
        """Reads one import."""
        ...

    async def list_after(self, account_id: Id, after: Id | None, limit: int) -> list[Import]:
        """Reads imports above a cursor in order of creation."""
        ...

    async def append_chunk(self, import_id: Id, no: int, body: bytes) -> bool:
        """Stores one piece of the body of an import in `receiving`; False when it is in no such state."""
        ...

    async def mark_received(self, account_id: Id, import_id: Id) -> Import | None:
        """Moves `receiving` to `merging` and wakes a worker; None when it was in no such state."""
        ...

    async def fail(self, import_id: Id, problem: str) -> bool:
        """Ends an unfinished import as failed and drops its chunks; False when it had already ended."""
        ...

    async def claim(self) -> Import | None:
        """Locks the oldest import to merge until the transaction ends, one per account at a time.

        Safe to repeat because the lock dies with its transaction: a crashed merge is claimed again from the start.
        """
        ...

    async def count_try(self, import_id: Id) -> None:
        """Counts the beginning of a merge. Runs outside the merge's transaction, so that a crash is counted."""
        ...

    async def read_chunk(self, import_id: Id, no: int) -> bytes | None:
        """Reads one piece of the body; None after the last."""
        ...

    async def progress(self, import_id: Id, tally: Tally) -> None:
        """Shows how far a merge has come. Runs outside the merge's transaction."""
        ...

    async def reject(self, import_id: Id, rejections: Sequence[Rejection]) -> None:
        """Records refused rows in bulk."""
        ...

    async def complete(self, import_id: Id, tally: Tally, group_id: Id | None) -> None:
        """Ends an import as completed and drops its chunks."""
        ...

    async def list_rejections(self, import_id: Id, after_row: int, limit: int) -> list[Rejection]:
        """Reads refused rows above a row number, in file order."""
        ...

    async def sweep_silent(self, silent_s: int) -> int:
        """Fails imports that have received nothing for this long; returns how many."""
        ...
