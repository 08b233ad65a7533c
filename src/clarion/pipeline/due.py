"""Campaigns whose time has come: scheduled ones start, those past their end end, audiences are read again.

Kept by the database clock.

The same use cases that a person calls do the work, so a campaign started by the clock and one started by hand differ
in nothing.
"""

from __future__ import annotations

from typing import Final

from clarion.application import lifecycle
from clarion.application.activation import rules_of
from clarion.application.executions import execute_scheduled, fail_scheduled
from clarion.application.ports import Database
from clarion.application.ports.runs import Rechecked
from clarion.domain.campaign import CampaignState
from clarion.domain.errors import Conflict, Invalid, NotFound
from clarion.domain.ids import Id
from clarion.failpoints import failpoint

_CAMPAIGNS: Final = 50


async def start_due(database: Database) -> int:
    """Starts scheduled campaigns whose start time has passed; one that cannot start fails with the reason.

    Safe to repeat, and from several workers at once, because a start moves a campaign once.
    """
    async with database.reading() as tx:
        waiting = await tx.campaigns.due(_CAMPAIGNS)
    for account_id, campaign_id in waiting:
        failpoint("before_due_start")
        try:
            async with database.transaction() as tx:
                await lifecycle.start(tx, account_id=account_id, campaign_id=campaign_id)
            failpoint("after_due_start")
        except NotFound:
            continue
        except (Conflict, Invalid) as error:
            await _fail_if_scheduled(database, account_id, campaign_id, f"{error.code}: {error}")
    return len(waiting)


async def _fail_if_scheduled(database: Database, account_id: Id, campaign_id: Id, reason: str) -> None:
    """Another worker may have started it a moment before: then there is nothing to fail."""
    async with database.transaction() as tx:
        scheduled = frozenset({CampaignState.SCHEDULED})
        await tx.campaigns.move(account_id, campaign_id, scheduled, CampaignState.FAILED, reason)


async def end_overdue(database: Database) -> int:
    """Ends campaigns that are past their end; whoever was not reached is cancelled. Safe to repeat: it moves once."""
    async with database.reading() as tx:
        overdue = await tx.campaigns.overdue(_CAMPAIGNS)
    for account_id, campaign_id in overdue:
        try:
            async with database.transaction() as tx:
                await lifecycle.complete_overdue(tx, account_id=account_id, campaign_id=campaign_id)
        except (Conflict, NotFound):
            continue
    return len(overdue)


async def read_again(database: Database) -> int:
    """Reads audiences anew whose interval has passed; whoever came to belong to them gets the message too.

    Safe to repeat because a reading moves the time of the next one, and who has a delivery gets no other.
    """
    async with database.reading() as tx:
        waiting = await tx.runs.due_rechecks(_CAMPAIGNS)
    for account_id, campaign_id, run_id in waiting:
        async with database.transaction() as tx:
            campaign = await tx.campaigns.get(account_id, campaign_id, lock=True)
            if campaign is None or campaign.state is not CampaignState.RUNNING or campaign.recheck_seconds is None:
                continue
            if campaign.end_at is not None and campaign.end_at <= await tx.campaigns.now():
                continue  # whoever comes after the end is not of the audience, though nobody has ended it yet
            rules = await rules_of(tx, account_id, campaign.segment_ids)
            recheck = Rechecked(
                run_id=run_id, category=campaign.category, rules=rules, seconds=campaign.recheck_seconds
            )
            if await tx.runs.reread(recheck):
                await tx.announce_work()
    return len(waiting)


async def execute_due(database: Database) -> int:
    """Starts the audiences of scheduled executions whose time has come; one that cannot start fails with the reason.

    Safe to repeat, and from several workers at once, because an execution is started in the transaction that holds it.
    """
    async with database.reading() as tx:
        waiting = await tx.executions.due(_CAMPAIGNS)
    for account_id, execution_id in waiting:
        try:
            async with database.transaction() as tx:
                await execute_scheduled(tx, account_id=account_id, execution_id=execution_id)
        except (Conflict, Invalid, NotFound) as error:
            async with database.transaction() as tx:
                await fail_scheduled(
                    tx, account_id=account_id, execution_id=execution_id, problem=f"{error.code}: {error}"
                )
    return len(waiting)
