"""Stores notes about contacts, in the order they were written.

Erasing a contact removes its notes in `contacts`. Where to read next: `application.notes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from clarion.adapters.postgres.connection import Connection
from clarion.domain.contact import Note
from clarion.domain.ids import Id

_INSERT: Final = """
INSERT INTO contact_note (account_id, id, contact_id, text, created_by) VALUES ($1, $2, $3, $4, $5)
RETURNING id, contact_id, text, created_by, created_at
"""

# index: contact_note_by_contact, backwards for each contact.
_LIST: Final = """
SELECT n.id, n.contact_id, n.text, n.created_by, n.created_at
FROM unnest($2::bytea[]) AS c (id) CROSS JOIN LATERAL (
    SELECT * FROM contact_note WHERE contact_id = c.id AND account_id = $1 ORDER BY id DESC LIMIT $3) AS n
ORDER BY n.contact_id, n.id
"""

# index: contact_note_by_contact.
_ERASE: Final = "DELETE FROM contact_note WHERE contact_id = $1"


class NoteStore:
    """What somebody wrote down about contacts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, account_id: Id, note_id: Id, contact_id: Id, text: str, created_by: str) -> Note:
        """Stores a note."""
        row = await self._connection.fetchrow(_INSERT, account_id, note_id, contact_id, text, created_by)
        return _note(row)

    async def list_of(self, account_id: Id, contact_ids: Sequence[Id], limit_each: int) -> list[Note]:
        """Reads the latest notes of contacts, up to `limit_each` of each, the oldest first."""
        return [_note(row) for row in await self._connection.fetch(_LIST, account_id, list(contact_ids), limit_each)]

    async def erase(self, contact_id: Id) -> None:
        """Forgets the notes about a contact."""
        await self._connection.execute(_ERASE, contact_id)


def _note(row: Any) -> Note:  # noqa: ANN401 - a driver's record
    return Note(*row)
