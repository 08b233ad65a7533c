"""Stores typed contact fields, one row a key.

Never looks at a value: those stand in `contact.attributes`. Where to read next: `application.contact_fields`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from clarion.adapters.postgres.connection import Connection
from clarion.domain.contact_field import ContactField, FieldType
from clarion.domain.errors import Conflict
from clarion.domain.ids import Id

_FIELD: Final = "id, key, name, type, featured, priority, created_at"

_INSERT: Final = f"""
INSERT INTO contact_field (account_id, id, key, name, type, featured, priority) VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING {_FIELD}
"""

# index: contact_field_account_id_key_key.
_FIND: Final = f"SELECT {_FIELD} FROM contact_field WHERE account_id = $1 AND key = $2"

# index: contact_field_account_id_key_key to find; an account has 250 at most.
_LIST: Final = f"SELECT {_FIELD} FROM contact_field WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3"
_TYPES: Final = "SELECT key, type FROM contact_field WHERE account_id = $1 AND ($2::text[] IS NULL OR key = ANY($2))"
_NAMED: Final = f"SELECT {_FIELD} FROM contact_field WHERE account_id = $1 AND lower(name) = lower($2) LIMIT 1"
_COUNT: Final = "SELECT count(*) FROM contact_field WHERE account_id = $1"

# index: contact_field_account_id_key_key.
_UPDATE: Final = f"""
UPDATE contact_field SET name = $3, type = $4, featured = $5, priority = $6 WHERE account_id = $1 AND key = $2
RETURNING {_FIELD}
"""

# index: segment_account_id_name_key and campaign_event_by_account, the account's rows in full.
_IS_USED: Final = """
SELECT EXISTS (SELECT FROM segment WHERE account_id = $1 AND jsonb_path_exists(
        rule, '$.**.field ? (@ == $name)', jsonb_build_object('name', 'attributes.' || $2::text)))
    OR EXISTS (SELECT FROM campaign_event WHERE account_id = $1 AND deleted_at IS NULL AND relative_to = $2)
"""

# index: contact_field_account_id_key_key.
_DELETE: Final = "DELETE FROM contact_field WHERE account_id = $1 AND key = $2 RETURNING true"


class ContactFieldStore:
    """The typed fields of all accounts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, account_id: Id, field: ContactField) -> ContactField:
        """Stores a new field. Raises `Conflict` with `FIELD_TAKEN`; the transaction is then of no more use."""
        try:
            row = await self._connection.fetchrow(
                _INSERT, account_id, field.id, field.key, field.name, field.type, field.featured, field.priority
            )
        except asyncpg.UniqueViolationError as error:
            raise Conflict("FIELD_TAKEN", "Another contact field of the account has this key") from error
        return _field(row)

    async def find(self, account_id: Id, key: str) -> ContactField | None:
        """Reads one field."""
        row = await self._connection.fetchrow(_FIND, account_id, key)
        return _field(row) if row else None

    async def list_after(self, account_id: Id, after: Id | None, limit: int) -> list[ContactField]:
        """Reads fields above a cursor in order of creation."""
        return [_field(row) for row in await self._connection.fetch(_LIST, account_id, after or b"", limit)]

    async def types(self, account_id: Id, keys: Sequence[str] | None = None) -> dict[str, FieldType]:
        """The types of the fields among these keys, of all fields when none are given."""
        rows = await self._connection.fetch(_TYPES, account_id, keys)
        return {row["key"]: FieldType(row["type"]) for row in rows}

    async def named(self, account_id: Id, name: str) -> ContactField | None:
        """The field of this name in any capitals."""
        row = await self._connection.fetchrow(_NAMED, account_id, name)
        return _field(row) if row else None

    async def count(self, account_id: Id) -> int:
        """How many fields the account has."""
        return int(await self._connection.fetchval(_COUNT, account_id))

    async def update(self, account_id: Id, field: ContactField) -> ContactField:
        """Overwrites the name, the type and how a stored field is shown."""
        row = await self._connection.fetchrow(
            _UPDATE, account_id, field.key, field.name, field.type, field.featured, field.priority
        )
        return _field(row)

    async def is_used(self, account_id: Id, key: str) -> bool:
        """Whether a segment or a step of a sequence names the field."""
        return bool(await self._connection.fetchval(_IS_USED, account_id, key))

    async def delete(self, account_id: Id, key: str) -> bool:
        """Removes a field; False when it is not here."""
        return bool(await self._connection.fetchval(_DELETE, account_id, key))


def _field(row: Any) -> ContactField:  # noqa: ANN401 - a driver's record
    return ContactField(
        id=row["id"],
        key=row["key"],
        name=row["name"],
        type=FieldType(row["type"]),
        featured=row["featured"],
        priority=row["priority"],
        created_at=row["created_at"],
    )
