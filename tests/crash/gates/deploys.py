"""G11: rolling deploys in the middle of a run: every worker is told to leave, one after the other, and replaced."""

from __future__ import annotations

import asyncio
import random
import signal
from dataclasses import dataclass

from tests.crash.ground import SLOW, Ground, ground, seconds_until
from tests.crash.report import Report
from tests.support.database import Databases

WORKERS = 3
DRAIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Size:
    """So many rolling deploys during so many recipients."""

    deploys: int
    recipients: int


TIERS = {"P": Size(3, 4_000), "N": Size(50, 60_000), "R": Size(200, 240_000)}


async def run(chance: random.Random, tier: str, databases: Databases) -> Report:
    """Nothing may be lost, doubled or uncertain, and nobody takes longer than the drain."""
    size = TIERS[tier]
    async with ground(databases, chance, recipients=size.recipients, local_part=SLOW) as site:
        site.supervisor.keep(worker=WORKERS, scheduler=1)
        observer = await site.start(to_be_hurt=True)
        drains: list[float] = []
        for count in site.moments(size.deploys):
            if await site.progress(observer, count):
                drains += await _deploy(site)
        seconds = await site.over()
        verdict = await site.settle(observer, unknown_limit=0)
        verdict.expect_blows(len(drains), size.deploys * WORKERS)
        if max(drains, default=0.0) > DRAIN_S:
            verdict.complain(f"a drain took {max(drains):.1f} s")
        drained = round(max(drains, default=0.0), 2)
        return Report.of(verdict, seconds, "marketing", deploys=size.deploys, longest_drain_s=drained)


async def _deploy(site: Ground) -> list[float]:
    """Replaces every worker, the new one first, and returns how long each took to leave."""
    drains = []
    for old in site.supervisor.of("worker"):
        site.supervisor.start("worker")
        leaving = asyncio.create_task(site.supervisor.end(old, signal.SIGTERM))
        drains.append(await seconds_until(leaving.done))
        await leaving
    return drains
