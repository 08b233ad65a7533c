"""Storage of notes about contacts.

Implemented by the store of the same name. Where to read next: `application.notes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clarion.domain.contact import Note
from clarion.domain.ids import Id


class Notes(Protocol):
    """What somebody wrote down about contacts."""

    async def insert(self, account_id: Id, note_id: Id, contact_id: Id, text: str, created_by: str) -> Note:
        """Stores a note."""
        ...

    async def list_of(self, account_id: Id, contact_ids: Sequence[Id], limit_each: int) -> list[Note]:
        """Reads the latest notes of contacts, up to `limit_each` of each, the oldest first."""
        ...

    async def erase(self, contact_id: Id) -> None:
        """Forgets the notes about a contact."""
        ...
