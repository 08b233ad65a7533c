"""Suppressions: addresses we must not write to, by their canonical key.

The key is made here, in Python, and nowhere else, so that no spelling of an address slips past. What is added here is
seen by the next send intent of every running campaign.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clarion.application.ports import Transaction
from clarion.domain.errors import NotFound
from clarion.domain.ids import Id
from clarion.domain.suppression import Suppression, SuppressionChannel, SuppressionReason

ADDRESSES_AT_ONCE: Final = 10_000
"""Addresses that one call may suppress."""
SOURCE_LIMIT: Final = 200
"""Characters of a suppression's source."""


async def suppress(
    tx: Transaction,
    *,
    account_id: Id,
    channel: SuppressionChannel,
    address: str,
    reason: SuppressionReason,
    source: str = "",
) -> bool:
    """Suppresses an address and tells whether that changed anything. Safe to repeat because the key is unique.

    A reason that blocks everything replaces `unsubscribed`, never the other way round.

    Raises:
        Invalid: the address is none, or the source is too long.
    """
    raise NotImplementedError


async def import_suppressions(
    tx: Transaction,
    *,
    account_id: Id,
    channel: SuppressionChannel,
    addresses: Sequence[str],
    reason: SuppressionReason,
    source: str = "",
) -> int:
    """Suppresses up to 10,000 addresses, all or none, and returns how many were changed.

    Raises:
        Invalid: naming each address that is none.
    """
    raise NotImplementedError


async def list_suppressions(
    tx: Transaction,
    *,
    account_id: Id,
    after: tuple[SuppressionChannel, str] | None,
    limit: int,
    channel: SuppressionChannel | None = None,
) -> list[Suppression]:
    """Reads up to `limit` suppressions above a cursor of (channel, addressKey)."""
    return await tx.suppressions.list_after(account_id, after, limit, channel)


async def find_suppression(
    tx: Transaction, *, account_id: Id, channel: SuppressionChannel, address: str
) -> Suppression:
    """Reads the suppression of an address in any spelling.

    Raises:
        NotFound: it is not suppressed.
    """
    raise NotImplementedError


async def lift_suppression(tx: Transaction, *, account_id: Id, channel: SuppressionChannel, address: str) -> None:
    """Lets an address be written to again.

    Raises:
        NotFound: it was not suppressed.
    """
    raise NotImplementedError


async def unsubscribe(tx: Transaction, *, account_id: Id, run_id: Id, seq: int) -> None:
    """Suppresses, for marketing, the address that a delivery went to; the ids come from a verified token.

    Safe to repeat because the address is then already suppressed. Call `tx.barrier` after the commit and before the
    answer: from then on no intent to write to it will be made.

    Raises:
        NotFound: there is no such delivery, or its contact was erased and no address is known.
    """
    raise NotImplementedError
