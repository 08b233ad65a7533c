"""Stores notices; nothing changes one once it is there.

Knows no kind of notice by name. Where to read next: `application.notices`.
"""

from __future__ import annotations

from typing import Any, Final

from clarion.adapters.postgres.connection import Connection
from clarion.domain.ids import Id
from clarion.domain.notice import Notice

_INSERT: Final = """
INSERT INTO notice (account_id, id, campaign_id, kind, message) VALUES ($1, $2, $3, $4, $5)
RETURNING id, campaign_id, kind, message, created_at
"""

# index: notice_by_account.
_LIST: Final = """
SELECT id, campaign_id, kind, message, created_at FROM notice
WHERE account_id = $1 AND id > $2 AND ($4::bytea IS NULL OR campaign_id = $4) ORDER BY id LIMIT $3
"""


class NoticeStore:
    """The notices of all accounts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, account_id: Id, notice_id: Id, campaign_id: Id | None, kind: str, message: str) -> Notice:
        """Stores a notice."""
        row = await self._connection.fetchrow(_INSERT, account_id, notice_id, campaign_id, kind, message)
        return _notice(row)

    async def list_after(self, account_id: Id, after: Id | None, limit: int, campaign_id: Id | None) -> list[Notice]:
        """Reads notices above a cursor in order of creation, those of one campaign when it is given."""
        rows = await self._connection.fetch(_LIST, account_id, after or b"", limit, campaign_id)
        return [_notice(row) for row in rows]


def _notice(row: Any) -> Notice:  # noqa: ANN401 - a driver's record
    return Notice(*row)
