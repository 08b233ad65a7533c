"""What fails in the worker itself, rather than at the other side: batches that no drive brings to an end.

After two tries without any progress a batch is taken apart, after three into single recipients; whoever has failed five
times is given up, visibly, and everybody else is sent to. Where to read next: `recovering`, which takes back what a
lost worker held.
"""

from __future__ import annotations

from typing import Final

from clarion import telemetry
from clarion.application import lifecycle
from clarion.application.notices import give_notice
from clarion.application.ports import Database
from clarion.application.ports.batches import ClaimedBatch
from clarion.application.ports.quarantine import Failing, Quarantine, Quarantined
from clarion.domain.errors import Conflict, NotFound
from clarion.domain.outcome import Reason

TRIES: Final = 5
"""Tries without progress after which a recipient is given up."""
PIECE: Final = 25
"""Recipients of a batch that failed twice."""
_BATCHES: Final = 100
_WHY: Final = f"Sending this message failed {TRIES} times within Clarion; its log says why"
_NOTICE: Final = "recipients_quarantined"


async def give_back(database: Database, batch: ClaimedBatch) -> None:
    """Lets a batch whose drive failed be tried again. Safe to repeat because a stale epoch matches no row."""
    async with database.reading() as tx:
        await tx.quarantine.give_back(batch)


async def isolate(database: Database) -> int:
    """Takes apart or gives up what has failed too often; returns how many deliveries were given up.

    Safe to repeat, and from several processes at once, because each batch is taken apart or given up once.
    """
    async with database.reading() as tx:
        failing = await tx.quarantine.failing(_BATCHES)
        given_up = [found for batch in failing if (found := await _isolate(tx.quarantine, batch))]
    for campaign_id, account_id in {(one.campaign_id, one.account_id) for one in given_up}:
        deliveries = sum(one.deliveries for one in given_up if one.campaign_id == campaign_id)
        await _tell(database, Quarantined(account_id, campaign_id, deliveries))
    return sum(one.deliveries for one in given_up)


async def _isolate(quarantine: Quarantine, batch: Failing) -> Quarantined | None:
    if await quarantine.forgive(batch):
        return None
    if batch.size == 1 and batch.tries >= TRIES:
        return await quarantine.fail(batch, Reason.QUARANTINED, _WHY)
    if batch.size > PIECE:
        await quarantine.take_apart(batch, PIECE, tries=2)
    elif batch.size > 1 and batch.tries > 2:
        await quarantine.take_apart(batch, 1, tries=3)
    return None


async def _tell(database: Database, given_up: Quarantined) -> None:
    telemetry.quarantined.inc(given_up.deliveries)
    telemetry.logger().error(
        telemetry.Event.QUARANTINED, campaign_id=given_up.campaign_id.hex(), deliveries=given_up.deliveries
    )
    async with database.transaction() as tx:
        await give_notice(
            tx, account_id=given_up.account_id, campaign_id=given_up.campaign_id, kind=_NOTICE,
            message=f"{given_up.deliveries} recipients were given up: {_WHY}",
        )  # fmt: skip


async def pause(database: Database, batch: ClaimedBatch, reason: Reason, message: str) -> None:
    """Pauses the campaign of a batch for what its sending came to, with a notice. Safe to repeat: it moves once."""
    async with database.transaction() as tx:
        run = await tx.runs.get(batch.account_id, batch.run_id)
        if run is None:
            return
        account_id, campaign_id = batch.account_id, run.campaign_id
        try:
            await lifecycle.pause(tx, account_id=account_id, campaign_id=campaign_id, reason=reason)
        except (Conflict, NotFound):
            return
        await give_notice(tx, account_id=account_id, campaign_id=campaign_id, kind="campaign_paused", message=message)
