"""Notes: what the people of an account write down about a contact. They are erased with it.

No message and no rule ever reads one. Where to read next: `contacts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clarion.application.contact_rules import check_text
from clarion.application.contacts import get_contact
from clarion.application.ports import Transaction
from clarion.domain.contact import Note
from clarion.domain.errors import Invalid, Problem
from clarion.domain.ids import Id, new_id

NOTE_LIMIT: Final = 10_000
"""Characters of a note."""
NOTES_SHOWN: Final = 100
"""Notes of one contact that are read, the latest."""


async def add_note(tx: Transaction, *, account_id: Id, contact_id: Id, text: str, created_by: str = "") -> Note:
    """Writes a note about a contact; `created_by` says whose it is. Runs in the caller's transaction.

    Raises:
        NotFound: the contact is unknown or another account's.
        Invalid: the text is blank, too long or cannot be stored.
    """
    await get_contact(tx, account_id=account_id, contact_id=contact_id)
    note = text.strip()
    if not note or len(note) > NOTE_LIMIT:
        raise Invalid(Problem("text", "maxLength" if note else "minLength", f"must have 1 to {NOTE_LIMIT} characters"))
    refused = check_text(note)
    if refused:
        raise Invalid(Problem("text", refused.rule, refused.message))
    return await tx.notes.insert(account_id, new_id(), contact_id, note, created_by)


async def list_notes(tx: Transaction, *, account_id: Id, contact_ids: Sequence[Id]) -> dict[Id, list[Note]]:
    """Reads the latest 100 notes of each contact, the oldest first; who has none is not among the keys."""
    found: dict[Id, list[Note]] = {}
    for note in await tx.notes.list_of(account_id, contact_ids, NOTES_SHOWN):
        found.setdefault(note.contact_id, []).append(note)
    return found
