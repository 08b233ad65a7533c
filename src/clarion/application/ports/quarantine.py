"""Batches whose drive fails again and again, and what is done so that they hold up nobody.

Everything is fenced by the batch's epoch. Where to read next: `pipeline/quarantine.py`.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from clarion.application.ports.batches import ClaimedBatch
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason


class Failing(NamedTuple):
    """A batch nobody holds that was claimed `tries` times and never settled."""

    run_id: Id
    first_seq: int
    last_seq: int
    seqs: list[int] | None
    no: int
    epoch: int
    tries: int
    size: int


class Quarantined(NamedTuple):
    """How many deliveries of a campaign were given up at once."""

    account_id: Id
    campaign_id: Id
    deliveries: int


class Quarantine(Protocol):
    """The failing batches of all runs."""

    async def give_back(self, batch: ClaimedBatch) -> bool:
        """Ends the hold on a batch whose drive failed, to be claimed again a little later.

        False when it is not held any more, or something of it may be on the wire: then its lease runs out.
        """
        ...

    async def failing(self, limit: int) -> list[Failing]:
        """Batches that were claimed more than once and never settled."""
        ...

    async def forgive(self, batch: Failing) -> bool:
        """Counts from none again for a batch whose last holder got somewhere; tells whether it did."""
        ...

    async def take_apart(self, batch: Failing, size: int, tries: int) -> None:
        """Makes batches of at most `size` of what is pending, tried so often. Safe to repeat: it is gone then."""
        ...

    async def fail(self, batch: Failing, reason: Reason, why: str) -> Quarantined | None:
        """Fails what is pending of a batch and deletes it. Safe to repeat because the batch is gone then."""
        ...
