"""`clarion worker`: one sending process. Any number may run beside each other on one database.

Owns only the start; the loops, the signals and the drain are in `entrypoints/worker`.
"""

from __future__ import annotations

import sys

import uvloop

from clarion.bootstrap import open_app
from clarion.entrypoints.cli.child import as_child
from clarion.settings import Settings


def worker() -> None:
    """Send: claim batches of an existing, migrated database until told to stop."""
    with as_child("worker") as settings:
        code = uvloop.run(_work(settings))
    sys.exit(code)


async def _work(settings: Settings) -> int:
    from clarion.entrypoints.worker import run  # noqa: PLC0415 - the other commands do without it

    async with open_app(settings, pool_size=settings.worker_pool_size, role="worker") as app:
        return await run(app)
