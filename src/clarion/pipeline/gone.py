"""Addresses that the other side says for certain nobody can be reached at: nobody writes to them again.

One that does not exist is suppressed as bounced, one whose owner stopped our messages with the provider as
unsubscribed; a device is retired. Who learns of one is `health`, from an answer, and `receipts`, from later news.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from clarion.application.ports import Transaction
from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason
from clarion.domain.suppression import SuppressionReason

ENDING: Final = {
    Reason.ADDRESS_UNKNOWN: SuppressionReason.BOUNCED,
    Reason.UNSUBSCRIBED: SuppressionReason.UNSUBSCRIBED,
}
"""Why a failed message ends its address, and what it is suppressed as."""


class Gone(NamedTuple):
    """The canonical address of one delivery that failed for one of the reasons in `ENDING`, and what was said of it."""

    account_id: Id
    channel: ChannelName
    run_id: Id
    seq: int
    address_key: str
    reason: Reason
    said: str


async def end_addresses(tx: Transaction, gone: Sequence[Gone]) -> None:
    """Suppresses the addresses and retires the devices. Safe to repeat because an address ends once."""
    devices = [one for one in gone if one.channel is ChannelName.PUSH]
    if devices:
        await tx.devices.retire([(one.run_id, one.seq, one.said) for one in devices])
    alike: dict[tuple[Id, ChannelName, Reason], dict[str, str]] = {}
    for one in gone:
        if one.channel is not ChannelName.PUSH:
            alike.setdefault((one.account_id, one.channel, one.reason), {})[one.address_key] = one.said
    for (account_id, channel, reason), said in alike.items():
        await tx.suppressions.add(account_id, channel, said, ENDING[reason])
