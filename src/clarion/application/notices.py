"""Notices: what the people of an account should hear of without asking, such as a campaign that gave up.

Sends nothing: whoever wants to know lists them. Where to read next: `start_calls`, which gives most of them.
"""

from __future__ import annotations

from typing import Final

from clarion.application.ports import Transaction
from clarion.domain.ids import Id, new_id
from clarion.domain.notice import Notice

MESSAGE_LIMIT: Final = 1_000
"""Characters of a message that are kept."""


async def give_notice(tx: Transaction, *, account_id: Id, campaign_id: Id | None, kind: str, message: str) -> Notice:
    """Writes a notice, cut to 1,000 characters. Runs in the caller's transaction, so it tells only what came true."""
    return await tx.notices.insert(account_id, new_id(), campaign_id, kind, message[:MESSAGE_LIMIT])


async def list_notices(
    tx: Transaction, *, account_id: Id, after: Id | None, limit: int, campaign_id: Id | None = None
) -> list[Notice]:
    """Reads up to `limit` notices with ids above `after`, the newest last."""
    return await tx.notices.list_after(account_id, after, limit, campaign_id)
