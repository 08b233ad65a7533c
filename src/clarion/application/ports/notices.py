"""Storage of notices.

Implemented by the store of the same name. Where to read next: `application.notices`.
"""

from __future__ import annotations

from typing import Protocol

from clarion.domain.ids import Id
from clarion.domain.notice import Notice


class Notices(Protocol):
    """The notices of all accounts."""

    async def insert(self, account_id: Id, notice_id: Id, campaign_id: Id | None, kind: str, message: str) -> Notice:
        """Stores a notice."""
        ...

    async def list_after(self, account_id: Id, after: Id | None, limit: int, campaign_id: Id | None) -> list[Notice]:
        """Reads notices above a cursor in order of creation, those of one campaign when it is given."""
        ...
