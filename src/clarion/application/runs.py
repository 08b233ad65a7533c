"""Runs and their deliveries as reports show them: every number is counted from the rows, while these are kept.

Reads only; what moves a run is in `lifecycle` and in `pipeline`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clarion.application.ports import Transaction
from clarion.application.ports.runs import StateCount
from clarion.domain.campaign import Run
from clarion.domain.channel import ChannelName
from clarion.domain.delivery import Attempt, Delivery, DeliveryId, DeliveryState
from clarion.domain.errors import NotFound, Removed
from clarion.domain.ids import Id


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Where deliveries stand. The counts, and what is not frozen yet, add up to `selected_count`."""

    selected_count: int
    counts: tuple[StateCount, ...]

    @property
    def frozen(self) -> int:
        """How many of them have been written already."""
        return sum(count.count for count in self.counts)

    def total(self, *states: DeliveryState) -> int:
        """How many deliveries stand in any of these states."""
        return sum(count.count for count in self.counts if count.state in states)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReport(Tally):
    """What became of a run on one channel."""

    channel: ChannelName


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport(Tally):
    """A run and where its audience stands, in all and by channel: the channels add up to the whole.

    `rate_per_second` is what was sent over the time the run has taken so far.
    """

    run: Run
    rate_per_second: float
    channels: tuple[ChannelReport, ...]


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
    counted = [(part, await tx.runs.counts(part.id)) for part in run.parts]
    channels = tuple(
        ChannelReport(
            channel=channel,
            selected_count=sum(part.selected_count for part in run.parts if part.channel is channel),
            counts=_added(count for part, counts in counted if part.channel is channel for count in counts),
        )
        for channel in dict.fromkeys(part.channel for part in run.parts)
    )
    tally = Tally(selected_count=run.selected_count, counts=_added(count for one in channels for count in one.counts))
    until = run.finished_at or await tx.campaigns.now()
    elapsed_s = max((until - run.started_at).total_seconds(), 0.001)
    sent = tally.total(DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.BOUNCED, DeliveryState.COMPLAINED)
    return RunReport(
        run=run,
        selected_count=tally.selected_count,
        counts=tally.counts,
        rate_per_second=sent / elapsed_s,
        channels=channels,
    )


def _added(counts: Iterable[StateCount]) -> tuple[StateCount, ...]:
    """The counts of several parts as one, the largest first."""
    totals: Counter[tuple[DeliveryState, str | None]] = Counter()
    for one in counts:
        totals[one.state, one.reason] += one.count
    return tuple(StateCount(*kind, count) for kind, count in totals.most_common())


async def count_sent(
    tx: Transaction, *, account_id: Id, campaign_ids: Sequence[Id]
) -> dict[tuple[Id, ChannelName], int]:
    """Counts what left of each of these campaigns, tests not among it; zero is left out."""
    return await tx.runs.count_sent(account_id, campaign_ids) if campaign_ids else {}


async def list_deliveries(
    tx: Transaction,
    *,
    account_id: Id,
    run_id: Id,
    state: DeliveryState | None = None,
    reason: str | None = None,
    channel: ChannelName | None = None,
    after: DeliveryId | None = None,
    limit: int,
) -> list[Delivery]:
    """Reads up to `limit` deliveries that follow `after`, all given conditions met: part after part of the run.

    Raises:
        NotFound: the run is unknown or another account's; `Removed`: its deliveries are no longer kept.
    """
    run = await _run(tx, account_id, run_id)
    _check_kept(run)
    found: list[Delivery] = []
    for part in run.parts:
        if (after is None or part.id >= after.run_id) and channel in {None, part.channel} and len(found) < limit:
            after_seq = after.seq if after is not None and after.run_id == part.id else 0
            found += await tx.deliveries.page(part.id, state, reason, after_seq, limit - len(found))
    return found


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
