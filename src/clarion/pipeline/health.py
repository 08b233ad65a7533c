"""Health: what the outcomes of a window say of the sender it went by, and of addresses that do not exist.

A sender that fails as a whole is shut for all workers: nothing of its runs is claimed until one worker, which tries it
now and then, has had an answer. Its messages wait, and other senders keep their speed. The rule is `domain.health`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from clarion import telemetry
from clarion.application.notices import give_notice
from clarion.application.ports import Database, Transaction
from clarion.application.ports.batches import Attempted, ClaimedBatch
from clarion.domain.health import Fault, Streak
from clarion.domain.ids import Id
from clarion.domain.outcome import Outcome, Reason, Verdict
from clarion.domain.sender import Sender
from clarion.pipeline.gone import ENDING, Gone, end_addresses
from clarion.pipeline.patience import insisting
from clarion.pipeline.ways import Channels

_REMEMBERED_S: Final = 2.0
"""How long batches in hand are given back because their sender was shut here."""


@dataclass(slots=True)
class Health:
    """How the senders of one worker fare."""

    database: Database
    _streaks: dict[Id, Streak] = field(default_factory=dict)
    _shut_at: dict[Id, float] = field(default_factory=dict)

    def is_shut(self, sender_id: Id) -> bool:
        """Whether this worker shut the sender a moment ago: what it still holds should not be tried."""
        return time.monotonic() - self._shut_at.get(sender_id, float("-inf")) < _REMEMBERED_S

    async def note(self, batch: ClaimedBatch, sender: Sender, attempted: Sequence[Attempted]) -> None:
        """Takes in what became of messages of a batch that went by this sender; no statement while all is well."""
        fault = self._streaks.setdefault(sender.id, Streak()).add([one.outcome for one in attempted])
        if fault is not None:
            self._shut_at[sender.id] = time.monotonic()
            await insisting(self.database, lambda tx: _shut(tx, batch.account_id, sender, fault))
        gone = [
            Gone(batch.account_id, batch.channel, batch.run_id, seq, key, outcome.reason, outcome.reply)
            for seq, outcome, _, key in attempted
            if outcome.reason in ENDING
        ]
        if gone:
            await insisting(self.database, lambda tx: end_addresses(tx, gone))


async def _shut(tx: Transaction, account_id: Id, sender: Sender, fault: Fault) -> None:
    if await tx.health.shut(sender.id, fault):
        telemetry.senders_shut.labels(fault.reason).inc()
        telemetry.logger().error(telemetry.Event.SENDER_SHUT, sender_id=sender.id.hex(), reason=fault.reason)
        message = f"Sender {sender.name} is left alone until it works again ({fault.reason}): {fault.reply}"
        await give_notice(tx, account_id=account_id, campaign_id=None, kind="sender_shut", message=message)


async def mend(database: Database, channels: Channels) -> bool:
    """Tries one shut sender whose time has come, and opens it when it answers; False when none was due.

    Safe to repeat, and from several workers at once, because each sender is given to one of them at a time. A server
    that refused us by its policy is not asked, but tried with mail again.
    """
    async with database.reading() as tx:
        due = await tx.health.take_due()
        found = await tx.senders.get_with_secrets(due.account_id, due.sender_id) if due else None
    if due is None or found is None:
        return due is not None
    outcome = Outcome.sent("") if due.reason is Reason.POLICY_REJECTED else await channels.probe(*found)
    async with database.transaction() as tx:
        if outcome.verdict is not Verdict.SENT:
            await tx.health.keep_shut(due.sender_id)
        elif await tx.health.open(due.sender_id):
            await tx.announce_work()
            message = f"Sender {found[0].name} is used again"
            await give_notice(tx, account_id=due.account_id, campaign_id=None, kind="sender_open", message=message)
            telemetry.logger().info(telemetry.Event.SENDER_OPEN, sender_id=due.sender_id.hex())
    return True
