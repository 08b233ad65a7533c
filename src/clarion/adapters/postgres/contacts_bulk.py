"""Stores the contacts of imports in bulk.

Contacts that are found are locked before anything is decided, so that what was decided still holds when it is written.
Where to read next: `application.import_merging`, which decides.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from operator import attrgetter, or_
from typing import Final

import asyncpg

from clarion.adapters.postgres.bulk import in_turns
from clarion.adapters.postgres.connection import Connection
from clarion.application.ports.contacts import Columns, Given, Holder
from clarion.domain.errors import Conflict
from clarion.domain.ids import Id

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


class BulkContacts:
    """The contacts of all accounts, as an import writes them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

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
            raise taken(error) from error

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


def taken(error: asyncpg.UniqueViolationError) -> Conflict:
    """Tells a caller which identity another contact holds."""
    field = _FIELDS.get(error.constraint_name or "", "identity")
    return Conflict("CONTACT_ADDRESS_TAKEN", _TAKEN.format(field))


def _columns_in_use(rows: Sequence[Columns]) -> tuple[list[str], Callable[[Columns], tuple[object, ...]]]:
    """The columns that any of the rows fills: what is empty in all of them need not be encoded."""
    given = functools.reduce(or_, (row.given for row in rows))
    columns = ["id", "attributes", *(name for name in _KEPT if given & Given.of(name))]
    return columns, attrgetter(*columns)
