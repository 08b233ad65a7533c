"""Who gets another batch within one worker: an account that is ahead makes room for one that is behind.

Claims come in the fair order, but what a worker holds shares its time evenly; without this a newcomer would have half
of it whatever the weights. Holds no batch itself. Where to read next: `docs/fairness.md`, `entrypoints/crew.py`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from clarion.application.ports.batches import ClaimedBatch
from clarion.domain.campaign import Lane
from clarion.domain.ids import Id

AHEAD: Final = 1_000
"""Messages, by its weight, that an account must have had more than another to be ahead of it."""
BRISK_S: Final = 3.0
"""For so long after a claim an account holds others back: one whose mail server is slow soon holds up nobody."""


@dataclass(slots=True)
class Line:
    """The accounts whose batches one crew has claimed, with what each has had and when."""

    per_sender: int
    _seen: dict[Id, tuple[float, float]] = field(default_factory=dict)

    def joined(self, batch: ClaimedBatch, now: float) -> None:
        """Takes note of a claim. Transactional batches are small and over in a moment: nobody waits for them."""
        if batch.account_used is not None and batch.lane is Lane.BULK:
            self._seen[batch.account_id] = (batch.account_used, now)

    def busy(self, held: Collection[ClaimedBatch], now: float) -> list[Id]:
        """The senders that get no further batch: who is ahead of an account that sends briskly holds one at a time."""
        holding = {batch.account_id for batch in held}
        self._seen = {account: seen for account, seen in self._seen.items() if account in holding}
        accounts = {batch.sender_id: batch.account_id for batch in held}
        return [
            sender_id
            for sender_id, drives in Counter(batch.sender_id for batch in held).items()
            if drives >= (1 if self.is_ahead(accounts[sender_id], now) else self.per_sender)
        ]

    def is_ahead(self, account_id: Id, now: float) -> bool:
        """Whether another account that sends briskly has had less."""
        used, _ = self._seen.get(account_id, (-math.inf, now))
        least = min((had for had, at in self._seen.values() if now - at <= BRISK_S), default=math.inf)
        return used > least + AHEAD
