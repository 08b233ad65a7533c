"""Stores contacts one at a time, as the API saves, reads and erases them.

Never decides which contact is meant. Where to read next: `contacts_bulk` for imports, `application.contacts`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

import asyncpg

from clarion.adapters.postgres.contacts_bulk import BulkContacts, taken
from clarion.domain.contact import OWN_NAMESPACES, Consent, Contact, ContactStatus, Identity
from clarion.domain.ids import Id

# index: contact_identity_by_contact. A namespace has no colon, so the first one ends it.
CONTACT: Final = """c.id, c.external_id, c.email, c.email_key, c.phone, c.first_name, c.last_name, c.language,
    c.timezone, c.attributes, c.consent_email, c.consent_sms, c.consent_push, c.status, c.last_seen_at, c.created_at,
    c.updated_at, ARRAY(SELECT i.namespace || ':' || i.value FROM contact_identity AS i WHERE i.contact_id = c.id
          ORDER BY i.position, i.namespace, i.value) AS identities"""
"""The columns of a contact `c` that `known` reads."""

# index: contact_pkey.
_FIND = f"SELECT {CONTACT} FROM contact c WHERE c.id = $2 AND c.account_id = $1 AND c.deleted_at IS NULL"
_LOCK = f"{_FIND} FOR UPDATE"

# index: contact_by_external_id, contact_by_email, contact_by_phone, contact_identity_pkey; contact_pkey for each found.
_LOCK_BY_IDENTITY = f"""
SELECT {CONTACT} FROM contact c
WHERE c.account_id = $1 AND c.deleted_at IS NULL AND c.id IN (
    SELECT id FROM contact WHERE account_id = $1 AND external_id = ANY($2::text[]) AND external_id IS NOT NULL
    UNION ALL SELECT id FROM contact WHERE account_id = $1 AND email_key = ANY($3::text[]) AND email_key IS NOT NULL
    UNION ALL SELECT id FROM contact WHERE account_id = $1 AND phone = ANY($4::text[]) AND phone IS NOT NULL
    UNION ALL SELECT i.contact_id FROM unnest($5::text[], $6::text[]) AS g (namespace, value)
    JOIN contact_identity AS i ON i.account_id = $1 AND i.namespace = g.namespace AND i.value = g.value)
ORDER BY c.id FOR UPDATE OF c
"""

_INSERT = f"""
INSERT INTO contact AS c (id, account_id, external_id, email, email_key, phone, first_name, last_name, language,
    timezone, attributes, consent_email, consent_sms, consent_push, status)
VALUES ($2, $1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING {CONTACT}
"""

# index: contact_pkey.
_UPDATE = f"""
UPDATE contact AS c SET external_id = $3, email = $4, email_key = $5, phone = $6, first_name = $7, last_name = $8,
    language = $9, timezone = $10, attributes = $11, consent_email = $12, consent_sms = $13, consent_push = $14,
    status = $15, updated_at = now()
WHERE c.id = $2 AND c.account_id = $1 RETURNING {CONTACT}
"""

# index: contact_pkey.
_TOUCH = """
UPDATE contact SET updated_at = now() WHERE account_id = $1 AND id = ANY($2::bytea[]) AND deleted_at IS NULL
"""

# index: contact_pkey.
_SET_STATUS = """
UPDATE contact SET status = $3, updated_at = now()
WHERE account_id = $1 AND id = ANY($2::bytea[]) AND deleted_at IS NULL AND status <> $3 RETURNING id
"""

# index: contact_pkey. Consent refused stays known by nobody's name; only the row itself remains.
_ERASE = """
UPDATE contact SET external_id = NULL, email = NULL, email_key = NULL, phone = NULL, first_name = NULL,
    last_name = NULL, language = NULL, timezone = NULL, attributes = '{}', consent_email = NULL, consent_sms = NULL,
    consent_push = NULL, last_seen_at = NULL, updated_at = now(), deleted_at = now()
WHERE id = $2 AND account_id = $1 AND deleted_at IS NULL RETURNING true
"""

# index: contact_by_account, or contact_by_email / contact_by_external_id when given.
_LIST = f"""
SELECT {CONTACT} FROM contact c
WHERE c.account_id = $1 AND c.id > $2 AND c.deleted_at IS NULL{{conditions}} ORDER BY c.id LIMIT $3
"""

# index: group_member_pkey in order, contact_pkey for each.
_LIST_MEMBERS = f"""
SELECT {CONTACT} FROM group_member m JOIN contact c ON c.id = m.contact_id
WHERE m.group_id = $4 AND m.contact_id > $2 AND c.account_id = $1 AND c.deleted_at IS NULL{{conditions}}
ORDER BY m.contact_id LIMIT $3
"""

# index: contact_by_change, read in its order or backwards; group_member_pkey for each when a group is given.
_BY_CHANGE: Final = f"""
SELECT {CONTACT} FROM contact AS c
WHERE c.account_id = $1 AND (c.deleted_at IS NOT NULL) = $2{{conditions}}
ORDER BY c.updated_at {{way}}, c.id {{way}} LIMIT $3
"""
_IN_GROUP: Final = "EXISTS (SELECT FROM group_member AS m WHERE m.group_id = {value} AND m.contact_id = c.id)"

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

    async def lock_by_identity(self, account_id: Id, identities: Collection[Identity]) -> list[Contact]:
        """Reads and locks every contact holding one of these identities, in its own columns or beside them."""
        rows = await self._connection.fetch(_LOCK_BY_IDENTITY, account_id, *identity_columns(identities))
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
        return known(row)

    async def touch(self, account_id: Id, contact_ids: Sequence[Id]) -> None:
        """Makes now the time of the last change of contacts that are not deleted."""
        await self._connection.execute(_TOUCH, account_id, list(contact_ids))

    async def set_status(self, account_id: Id, contact_ids: Sequence[Id], status: ContactStatus) -> list[Id]:
        """Gives contacts that are not deleted another status; returns those that had a different one."""
        rows = await self._connection.fetch(_SET_STATUS, account_id, list(contact_ids), status)
        return [Id(row["id"]) for row in rows]

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
        contact_id: Id | None = None,
    ) -> list[Contact]:
        """Reads contacts above a cursor in order of creation, all given conditions met."""
        arguments: list[object] = [account_id, after or b"", limit]
        if group_id is not None:
            arguments.append(group_id)
        conditions = ""
        for column, value in (("email_key", email_key), ("external_id", external_id), ("id", contact_id)):
            if value is not None:
                arguments.append(value)
                conditions += f" AND c.{column} = ${len(arguments)}"
        statement = _LIST if group_id is None else _LIST_MEMBERS
        return _contacts(await self._connection.fetch(statement.format(conditions=conditions), *arguments))

    async def list_by_change(
        self,
        account_id: Id,
        *,
        after: tuple[datetime, Id] | None,
        limit: int,
        is_newest_first: bool,
        since: datetime | None,
        until: datetime | None,
        group_id: Id | None,
        contact_ids: Sequence[Id] | None,
        is_deleted: bool,
    ) -> list[Contact]:
        """Reads contacts in order of their last change, then of their id, beyond a cursor of both."""
        beyond = "<" if is_newest_first else ">"
        arguments: list[object] = [account_id, is_deleted, limit]
        conditions = ""
        for condition, value in (
            ("c.updated_at >= {value}", since),
            ("c.updated_at <= {value}", until),
            (_IN_GROUP, group_id),
            ("c.id = ANY({value}::bytea[])", contact_ids),
        ):
            if value is not None:
                arguments.append(value)
                conditions += " AND " + condition.format(value=f"${len(arguments)}")
        if after is not None:
            conditions += f" AND (c.updated_at, c.id) {beyond} (${len(arguments) + 1}, ${len(arguments) + 2})"
            arguments += after
        statement = _BY_CHANGE.format(conditions=conditions, way="DESC" if is_newest_first else "ASC")
        return _contacts(await self._connection.fetch(statement, *arguments))

    async def existing(self, account_id: Id, contact_ids: Sequence[Id]) -> set[Id]:
        """Which of these contacts are here and not deleted."""
        return {row["id"] for row in await self._connection.fetch(_EXISTING, account_id, list(contact_ids))}


def _values(contact: Contact) -> tuple[object, ...]:
    consent = contact.consent
    return (*_contact_values(contact), contact.attributes, consent.email, consent.sms, consent.push, contact.status)


_contact_values = attrgetter(
    "id", "external_id", "email", "email_key", "phone", "first_name", "last_name", "language", "timezone"
)


def identity_columns(identities: Collection[Identity]) -> list[list[str]]:
    """The parameters that look identities up: values of each own namespace, then namespaces and values of all."""
    own = [[one.value for one in identities if one.namespace == namespace] for namespace in OWN_NAMESPACES]
    return [*own, [one.namespace for one in identities], [one.value for one in identities]]


def _contact(row: Any) -> Contact | None:  # noqa: ANN401 - a driver's record
    return known(row) if row else None


def _contacts(rows: Sequence[Any]) -> list[Contact]:
    return [known(row) for row in rows]


def known(row: Any) -> Contact:  # noqa: ANN401 - a driver's record
    """The contact in a row of the columns `CONTACT`."""
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
        status=ContactStatus(row["status"]),
        last_seen_at=row["last_seen_at"],
        identities=tuple(Identity(*text.split(":", 1)) for text in row["identities"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
