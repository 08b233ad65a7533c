"""Stores contacts one at a time, as the API saves, reads and erases them.

Never decides which contact is meant. Where to read next: `contacts_bulk` for imports, `application.contacts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import asyncpg

from clarion.adapters.postgres.contacts_bulk import BulkContacts, taken
from clarion.domain.contact import Consent, Contact
from clarion.domain.ids import Id

_CONTACT = """c.id, c.external_id, c.email, c.email_key, c.phone, c.first_name, c.last_name, c.language, c.timezone,
    c.attributes, c.consent_email, c.consent_sms, c.consent_push, c.created_at, c.updated_at"""

# index: contact_pkey.
_FIND = f"SELECT {_CONTACT} FROM contact c WHERE c.id = $2 AND c.account_id = $1 AND c.deleted_at IS NULL"
_LOCK = f"{_FIND} FOR UPDATE"

# index: contact_by_external_id, contact_by_email, contact_by_phone.
_LOCK_BY_IDENTITY = f"""
SELECT {_CONTACT} FROM contact c
WHERE c.account_id = $1 AND (c.external_id = $2 OR c.email_key = $3 OR c.phone = $4)
ORDER BY c.id FOR UPDATE
"""

_INSERT = f"""
INSERT INTO contact AS c (id, account_id, external_id, email, email_key, phone, first_name, last_name, language,
    timezone, attributes, consent_email, consent_sms, consent_push)
VALUES ($2, $1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING {_CONTACT}
"""

# index: contact_pkey.
_UPDATE = f"""
UPDATE contact AS c SET external_id = $3, email = $4, email_key = $5, phone = $6, first_name = $7, last_name = $8,
    language = $9, timezone = $10, attributes = $11, consent_email = $12, consent_sms = $13, consent_push = $14,
    updated_at = now()
WHERE c.id = $2 AND c.account_id = $1 RETURNING {_CONTACT}
"""

# index: contact_pkey. Consent refused stays known by nobody's name; only the row itself remains.
_ERASE = """
UPDATE contact SET external_id = NULL, email = NULL, email_key = NULL, phone = NULL, first_name = NULL,
    last_name = NULL, language = NULL, timezone = NULL, attributes = '{}', consent_email = NULL, consent_sms = NULL,
    consent_push = NULL, updated_at = now(), deleted_at = now()
WHERE id = $2 AND account_id = $1 AND deleted_at IS NULL RETURNING true
"""

# index: contact_by_account, or contact_by_email / contact_by_external_id when given.
_LIST = f"""
SELECT {_CONTACT} FROM contact c
WHERE c.account_id = $1 AND c.id > $2 AND c.deleted_at IS NULL{{conditions}} ORDER BY c.id LIMIT $3
"""

# index: group_member_pkey in order, contact_pkey for each.
_LIST_MEMBERS = f"""
SELECT {_CONTACT} FROM group_member m JOIN contact c ON c.id = m.contact_id
WHERE m.group_id = $4 AND m.contact_id > $2 AND c.account_id = $1 AND c.deleted_at IS NULL{{conditions}}
ORDER BY m.contact_id LIMIT $3
"""

# index: contact_pkey.
_EXISTING = "SELECT id FROM contact WHERE account_id = $1 AND id = ANY($2::bytea[]) AND deleted_at IS NULL"


class ContactStore(BulkContacts):
    """The contacts of all accounts."""

    async def find(self, account_id: Id, contact_id: Id) -> Contact | None:
        """Reads one contact that is not deleted."""
        return _contact(await self._connection.fetchrow(_FIND, account_id, contact_id))

    async def lock(self, account_id: Id, contact_id: Id) -> Contact | None:
        """Reads and locks one contact that is not deleted."""
        return _contact(await self._connection.fetchrow(_LOCK, account_id, contact_id))

    async def lock_by_identity(
        self, account_id: Id, *, external_id: str | None, email_key: str | None, phone: str | None
    ) -> list[Contact]:
        """Reads and locks every contact holding one of these identities (at most three)."""
        rows = await self._connection.fetch(_LOCK_BY_IDENTITY, account_id, external_id, email_key, phone)
        return _contacts(rows)

    async def insert(self, account_id: Id, contact: Contact) -> Contact:
        """Stores a new contact; its times are the database's. Raises `Conflict` when an identity is taken."""
        return await self._write(_INSERT, account_id, contact)

    async def update(self, account_id: Id, contact: Contact) -> Contact:
        """Overwrites a stored contact. Raises `Conflict` when an identity is taken."""
        return await self._write(_UPDATE, account_id, contact)

    async def _write(self, statement: str, account_id: Id, contact: Contact) -> Contact:
        try:
            # A transaction of its own inside the caller's, which a collision then leaves usable.
            async with self._connection.transaction():
                row = await self._connection.fetchrow(statement, account_id, *_values(contact))
        except asyncpg.UniqueViolationError as error:
            raise taken(error) from error
        return _known(row)

    async def erase(self, account_id: Id, contact_id: Id) -> bool:
        """Empties a contact of personal data and marks it deleted; False when it is not here."""
        return bool(await self._connection.fetchval(_ERASE, account_id, contact_id))

    async def list_after(
        self,
        account_id: Id,
        after: Id | None,
        limit: int,
        *,
        group_id: Id | None = None,
        email_key: str | None = None,
        external_id: str | None = None,
    ) -> list[Contact]:
        """Reads contacts above a cursor in order of creation, all given conditions met."""
        arguments: list[object] = [account_id, after or b"", limit]
        if group_id is not None:
            arguments.append(group_id)
        conditions = ""
        for column, value in (("email_key", email_key), ("external_id", external_id)):
            if value is not None:
                arguments.append(value)
                conditions += f" AND c.{column} = ${len(arguments)}"
        statement = _LIST if group_id is None else _LIST_MEMBERS
        return _contacts(await self._connection.fetch(statement.format(conditions=conditions), *arguments))

    async def existing(self, account_id: Id, contact_ids: Sequence[Id]) -> set[Id]:
        """Which of these contacts are here and not deleted."""
        return {row["id"] for row in await self._connection.fetch(_EXISTING, account_id, list(contact_ids))}


def _values(contact: Contact) -> tuple[object, ...]:
    consent = contact.consent
    return (*_contact_values(contact), contact.attributes, consent.email, consent.sms, consent.push)


_contact_values = attrgetter(
    "id", "external_id", "email", "email_key", "phone", "first_name", "last_name", "language", "timezone"
)


def _contact(row: Any) -> Contact | None:  # noqa: ANN401 - a driver's record
    return _known(row) if row else None


def _contacts(rows: Sequence[Any]) -> list[Contact]:
    return [_known(row) for row in rows]


def _known(row: Any) -> Contact:  # noqa: ANN401 - a driver's record
    return Contact(
        id=row["id"],
        external_id=row["external_id"],
        email=row["email"],
        email_key=row["email_key"],
        phone=row["phone"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        language=row["language"],
        timezone=row["timezone"],
        attributes=row["attributes"],
        consent=Consent(email=row["consent_email"], sms=row["consent_sms"], push=row["consent_push"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
