"""Finds things by a name whose capitals do not matter, and locks the giving of names.

Which names may be given is decided in `application.names`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from clarion.adapters.postgres.connection import Connection
from clarion.application.ports.names import Named
from clarion.domain.ids import Id
from clarion.domain.sequence import GroupName

# index: account_pkey. Rows that refer to the account are not kept waiting.
_HOLD: Final = "SELECT true FROM account WHERE id = $1 FOR NO KEY UPDATE"

_HOLDERS: Final[dict[Named, str]] = {
    # index: contact_group_account_id_name_key by account; an account has few groups.
    Named.GROUP: "SELECT id FROM contact_group WHERE account_id = $1 AND lower(name) = lower($2)",
    # index: campaign_sequence.
    Named.SEQUENCE: """
SELECT id FROM campaign WHERE account_id = $1 AND kind = 'sequence' AND lower(name) = lower($2)
""",
}

_COUNT: Final[dict[Named, str]] = {
    # index: contact_group_account_id_name_key by account.
    Named.GROUP: "SELECT count(*) FROM contact_group WHERE account_id = $1",
    # index: campaign_sequence.
    Named.SEQUENCE: "SELECT count(*) FROM campaign WHERE account_id = $1 AND kind = 'sequence'",
}

# index: contact_group_account_id_name_key by account, contact_group_pkey.
_GROUPS: Final = """
SELECT g.id, g.name FROM contact_group AS g
WHERE g.account_id = $1
  AND (g.id = ANY($2::bytea[]) OR lower(g.name) IN (SELECT lower(n) FROM unnest($3::text[]) AS n))
ORDER BY g.id
"""

# index: group_member_by_contact, contact_group_pkey.
_GROUPS_OF: Final = """
SELECT m.contact_id, g.id, g.name FROM group_member AS m JOIN contact_group AS g ON g.id = m.group_id
WHERE m.contact_id = ANY($1::bytea[]) ORDER BY g.id
"""


class NameStore:
    """The names in all accounts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def hold(self, account_id: Id) -> None:
        """Lets one transaction at a time give names in this account, until this one ends."""
        await self._connection.execute(_HOLD, account_id)

    async def holders(self, account_id: Id, kind: Named, name: str) -> list[Id]:
        """Whatever of this kind has this name, in any spelling of capitals; archived ones too."""
        return [Id(row["id"]) for row in await self._connection.fetch(_HOLDERS[kind], account_id, name)]

    async def groups(self, account_id: Id, ids: Collection[Id], names: Collection[str]) -> list[GroupName]:
        """The groups with these ids or these names, in any spelling of capitals, oldest first."""
        rows = await self._connection.fetch(_GROUPS, account_id, list(ids), list(names))
        return [GroupName(Id(row["id"]), row["name"]) for row in rows]

    async def groups_of(self, contact_ids: Collection[Id]) -> dict[Id, list[GroupName]]:
        """The groups each of these contacts is in, oldest first."""
        found: dict[Id, list[GroupName]] = {}
        for contact_id, group_id, name in await self._connection.fetch(_GROUPS_OF, list(contact_ids)):
            found.setdefault(Id(contact_id), []).append(GroupName(Id(group_id), name))
        return found

    async def count(self, account_id: Id, kind: Named) -> int:
        """How many of this kind the account has."""
        return int(await self._connection.fetchval(_COUNT[kind], account_id))
