"""What follows from a message that somebody wrote to us: they were seen, and single words stop and start.

Everything that follows is one transaction for a group of messages, so each has its effect once. Never answers one.
Where to read next: `domain/keywords`, docs/receipts.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clarion import telemetry
from clarion.application.contact_rules import Refusal, read_phone
from clarion.application.ports import Database, Transaction
from clarion.application.ports.inbound import Unread
from clarion.application.ports.suppressions import NewSuppression
from clarion.domain.channel import ChannelName
from clarion.domain.keywords import Keyword, read_campaign_stop, read_keyword
from clarion.domain.outcome import Reason
from clarion.domain.suppression import SuppressionReason

AT_ONCE: Final = 500
"""Messages read in one transaction."""


async def read_new(database: Database) -> int:
    """Reads messages of which nothing has followed yet; returns how many. Safe to repeat because each is read once."""
    async with database.reading() as tx:
        if not await tx.inbound.has_unread():
            return 0
    return await database.retrying(_read)


async def _read(tx: Transaction) -> int:
    messages = await tx.inbound.unread(AT_ONCE)
    if not messages:
        return 0
    asked = [(one, read_keyword(one.text, tuple(one.languages))) for one in messages]
    await _obey(tx, asked)
    await _opt_out(tx, messages)
    seen = [one.contact_id for one in messages if one.contact_id is not None]
    if seen:
        await tx.inbound.cancel_waiting(sorted(set(seen)), Reason.ANSWERED)
    await tx.inbound.mark_read([(one.id, one.contact_id, keyword) for one, keyword in asked])
    for _, keyword in asked:
        telemetry.inbound_messages.labels(keyword or "none").inc()
    return len(messages)


async def _obey(tx: Transaction, asked: Sequence[tuple[Unread, Keyword | None]]) -> None:
    """Suppresses who says stop, and lifts that for who says start; of several words of one person the last counts."""
    last = {
        (one.account_id, one.address): keyword is Keyword.STOP
        for one, keyword in asked
        if keyword in {Keyword.STOP, Keyword.START} and _is_number(one.address)
    }
    source = "answered with a stop word"
    await tx.suppressions.add(
        [
            NewSuppression(account_id, ChannelName.SMS, address, SuppressionReason.UNSUBSCRIBED, source)
            for (account_id, address), stops in last.items()
            if stops
        ]
    )
    await tx.suppressions.resubscribe(ChannelName.SMS, [who for who, stops in last.items() if not stops])


async def _opt_out(tx: Transaction, messages: Sequence[Unread]) -> None:
    """Keeps single campaigns from writing to who says so, by the number that callers know a campaign by."""
    opt_outs = [
        (one.account_id, number, one.address)
        for one in messages
        if (number := read_campaign_stop(one.text)) is not None and _is_number(one.address)
    ]
    await tx.suppressions.add_for_numbers(ChannelName.SMS, opt_outs)


def _is_number(address: str) -> bool:
    """Whether a message came from a number: one from a name can be answered by nobody."""
    return not isinstance(read_phone(address), Refusal)
