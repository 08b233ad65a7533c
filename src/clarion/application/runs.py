"""Runs and their deliveries as reports show them: every number is counted from the rows, while these are kept.

Reads only; what moves a run is in `lifecycle` and in `pipeline`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clarion.application.ports import Transaction
from clarion.application.ports.runs import StateCount
from clarion.domain.campaign import Run
from clarion.domain.delivery import Attempt, Delivery, DeliveryId, DeliveryState
from clarion.domain.errors import NotFound, Removed
from clarion.domain.ids import Id


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run and where its audience stands. The counts, and what is not frozen yet, add up to `run.selected_count`.

    `rate_per_second` is what was sent over the time the run has taken so far.
    """

    run: Run
    counts: tuple[StateCount, ...]
    rate_per_second: float

    @property
    def frozen(self) -> int:
        """How many of the audience have a delivery already."""
        return sum(count.count for count in self.counts)

    def total(self, *states: DeliveryState) -> int:
        """How many deliveries stand in any of these states."""
        return sum(count.count for count in self.counts if count.state in states)


async def list_runs(
    tx: Transaction, *, account_id: Id, campaign_id: Id | None = None, after: Id | None, limit: int
) -> list[Run]:
    """Reads up to `limit` runs with ids above `after`, oldest first."""
    return await tx.runs.page(account_id, campaign_id, after, limit)


async def report_run(tx: Transaction, *, account_id: Id, run_id: Id) -> RunReport:
    """Counts one run: from its rows, or as they were counted for good when they were removed.

    Raises:
        NotFound: it is unknown or another account's.
    """
    run = await _run(tx, account_id, run_id)
    counts = tuple(await tx.runs.counts(run_id))
    report = RunReport(run, counts, 0.0)
    until = run.finished_at or await tx.campaigns.now()
    elapsed_s = max((until - run.started_at).total_seconds(), 0.001)
    sent = report.total(DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.BOUNCED, DeliveryState.COMPLAINED)
    return RunReport(run, counts, sent / elapsed_s)


async def count_sent(tx: Transaction, *, account_id: Id, campaign_ids: Sequence[Id]) -> dict[Id, int]:
    """Counts what left of each of these campaigns, tests not among it; zero is left out."""
    return await tx.runs.count_sent(account_id, campaign_ids) if campaign_ids else {}


async def list_deliveries(
    tx: Transaction,
    *,
    account_id: Id,
    run_id: Id,
    state: DeliveryState | None = None,
    reason: str | None = None,
    after_seq: int = 0,
    limit: int,
) -> list[Delivery]:
    """Reads up to `limit` deliveries with numbers above `after_seq`, all given conditions met.

    Raises:
        NotFound: the run is unknown or another account's; `Removed`: its deliveries are no longer kept.
    """
    _check_kept(await _run(tx, account_id, run_id))
    return await tx.deliveries.page(run_id, state, reason, after_seq, limit)


async def get_delivery(
    tx: Transaction, *, account_id: Id, delivery_id: DeliveryId
) -> tuple[Delivery, tuple[Attempt, ...]]:
    """Reads one delivery and the tries before its last.

    Raises:
        NotFound: it is unknown or another account's; `Removed`: it is no longer kept.
    """
    _check_kept(await _run(tx, account_id, delivery_id.run_id))
    delivery = await tx.deliveries.get(delivery_id.run_id, delivery_id.seq)
    if delivery is None:
        raise NotFound("delivery")
    return delivery, tuple(await tx.deliveries.attempts(delivery_id.run_id, delivery_id.seq))


def _check_kept(run: Run) -> None:
    if run.removed_at is not None:
        raise Removed("delivery")


async def _run(tx: Transaction, account_id: Id, run_id: Id) -> Run:
    run = await tx.runs.get(account_id, run_id)
    if run is None:
        raise NotFound("run")
    return run
