"""What a lost worker leaves behind: batches whose lease ran out, with deliveries that were on the wire.

Those deliveries are uncertain and become visible as such; everything else of the batch is sent by another worker.
`docs/delivery.md` tells what a crash leaves. Next: `due`.
"""

from __future__ import annotations

from typing import Final

from clarion import telemetry
from clarion.application.ports import Database
from clarion.failpoints import failpoint

_BATCHES: Final = 100


async def recover(database: Database) -> int:
    """Takes back batches whose lease ran out; returns how many.

    Safe to repeat, and from several workers at once, because each batch is taken back once and its epoch raised.
    """
    failpoint("before_recovery")
    async with database.reading() as tx:
        recovered = await tx.batches.recover(_BATCHES)
        if recovered:
            failpoint("after_recovery")
            await tx.announce_work()
    if recovered:
        telemetry.batches_rescued.inc(recovered)
        telemetry.logger().warning(telemetry.Event.BATCH_RESCUED, batches=recovered)
    return recovered
