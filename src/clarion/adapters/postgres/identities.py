"""Stores the further identities of contacts, and finds contacts by any identity.

Those in a contact's own columns are never written here. Where to read next: `contacts`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import asyncpg

from clarion.adapters.postgres.connection import Connection
from clarion.adapters.postgres.contacts import CONTACT, identity_columns, known
from clarion.adapters.postgres.contacts_bulk import taken
from clarion.domain.contact import Contact, Identity
from clarion.domain.ids import Id

_OWN: Final = """
SELECT 0 AS rank, '{namespace}' AS namespace, c.{column} AS value, c.id FROM contact AS c
WHERE c.account_id = $1 AND c.{column} = ANY({values}::text[]) AND c.{column} IS NOT NULL
"""

# index: contact_by_email, contact_by_phone, contact_by_external_id, contact_identity_pkey; then contact_pkey for each.
_RESOLVE: Final = f"""
WITH found AS (
    {_OWN.format(namespace="external_id", column="external_id", values="$2")} UNION ALL
    {_OWN.format(namespace="email", column="email_key", values="$3")} UNION ALL
    {_OWN.format(namespace="phone", column="phone", values="$4")} UNION ALL
    SELECT 1, i.namespace, i.value, i.contact_id
    FROM unnest($5::text[], $6::text[]) AS g (namespace, value)
    JOIN contact_identity AS i ON i.account_id = $1 AND i.namespace = g.namespace AND i.value = g.value
)
SELECT f.namespace AS found_namespace, f.value AS found_value, {CONTACT}
FROM found AS f JOIN contact AS c ON c.id = f.id
WHERE c.account_id = $1 AND c.deleted_at IS NULL ORDER BY f.rank DESC
"""

# index: contact_identity_pkey.
_FURTHER: Final = """
SELECT i.namespace, i.value FROM unnest($2::text[], $3::text[]) AS g (namespace, value)
JOIN contact_identity AS i ON i.account_id = $1 AND i.namespace = g.namespace AND i.value = g.value
"""

# index: contact_identity_pkey.
_HAS_FURTHER: Final = (
    "SELECT EXISTS (SELECT FROM contact_identity WHERE account_id = $1 AND namespace = ANY($2::text[]))"
)

# index: contact_identity_by_contact.
_DROP_OTHERS: Final = """
DELETE FROM contact_identity AS i
WHERE i.contact_id = $1 AND NOT EXISTS (
    SELECT FROM unnest($2::text[], $3::text[]) AS g (namespace, value)
    WHERE g.namespace = i.namespace AND g.value = i.value)
"""

# index: contact_identity_pkey. One that another contact holds is not touched, and so not returned.
_PUT: Final = """
INSERT INTO contact_identity AS i (account_id, namespace, value, contact_id, position)
SELECT $1, g.namespace, g.value, $2, g.position
FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS g (namespace, value, position)
ORDER BY g.namespace, g.value
ON CONFLICT (account_id, namespace, value) DO UPDATE SET position = excluded.position
WHERE i.contact_id = excluded.contact_id RETURNING i.namespace, i.value
"""

# index: contact_identity_by_contact.
_ERASE: Final = "DELETE FROM contact_identity WHERE contact_id = $1"


class IdentityStore:
    """Who is called what, in all accounts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def resolve(self, account_id: Id, identities: Collection[Identity]) -> dict[Identity, Contact]:
        """Finds the contact of each identity that has one. A contact's own columns come first."""
        rows = await self._connection.fetch(_RESOLVE, account_id, *identity_columns(identities))
        return {Identity(row["found_namespace"], row["found_value"]): known(row) for row in rows}

    async def replace(self, account_id: Id, contact_id: Id, identities: Sequence[Identity]) -> None:
        """Makes these the further identities of a contact. Raises `Conflict` when another contact holds one."""
        columns = _columns(identities)
        await self._connection.execute(_DROP_OTHERS, contact_id, *columns)
        if not identities:
            return
        stored = await self._connection.fetch(_PUT, account_id, contact_id, *columns)
        if len(stored) != len(identities):
            raise taken(asyncpg.UniqueViolationError())

    async def erase(self, contact_id: Id) -> None:
        """Forgets the further identities of a contact."""
        await self._connection.execute(_ERASE, contact_id)

    async def has_further(self, account_id: Id, namespaces: Sequence[str]) -> bool:
        """Whether any contact holds a further identity in one of these namespaces."""
        return bool(await self._connection.fetchval(_HAS_FURTHER, account_id, namespaces))

    async def further(self, account_id: Id, identities: Collection[Identity]) -> set[Identity]:
        """Which of these are further identities of some contact."""
        return {Identity(*row) for row in await self._connection.fetch(_FURTHER, account_id, *_columns(identities))}


def _columns(identities: Collection[Identity]) -> tuple[list[str], list[str]]:
    return [one.namespace for one in identities], [one.value for one in identities]
