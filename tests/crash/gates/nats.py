"""G6: NATS is killed and started again, and now and then loses all its data, while workers hear of their batches by it.

The three servers of `tests.crash.cluster` stand on the same ground. PostgreSQL is never touched here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise

from tests.crash.ground import Ground, ground
from tests.crash.observer import Observer
from tests.crash.report import Report
from tests.support.database import Databases
from tests.support.nats import NatsServer, nats_server

WORKERS = 2
CONNECTIONS = 10
STALL_S = 60.0
"""How long nothing may arrive at the most."""


@dataclass(frozen=True, slots=True)
class Size:
    """So many restarts and wipes during so many recipients."""

    restarts: int
    wipes: int
    recipients: int


TIERS = {"P": Size(5, 1, 4_000), "N": Size(100, 20, 100_000), "R": Size(500, 100, 500_000)}
Blow = Callable[[], object]


async def run(chance: random.Random, tier: str, databases: Databases) -> Report:
    """One server, hit again and again."""
    size = TIERS[tier]
    with nats_server() as server:
        blows = [lambda: restart(server)] * size.restarts + [lambda: wipe([server])] * size.wipes
        chance.shuffle(blows)
        return await shake(chance, databases, [server], blows, size.recipients)


async def shake(
    chance: random.Random,
    databases: Databases,
    servers: Sequence[NatsServer],
    blows: Sequence[Blow],
    recipients: int,
    *,
    apart_s: float = 3.0,
) -> Report:
    """One run of marketing mail, hit at even distances: nobody may be lost, doubled or uncertain.

    The mail server answers so slowly that about `apart_s` lie between two blows.
    """
    slow = f"slow{apart_s * (len(blows) + 2) * CONNECTIONS * WORKERS / recipients:.4f}+"
    env = {"CLARION_NATS_URL": ",".join(server.url for server in servers), "CLARION_NATS_REPLICAS": str(len(servers))}
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(
            ground(databases, chance, recipients=recipients, local_part=slow, connections=CONNECTIONS, env=env)
        )
        site.supervisor.keep(worker=WORKERS, scheduler=1)
        observer = await site.start()
        landed = await _strike(site, observer, blows, recipients)
        seconds = await site.over()
        verdict = await site.settle(observer, unknown_limit=0)
        stall_s, after = longest_stall(site)
        if stall_s > STALL_S:
            verdict.complain(f"nothing arrived for {stall_s:.1f} s")
        verdict.expect_blows(landed, len(blows))
        return Report.of(verdict, seconds, "run", blows=landed, longest_stall_s=round(stall_s, 1), stall_after=after)


async def _strike(site: Ground, observer: Observer, blows: Sequence[Blow], recipients: int) -> int:
    for done, blow in enumerate(blows):
        if not await site.progress(observer, int(recipients * (done + 1) / (len(blows) + 2))):
            return done
        await asyncio.to_thread(blow)
    return len(blows)


def longest_stall(site: Ground) -> tuple[float, int]:
    """The longest time in which nothing arrived, and how many messages had arrived before it."""
    times = sorted(acceptance.at for acceptance in site.witness.accepted)
    gaps = [(after - before, place) for place, (before, after) in enumerate(pairwise(times), start=1)]
    return max(gaps, default=(0.0, 0))


def restart(server: NatsServer, until: Blow = lambda: None) -> None:
    """Kills a server and, after `until`, starts it with its data."""
    server.kill()
    until()
    server.start()
    server.until_healthy()


def wipe(servers: Sequence[NatsServer]) -> None:
    """Kills all servers and starts them with nothing."""
    for server in servers:
        server.kill()
        server.wipe()
    for server in servers:
        server.start()
    for server in servers:
        server.until_healthy()
