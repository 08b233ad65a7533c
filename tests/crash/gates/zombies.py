"""G12: workers frozen beyond their lease and woken again, and workers and schedulers whose clocks are a day off."""

from __future__ import annotations

import asyncio
import random
import signal
from dataclasses import dataclass

from tests.crash.ground import SHORT_LEASE_S, SLOW, ground
from tests.crash.report import Report
from tests.support.database import Databases
from tests.support.patience import PATIENCE_S

from clarion.domain.campaign import Category

WORKERS = 3
WINDOW = 200
DAY_S = 86_400.0
LOOKS_S = 6.0
"""Several looks of a scheduler that is a day ahead."""
_BATCHES_FREE = "SELECT NOT EXISTS (SELECT FROM batch WHERE worker IS NOT NULL)"
_SCHEDULED = """
UPDATE campaign SET state = 'scheduled', start_at = now() + interval '1 hour' WHERE id = $1 RETURNING true
"""
_STATE = "SELECT state FROM campaign WHERE id = $1"
_STARTABLE_NOW = "UPDATE campaign SET start_at = now() WHERE id = $1 RETURNING true"
_RUN = "SELECT id FROM run WHERE campaign_id = $1"


@dataclass(frozen=True, slots=True)
class Size:
    """So many random stops during so many recipients."""

    stops: int
    recipients: int


TIERS = {"P": Size(5, 2_000), "N": Size(100, 40_000), "R": Size(500, 200_000)}


async def run(chance: random.Random, tier: str, databases: Databases) -> Report:
    """Frozen before the intent, after it, anywhere; then the clocks. All beside each other."""
    size = TIERS[tier]
    chances = [random.Random(chance.random()) for _ in range(5)]
    reports = await asyncio.gather(
        _frozen_at("before_intent", Category.TRANSACTIONAL, chances[0], databases),
        _frozen_at("after_intent", Category.MARKETING, chances[1], databases),
        _frozen_at("after_intent", Category.TRANSACTIONAL, chances[2], databases),
        _frozen_anywhere(size, chances[3], databases),
        _wrong_clocks(chances[4], databases),
    )
    return Report.merged(reports, stops=size.stops)


async def _frozen_at(point: str, category: Category, chance: random.Random, databases: Databases) -> Report:
    """One worker freezes itself; another finishes the run; then the first is woken and must do no harm."""
    async with ground(databases, chance, recipients=200, category=category) as site:
        zombie = site.supervisor.start("worker", armed=f"{point}:stop")
        site.supervisor.start("scheduler")
        observer = await site.start()
        await zombie.stopped()
        await site.expire(zombie)
        site.supervisor.start("worker")
        seconds = await site.over()
        before = site.witness.copies.total()
        zombie.signal(signal.SIGCONT)
        await site.supervisor.end(zombie, signal.SIGTERM)
        late = site.witness.copies.total() - before
        verdict = await site.settle(observer, unknown_limit=0)  # what it sent is known once it has told
        if point == "before_intent" and (late or verdict.duplicates):
            verdict.complain(f"the zombie sent {late} messages, {verdict.duplicates} of them again")
        if late > WINDOW:
            verdict.complain(f"the zombie sent {late} messages, more than a window")
        return Report.of(verdict, seconds, f"{point} {category.value}", sent_by_zombie=late)


async def _frozen_anywhere(size: Size, chance: random.Random, databases: Databases) -> Report:
    """Workers are stopped at random for longer than their lease, while the others go on."""
    async with ground(databases, chance, recipients=size.recipients, local_part=SLOW, lease_s=SHORT_LEASE_S) as site:
        site.supervisor.keep(worker=WORKERS, scheduler=1)
        observer = await site.start(to_be_hurt=True)
        stopped = 0
        for count in site.moments(size.stops):
            if not await site.progress(observer, count):
                break
            victim = chance.choice(site.supervisor.of("worker"))
            victim.signal(signal.SIGSTOP)
            await asyncio.sleep(chance.uniform(1.0, 2.0) * SHORT_LEASE_S)  # the fault under test
            victim.signal(signal.SIGCONT)
            stopped += 1
        seconds = await site.over()
        verdict = await site.settle(observer, unknown_limit=stopped * 3 * WINDOW)
        verdict.expect_blows(stopped, size.stops)
        return Report.of(verdict, seconds, "anywhere", stops=stopped)


async def _wrong_clocks(chance: random.Random, databases: Databases) -> Report:
    """A campaign starts and leases end by the database's clock, whatever day the processes think it is."""
    async with ground(databases, chance, recipients=1_000, local_part=SLOW) as site:
        campaign_id = site.scene.campaign_id
        await site.execute(_SCHEDULED, campaign_id)
        for role in ("worker", "scheduler"):
            for shift in (-DAY_S, DAY_S):
                site.supervisor.start(role, clock_shift_s=shift)
        await asyncio.sleep(LOOKS_S)
        state = await site.execute(_STATE, campaign_id)
        await site.execute(_STARTABLE_NOW, campaign_id)
        async with asyncio.timeout(PATIENCE_S):
            while (run_id := await site.execute(_RUN, campaign_id)) is None:
                await asyncio.sleep(0.05)
        observer = site.observe(run_id)
        seconds = await site.over()
        verdict = await site.settle(observer, unknown_limit=0)
        if state != "scheduled":
            verdict.complain(f"started an hour early: {state}")
        if not await site.execute(_BATCHES_FREE):
            verdict.complain("a lease is left")
        return Report.of(verdict, seconds, "clocks a day off")
