"""Some of an audience, picked so that they are spread over it and are the same ones the next time.

One statement, which looks at everyone of the audience once, as counting it does. Where to read next: `audience`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clarion.adapters.postgres import audience
from clarion.adapters.postgres.connection import Connection
from clarion.application.ports.samples import Sampled
from clarion.domain.campaign import Campaign, Category
from clarion.domain.ids import Id
from clarion.domain.segment import Rule
from clarion.rendering.variables import COLUMNS

# index: those of the members, then contact_pkey. A digest of the id is as good as chance, and stays the same.
_PHONES: Final = """
SELECT c.phone{columns}
FROM ({members}) AS m JOIN contact AS c ON c.id = m.contact_id
WHERE c.phone IS NOT NULL AND c.deleted_at IS NULL AND c.status = 'active'
  AND (c.consent_sms IS NOT FALSE OR ${category}::text <> 'marketing')
ORDER BY md5(c.id) LIMIT {limit}
"""


class SampleStore:
    """Implements `application.ports.samples.Samples` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def phones(
        self, account_id: Id, campaign: Campaign, rules: Sequence[Rule], columns: frozenset[str], limit: int
    ) -> list[Sampled]:
        """Up to `limit` people with a number who did not refuse, and of each just the columns a plan needs."""
        members, values = audience.members(account_id, campaign, rules)
        names = [name for name, column in COLUMNS.items() if column in columns]
        query = _PHONES.format(
            columns="".join(f", c.{COLUMNS[name]}" for name in names),
            members=members,
            category=len(values) + 1,
            limit=int(limit),
        )
        rows = await self._connection.fetch(query, *values, Category(campaign.category))
        return [Sampled(phone, dict(zip(names, found, strict=True))) for phone, *found in rows]
