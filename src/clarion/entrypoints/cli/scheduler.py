"""`clarion scheduler`: one process that keeps the clock. One is enough; a second one takes over when the first is gone.

Owns only the start; the loops are in `entrypoints/scheduler`.
"""

from __future__ import annotations

import uvloop

from clarion.bootstrap import open_app
from clarion.entrypoints.cli.child import as_child
from clarion.settings import Settings


def scheduler() -> None:
    """Do what happens by the clock: freeze audiences, start what is due, apply receipts, recover what workers lost.

    Also merges imports, hears stop words, and removes what is kept no longer. Runs until told to stop.

    Needs CLARION_DATABASE_URL; with CLARION_NATS_URL it announces due batches to the workers over NATS. One is enough.
    A second one on another machine shares the work and goes on alone when the first is gone.
    """
    with as_child("scheduler") as settings:
        uvloop.run(_schedule(settings))


async def _schedule(settings: Settings) -> None:
    from clarion.entrypoints.scheduler import run  # noqa: PLC0415 - the other commands do without it

    async with open_app(settings, pool_size=settings.worker_pool_size, role="scheduler") as app:
        await run(app)
