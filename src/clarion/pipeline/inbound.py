"""What follows from a message that somebody wrote to us: they were seen, and single words stop and start.

Everything that follows is one transaction for a group of messages, so each has its effect once. Never answers one.
Where to read next: `domain/keywords`, docs/receipts.md.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from clarion import telemetry
from clarion.application.campaigns import find_by_number
from clarion.application.contact_rules import Refusal, read_phone
from clarion.application.ports import Database, Transaction
from clarion.application.ports.inbound import Unread
from clarion.domain.channel import ChannelName
from clarion.domain.errors import NotFound
from clarion.domain.ids import Id
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


async def _opt_out(tx: Transaction, messages: Sequence[Unread]) -> None:
    """Keeps single campaigns from writing to who says so, by the number that callers know a campaign by."""
    leaving: dict[tuple[Id, int], set[str]] = {}
    for one in messages:
        number = read_campaign_stop(one.text)
        if number is not None and not isinstance(read_phone(one.address), Refusal):
            leaving.setdefault((one.account_id, number), set()).add(one.address)
    for (account_id, number), addresses in leaving.items():
        with contextlib.suppress(NotFound):  # nobody's campaign: the message is kept like any other
            campaign = await find_by_number(tx, account_id=account_id, number=number)
            await tx.suppressions.add_for_campaign(account_id, campaign.id, ChannelName.SMS, [*addresses])


async def _obey(tx: Transaction, asked: Sequence[tuple[Unread, Keyword | None]]) -> None:
    """Suppresses who says stop, and lifts that for who says start; of several words of one person the last counts."""
    last = {
        (one.account_id, one.address): keyword is Keyword.STOP
        for one, keyword in asked
        if keyword in {Keyword.STOP, Keyword.START} and not isinstance(read_phone(one.address), Refusal)
    }
    by_account: dict[tuple[Id, bool], list[str]] = {}
    for (account_id, address), stops in last.items():
        by_account.setdefault((account_id, stops), []).append(address)
    for (account_id, stops), addresses in by_account.items():
        if stops:
            said = dict.fromkeys(addresses, "answered with a stop word")
            await tx.suppressions.add(account_id, ChannelName.SMS, said, SuppressionReason.UNSUBSCRIBED)
        else:
            await tx.suppressions.resubscribe(account_id, ChannelName.SMS, addresses)
