"""Stores contacts: one at a time for the API, in bulk for imports.

An import locks the contacts it finds before it decides, so that what it decided still holds when it writes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from operator import attrgetter, or_
from typing import Any, Final

import asyncpg

from clarion.adapters.postgres.bulk import in_turns
from clarion.adapters.postgres.connection import Connection
from clarion.application.ports.contacts import Columns, Given, Holder
from clarion.domain.contact import Consent, Contact
from clarion.domain.errors import Conflict
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

# index: contact_by_external_id, contact_by_email or contact_by_phone, as the column has it.
_HOLDERS = """
SELECT id, external_id, email, email_key, phone, octet_length(attributes::text) FROM contact
WHERE account_id = $1 AND {column} = ANY($2::text[]) AND {column} IS NOT NULL FOR UPDATE
"""

_BULK_COLUMNS: Final = (
    "id", "external_id", "email", "email_key", "phone", "first_name", "last_name", "language", "timezone",
    "attributes", "consent_email", "consent_sms", "consent_push",
)  # fmt: skip
_bulk_values = attrgetter(*_BULK_COLUMNS)

_STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS staged_contact ON COMMIT DROP AS
SELECT 0 AS given, '{}'::text[] AS dropped, id, external_id, email, email_key, phone, first_name, last_name, language,
    timezone, attributes, consent_email, consent_sms, consent_push
FROM contact LIMIT 0
"""
_UNSTAGE = "TRUNCATE staged_contact"

# index: all three identities decide what is taken.
_INSERT_STAGED = f"""
INSERT INTO contact (account_id, {", ".join(_BULK_COLUMNS)})
SELECT $1, {", ".join(_BULK_COLUMNS)} FROM staged_contact ON CONFLICT DO NOTHING RETURNING id
"""

_KEPT: Final = ("external_id", "email", "email_key", "phone", "first_name", "last_name", "language", "timezone",
    "consent_email", "consent_sms", "consent_push")  # fmt: skip
_NEW_VALUES = ", ".join(
    f"CASE WHEN s.given & {Given.of(name)} <> 0 THEN s.{name} ELSE c.{name} END AS {name}" for name in _KEPT
)

# index: contact_pkey, once for the new values and once to write.
_OVERLAY = f"""
UPDATE contact SET ({", ".join(_KEPT)}, attributes, updated_at) =
    ROW({", ".join(f"new.{name}" for name in _KEPT)}, new.attributes, now())
FROM (
    SELECT c.id, {_NEW_VALUES},
        (CASE WHEN s.given & {Given.CLEAR_ATTRIBUTES} <> 0 THEN '{{}}' ELSE c.attributes END || s.attributes)
            - s.dropped AS attributes
    FROM staged_contact s JOIN contact c ON c.id = s.id WHERE c.account_id = $1 AND c.deleted_at IS NULL
) AS new
WHERE contact.id = new.id AND ({", ".join(f"contact.{name}" for name in (*_KEPT, "attributes"))})
    IS DISTINCT FROM ({", ".join(f"new.{name}" for name in (*_KEPT, "attributes"))})
"""

# index: contact_pkey.
_RELEASE = """
UPDATE contact SET external_id = NULL, email = NULL, email_key = NULL, phone = NULL
WHERE account_id = $1 AND id = ANY($2::bytea[])
"""

# A slice of an import meets its tables by key. Left alone, the planner judges them by the size they had before the
# import and keeps a plan that reads every contact for every row.
_BY_KEY = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"

_REFRESH = "VACUUM (ANALYZE) contact, group_member"

_TAKEN: Final = "Another contact of the account has this {}"
_FIELDS: Final = {
    "contact_by_external_id": "externalId",
    "contact_by_email": "email address",
    "contact_by_phone": "phone number",
}


class ContactStore:
    """The contacts of all accounts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

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
            raise _taken(error) from error
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

    async def holders(
        self, account_id: Id, external_ids: Sequence[str], email_keys: Sequence[str], phones: Sequence[str]
    ) -> list[Holder]:
        """Reads and locks every contact that holds one of these identities, once each."""
        await self._connection.execute(_BY_KEY)
        found: dict[Id, Holder] = {}
        for column, values in (("external_id", external_ids), ("email_key", email_keys), ("phone", phones)):
            if values:
                rows = await self._connection.fetch(_HOLDERS.format(column=column), account_id, values)
                found.update((row["id"], Holder(*row)) for row in rows)
        return list(found.values())

    async def copy_new(self, account_id: Id, rows: Sequence[Columns]) -> set[Id]:
        """Stores new contacts in bulk; returns those not stored because an identity was taken meanwhile."""
        try:
            columns, values = _columns_in_use(rows)
            async with self._connection.transaction():
                await self._connection.copy_records_to_table(
                    "contact",
                    columns=["account_id", *columns],
                    records=in_turns((account_id, *values(row)) for row in rows),
                )
        except asyncpg.UniqueViolationError:
            return await self._insert_free(account_id, rows)
        return set()

    async def _insert_free(self, account_id: Id, rows: Sequence[Columns]) -> set[Id]:
        await self._stage(rows)
        stored = await self._connection.fetch(_INSERT_STAGED, account_id)
        await self._connection.execute(_UNSTAGE)
        return {row.id for row in rows} - {record["id"] for record in stored}

    async def overlay(self, account_id: Id, rows: Sequence[Columns], released: Sequence[Id]) -> None:
        """Writes the given columns over stored contacts in bulk; rows that change nothing are not written.

        `released` lose their identities first, so that contacts of one call may exchange them. Raises `Conflict` when
        an identity is taken.
        """
        try:
            if released:
                await self._connection.execute(_RELEASE, account_id, released)
            await self._stage(rows)
            await self._connection.execute(_OVERLAY, account_id)
            await self._connection.execute(_UNSTAGE)
        except asyncpg.UniqueViolationError as error:
            raise _taken(error) from error

    async def _stage(self, rows: Sequence[Columns]) -> None:
        await self._connection.execute(_STAGE)
        await self._connection.copy_records_to_table(
            "staged_contact",
            columns=["given", "dropped", *_BULK_COLUMNS],
            records=in_turns((row.given, row.dropped, *_bulk_values(row)) for row in rows),
        )

    async def refresh(self) -> None:
        """Makes counts and plans fast again after a bulk change; call outside a transaction."""
        await self._connection.execute(_REFRESH)


def _columns_in_use(rows: Sequence[Columns]) -> tuple[list[str], Callable[[Columns], tuple[object, ...]]]:
    """The columns that any of the rows fills: what is empty in all of them need not be encoded."""
    given = functools.reduce(or_, (row.given for row in rows))
    columns = ["id", "attributes", *(name for name in _KEPT if given & Given.of(name))]
    return columns, attrgetter(*columns)


def _values(contact: Contact) -> tuple[object, ...]:
    consent = contact.consent
    return (*_contact_values(contact), contact.attributes, consent.email, consent.sms, consent.push)


_contact_values = attrgetter(
    "id", "external_id", "email", "email_key", "phone", "first_name", "last_name", "language", "timezone"
)


def _taken(error: asyncpg.UniqueViolationError) -> Conflict:
    field = _FIELDS.get(error.constraint_name or "", "identity")
    return Conflict("CONTACT_ADDRESS_TAKEN", _TAKEN.format(field))


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
