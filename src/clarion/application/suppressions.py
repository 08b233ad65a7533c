"""Suppressions: addresses we must not write to, by their canonical key.

The key is made here, in Python, and nowhere else, so that no spelling of an address slips past. What is added here is
seen by the next send intent of every running campaign.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clarion.application import contact_rules as rules
from clarion.application.ports import Transaction
from clarion.application.ports.suppressions import NewSuppression
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Invalid, NotFound, Problem
from clarion.domain.ids import Id
from clarion.domain.push_address import token_key
from clarion.domain.suppression import Suppression, SuppressionReason
from clarion.rendering.addresses import AddressFault, email_key, parse_email

ADDRESSES_AT_ONCE: Final = 10_000
"""Addresses that one call may suppress."""
SOURCE_LIMIT: Final = 200
"""Characters of a suppression's source."""


async def suppress(
    tx: Transaction,
    *,
    account_id: Id,
    channel: ChannelName,
    address: str,
    reason: SuppressionReason,
    source: str = "",
) -> bool:
    """Suppresses an address and tells whether that changed anything. Safe to repeat because the key is unique.

    A reason that blocks everything replaces `unsubscribed`, never the other way round.

    Raises:
        Invalid: the address is none, or the source is too long.
    """
    key = checked_key(channel, address, "address")
    problems = [one for one in (key, _source_problem(source)) if isinstance(one, Problem)]
    if problems:
        raise Invalid.of(problems)
    return await tx.suppressions.add([NewSuppression(account_id, channel, str(key), reason, source)]) > 0


async def import_suppressions(
    tx: Transaction,
    *,
    account_id: Id,
    channel: ChannelName,
    addresses: Sequence[str],
    reason: SuppressionReason,
    source: str = "",
) -> int:
    """Suppresses up to 10,000 addresses, all or none, and returns how many were changed.

    Raises:
        Invalid: naming each address that is none (100 at most).
    """
    if len(addresses) > ADDRESSES_AT_ONCE:
        raise Invalid(Problem("addresses", "maxItems", f"must be at most {ADDRESSES_AT_ONCE} in one call"))
    keys = [checked_key(channel, address, f"addresses[{i}]") for i, address in enumerate(addresses)]
    problems = [one for one in (_source_problem(source), *keys) if isinstance(one, Problem)]
    if problems:
        raise Invalid.of(problems[:100])
    return await tx.suppressions.add([NewSuppression(account_id, channel, str(key), reason, source) for key in keys])


async def list_suppressions(
    tx: Transaction,
    *,
    account_id: Id,
    after: tuple[ChannelName, str] | None,
    limit: int,
    channel: ChannelName | None = None,
) -> list[Suppression]:
    """Reads up to `limit` suppressions above a cursor of (channel, addressKey)."""
    return await tx.suppressions.list_after(account_id, after, limit, channel)


async def find_suppression(tx: Transaction, *, account_id: Id, channel: ChannelName, address: str) -> Suppression:
    """Reads the suppression of an address in any spelling.

    Raises:
        NotFound: it is not suppressed.
    """
    key = key_of_any(channel, address)
    found = None if key is None else await tx.suppressions.find(account_id, channel, key)
    if found is None:
        raise NotFound("suppression")
    return found


async def lift_suppression(tx: Transaction, *, account_id: Id, channel: ChannelName, address: str) -> None:
    """Lets an address, in any spelling, be written to again.

    Raises:
        NotFound: it was not suppressed.
    """
    key = key_of_any(channel, address)
    if key is None or not await tx.suppressions.remove(account_id, channel, key):
        raise NotFound("suppression")


async def unsubscribe(tx: Transaction, *, account_id: Id, run_id: Id, seq: int) -> None:
    """Suppresses, for marketing and on its channel, the address a delivery went to; the ids come from a verified token.

    Safe to repeat because the address is then already suppressed. Call `tx.barrier` after the commit and before the
    answer: from then on no intent to write to it will be made.

    Raises:
        NotFound: there is no such delivery, or its contact was erased and no address is known.
    """
    found = await tx.suppressions.delivery_address(account_id, run_id, seq)
    if found is None:
        raise NotFound("delivery")
    channel, address = found
    key, source = key_of_sent(channel, address), f"unsubscribe link of {run_id.hex()}-{seq}"
    await tx.suppressions.add([NewSuppression(account_id, channel, key, SuppressionReason.UNSUBSCRIBED, source)])


def checked_key(channel: ChannelName, address: str, field: str) -> str | Problem:
    """The canonical key of an address as somebody wrote it, or what is wrong with it."""
    if channel is ChannelName.EMAIL:
        parsed = parse_email(address)
        return Problem(field, parsed.rule, parsed.message) if isinstance(parsed, AddressFault) else parsed.key
    result = rules.read_phone(address) if channel is ChannelName.SMS else rules.read_push_token(address)
    if isinstance(result, rules.Refusal):
        return Problem(field, result.rule, result.message)
    return token_key(result) if channel is ChannelName.PUSH else result


def key_of_sent(channel: ChannelName, address: str) -> str:
    """The canonical key of an address that a delivery went to."""
    return email_key(address) if channel is ChannelName.EMAIL else address


def key_of_any(channel: ChannelName, address: str) -> str | None:
    """The key to look up: of an address that is none, whatever it may be, so that it is simply not found.

    None for what no database can hold.
    """
    if rules.check_text(address):
        return None
    key = checked_key(channel, address, "address")
    if isinstance(key, str):
        return key
    return key_of_sent(channel, address)


def _source_problem(source: str) -> Problem | None:
    if len(source) > SOURCE_LIMIT or rules.check_text(source):
        return Problem("source", "pattern", f"must have at most {SOURCE_LIMIT} characters and no NUL")
    return None
