"""Addresses of which the other side says for certain that they do not exist: nobody writes to them again.

An email address and a number are suppressed, a device is retired. Who learns of one is `health`, from an answer to a
message, and `receipts`, from later news of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from clarion.application.ports import Transaction
from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id
from clarion.domain.suppression import SuppressionReason


class Gone(NamedTuple):
    """The canonical address of one delivery, and what was said of it."""

    account_id: Id
    channel: ChannelName
    run_id: Id
    seq: int
    address_key: str
    said: str


async def end_addresses(tx: Transaction, gone: Sequence[Gone]) -> None:
    """Suppresses the addresses and retires the devices. Safe to repeat because an address ends once."""
    devices = [(one.run_id, one.seq) for one in gone if one.channel is ChannelName.PUSH]
    if devices:
        await tx.devices.retire(devices, next(one.said for one in gone if one.channel is ChannelName.PUSH))
    others: dict[tuple[Id, ChannelName], list[Gone]] = {}
    for one in gone:
        if one.channel is not ChannelName.PUSH:
            others.setdefault((one.account_id, one.channel), []).append(one)
    for (account_id, channel), ended in others.items():
        keys = [one.address_key for one in ended]
        await tx.suppressions.add(account_id, channel, keys, SuppressionReason.BOUNCED, ended[0].said)
