"""The queue and its leases: claiming batches of deliveries, and recording what became of them.

A batch row exists while something is left to do for it. Every claim and every recovery raises its epoch; what a holder
of an older epoch writes matches no row. Read with `pipeline/sending.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, NamedTuple, Protocol

from clarion.domain.campaign import Lane, RunState
from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id
from clarion.domain.outcome import Outcome, Reason

BATCH_SIZE: Final = 500
"""Deliveries claimed together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedBatch:
    """A batch this worker holds until its lease ends.

    `account_used` is what its account had had by then, by its weight; None when nobody knows.
    """

    run_id: Id
    account_id: Id
    sender_id: Id
    channel: ChannelName
    lane: Lane
    no: int
    epoch: int
    first_seq: int
    last_seq: int
    seqs: list[int] | None
    account_used: float | None = None


class Recipient(NamedTuple):
    """One pending delivery of a claimed batch. `contact` holds the columns the run's plan asked for.

    `address_key` is None when the contact has another address by now than the one frozen for this run, or is none.
    `barred` is why the contact must not be written to any more: since the run froze it, it was deleted or is no longer
    active. `given` is what the call said of this recipient; None for whoever belongs to an audience.
    """

    seq: int
    address: str
    address_key: str | None
    attempts: int
    contact: dict[str, Any]
    barred: Reason | None
    given: dict[str, Any] | None


class Attempted(NamedTuple):
    """What became of one delivery: its outcome, for a retry how long to wait, and the canonical address it went to."""

    seq: int
    outcome: Outcome
    wait: timedelta | None = None
    address_key: str = ""


class Refused(NamedTuple):
    """A delivery that will not be tried: it could not be rendered, or its contact is gone."""

    seq: int
    reason: str
    detail: str


@dataclass(slots=True)
class Turn:
    """One step of a batch: outcomes of what was on the wire, refusals, and the intent for the next window."""

    attempted: Sequence[Attempted] = field(default_factory=tuple)
    refused: Sequence[Refused] = field(default_factory=tuple)
    intent: Sequence[tuple[int, str]] = field(default_factory=tuple)
    """(seq, canonical address key) of each message about to go on the wire."""


@dataclass(frozen=True, slots=True)
class TurnResult:
    """`granted` are the deliveries that may go on the wire now; nothing else may."""

    granted: frozenset[int]
    run_state: RunState
    holds_lease: bool


class Batches(Protocol):
    """The work queue over the batch table."""

    async def claim(
        self,
        worker: str,
        lane: Lane,
        busy_senders: Sequence[Id],
        lease: timedelta,
        channels: Collection[ChannelName] = tuple(ChannelName),
    ) -> ClaimedBatch | None:
        """Leases the lane's most urgent batch of a sending run on one of the channels whose sender is not busy.

        None when there is none.
        """
        ...

    async def claim_named(self, worker: str, run_id: Id, no: int, epoch: int, lease: timedelta) -> ClaimedBatch | None:
        """Leases this very batch; None when it is gone, held, not due, or its run is not sending."""
        ...

    async def tidy(self) -> None:
        """Forgets what finished runs have had, and finds fresh batches again whose claim was undone late."""
        ...

    async def recipients(self, batch: ClaimedBatch, columns: frozenset[str]) -> list[Recipient]:
        """The batch's deliveries that are pending and due, with the contact columns named."""
        ...

    async def turn(self, batch: ClaimedBatch, turn: Turn, sender_id: Id | None = None) -> TurnResult:
        """Records outcomes and writes the intent for the next window, in one transaction of its own.

        Outcomes are recorded whatever the state of the run, with the names that the sender gave to what it accepted.
        Intent is written only for deliveries that are pending, whose address is not suppressed, in a run that is
        sending, under a lease this epoch still holds.
        """
        ...

    async def renew(self, batches: Sequence[ClaimedBatch], lease: timedelta) -> None:
        """Extends the leases that are still held."""
        ...

    async def settle(self, batch: ClaimedBatch) -> bool:
        """Gives the batch up: deletes it when nothing of it is pending, else leaves the rest to be claimed when due.

        Returns whether the run may be through: no batch of it waits, and others at most end at this moment. Safe to
        repeat because a stale epoch matches no row.
        """
        ...

    async def recover(self, limit: int) -> int:
        """Takes back batches whose lease ran out; what their worker had on the wire becomes uncertain.

        Bulk deliveries become `unknown`; transactional ones go back to pending once. Returns the batches recovered.
        """
        ...

    async def cancel(self, run_id: Id, reason: str, limit: int) -> int:
        """Deletes up to `limit` unclaimed batches of a stopped run and cancels what was pending; returns how many."""
        ...
