"""Addresses that the other side says for certain nobody can be reached at: nobody writes to them again.

One that does not exist is suppressed as bounced, one whose owner stopped our messages with the provider as
unsubscribed; a device is retired. Who learns of one is `health`, from an answer, and `receipts`, from later news.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from clarion.application.ports import Transaction
from clarion.application.ports.suppressions import NewSuppression
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
    await tx.suppressions.add(
        [
            NewSuppression(one.account_id, one.channel, one.address_key, ENDING[one.reason], one.said)
            for one in gone
            if one.channel is not ChannelName.PUSH
        ]
    )
