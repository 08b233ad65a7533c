"""Third stage: a batch that is through is given up, and a run whose rows are all final is closed.

Completion is a predicate over the rows, never a counter, so it may be asked by anyone at any time. Next: `recovering`.
"""

from __future__ import annotations

from typing import Final

from clarion.application.ports import Database
from clarion.application.ports.batches import ClaimedBatch
from clarion.domain.campaign import CampaignKind, CampaignState, RunState
from clarion.domain.outcome import Reason
from clarion.failpoints import failpoint

_RUNS: Final = 500
_BATCHES: Final = 20
"""Batches of a stopped run that one statement cancels."""


async def settle(database: Database, batch: ClaimedBatch) -> None:
    """Ends this worker's hold on a batch; what is still pending can be claimed when it is due.

    Closes the run if that was the last of it. Safe to repeat because a stale epoch matches no row.
    """
    failpoint("before_settle")
    async with database.reading() as tx:
        if await tx.batches.settle(batch):
            failpoint("after_settle")
            await tx.runs.complete(batch.run_id)


async def close_runs(database: Database) -> int:
    """Closes every run that is through, and cancels what is left of stopped ones; returns how many it closed.

    Catches the runs whose last two batches were settled at the same moment. Safe to repeat because it asks the rows.
    """
    closed = 0
    async with database.reading() as tx:
        for run_id, state in await tx.runs.unfinished(_RUNS):
            failpoint("before_closing")
            if state is RunState.SENDING:
                closed += await tx.runs.complete(run_id)
            elif state in {RunState.STOPPED, RunState.FAILED}:
                while await tx.batches.cancel(run_id, Reason.RUN_STOPPED, _BATCHES):
                    continue
                closed += await tx.runs.close_stopped(run_id)
            failpoint("after_closing")
    return closed


async def give_up(database: Database, batch: ClaimedBatch, reason: str) -> None:
    """Fails a run that cannot be sent at all, because its sender or its content is gone or broken.

    With the last run of a running broadcast the campaign fails; a triggered one goes on taking calls.
    """
    async with database.transaction() as tx:
        run = await tx.runs.get(batch.account_id, batch.run_id)
        if run is not None:
            campaign = await tx.campaigns.get(batch.account_id, run.campaign_id, lock=True)
            await tx.runs.fail(batch.run_id, reason)
            is_last = run.test_address is None and not await tx.runs.has_active(run.campaign_id)
            if campaign and campaign.kind is CampaignKind.BROADCAST and is_last:
                running = frozenset({CampaignState.RUNNING})
                await tx.campaigns.move(batch.account_id, campaign.id, running, CampaignState.FAILED, reason)
        await tx.batches.settle(batch)
