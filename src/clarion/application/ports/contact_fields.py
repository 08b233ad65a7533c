"""Storage of typed contact fields.

Which values a field takes is decided in `application.field_values`. Where to read next: `application.contact_fields`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clarion.domain.contact_field import ContactField, FieldType
from clarion.domain.ids import Id


class ContactFields(Protocol):
    """The typed fields of all accounts."""

    async def insert(self, account_id: Id, field: ContactField) -> ContactField:
        """Stores a new field; its time is the database's.

        Raises:
            Conflict: `FIELD_TAKEN` when the account has a field of this key.
        """
        ...

    async def find(self, account_id: Id, key: str) -> ContactField | None:
        """Reads one field."""
        ...

    async def list_after(self, account_id: Id, after: Id | None, limit: int) -> list[ContactField]:
        """Reads fields above a cursor in order of creation."""
        ...

    async def types(self, account_id: Id, keys: Sequence[str] | None = None) -> dict[str, FieldType]:
        """The types of the fields among these keys, of all fields when none are given."""
        ...

    async def named(self, account_id: Id, name: str) -> ContactField | None:
        """The field of this name in any capitals."""
        ...

    async def count(self, account_id: Id) -> int:
        """How many fields the account has."""
        ...

    async def update(self, account_id: Id, field: ContactField) -> ContactField:
        """Overwrites the name, the type and how a stored field is shown."""
        ...

    async def is_used(self, account_id: Id, key: str) -> bool:
        """Whether a segment or a step of a sequence names the field."""
        ...

    async def delete(self, account_id: Id, key: str) -> bool:
        """Removes a field; False when it is not here."""
        ...
