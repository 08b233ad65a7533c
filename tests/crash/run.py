"""Kills workers at random moments during one run and accounts for every recipient.

    make crash                    10 kills during 4,000 recipients
    make crash TIER=full          50 kills during 20,000 recipients
    make crash ARGS=--gently      the same with SIGTERM: then nothing at all may stay uncertain

Prints the seed first and one JSON line last; exits 1 when a promise of docs/delivery.md was broken. The same seed kills
at the same points of progress; what the machine does in between stays its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import TEST_KEY
from tests.crash.observer import Observer
from tests.crash.workers import Workers
from tests.support import scene
from tests.support.database import Databases, opened, running_server
from tests.support.sink import Sink

WORKERS = 3
CONNECTIONS = 3
LEASE_S = 2
# The scripted sink records a message, then takes 6 ms to say so: the gap in which a dying worker cannot know.
SLOW = "slow0.006+"
# What one worker may have on the wire to one sender: a window of at most 200 in each of 3 batches.
ON_THE_WIRE = 3 * 200
STALL_S = 90.0


@dataclass(frozen=True, slots=True)
class Tier:
    """How hard to shake."""

    recipients: int
    kills: int


TIERS = {"short": Tier(4_000, 10), "full": Tier(20_000, 50)}


async def shake(tier: Tier, seed: int, how: signal.Signals, folder: Path, server_url: str) -> dict[str, object]:
    """Runs one campaign under fire and returns the report."""
    databases = Databases(server_url)
    url = await databases.create_migrated()
    chance = random.Random(seed)
    async with Sink(keep_data=False) as sink, opened(url) as database:
        stage = await scene.build(
            database, recipients=tier.recipients, port=sink.port, connections=CONNECTIONS, local_part=SLOW
        )
        env = {
            "CLARION_DATABASE_URL": url,
            "CLARION_DATA_DIR": str(folder / "data"),
            "CLARION_SECRET_KEY": TEST_KEY,
            "CLARION_LEASE_SECONDS": str(LEASE_S),
            "CLARION_LOG_LEVEL": "warning",
        }
        with Workers(WORKERS, env, folder / "workers.log", chance) as workers:
            run_id = await scene.start(database, stage)
            began = time.monotonic()
            observer = Observer(url, run_id)
            watching = asyncio.create_task(observer.watch())
            await _end_on_the_way(_moments(tier, chance), how, observer, workers, watching)
            await _until_over(watching, sink)
            seconds = time.monotonic() - began
        limit = workers.ended * ON_THE_WIRE if how is signal.SIGKILL else 0
        verdict = await observer.settle(Counter(sink.recipients()), unknown_limit=limit)
    if workers.unexpected_exits:
        verdict.complain(f"workers ended by themselves: {workers.unexpected_exits}")
    if workers.ended < tier.kills:
        verdict.complain(f"only {workers.ended} of {tier.kills} kills found something to hit")
    await databases.drop(url)
    await databases.drop_template()
    facts = {
        "seed": seed,
        "recipients": tier.recipients,
        "signal": how.name,
        "kills": workers.ended,
        "seconds": round(seconds, 1),
    }
    return {**facts, "unknown_limit": limit, **verdict.as_dict(), "held": not verdict.problems}


def _moments(tier: Tier, chance: random.Random) -> list[tuple[int, float]]:
    """When to strike: after so many final deliveries, and a moment later."""
    counts = sorted(chance.randrange(int(tier.recipients * 0.9)) for _ in range(tier.kills))
    return [(count, chance.uniform(0.0, 0.2)) for count in counts]


async def _end_on_the_way(
    moments: list[tuple[int, float]],
    how: signal.Signals,
    observer: Observer,
    workers: Workers,
    watching: asyncio.Task[None],
) -> None:
    """Ends a worker at each moment, until the run is over."""
    for count, later_s in moments:
        reached = asyncio.create_task(observer.reached(count))
        await asyncio.wait({reached, watching}, timeout=STALL_S, return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        if watching.done():
            return
        await asyncio.sleep(later_s)  # the randomness under test
        await workers.end_one(how)


async def _until_over(watching: asyncio.Task[None], sink: Sink) -> None:
    """Lets the run end by itself; gives up when nothing was accepted for a long time."""
    while True:
        before = len(sink.accepted)
        done, _ = await asyncio.wait({watching}, timeout=STALL_S)
        if done:
            return watching.result()
        if len(sink.accepted) == before:
            watching.cancel()
            return None


def main() -> int:
    """Reads the command line and runs one tier."""
    parser = argparse.ArgumentParser(prog="make crash")
    parser.add_argument("--tier", choices=sorted(TIERS), default="short")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--gently", action="store_true", help="SIGTERM instead of SIGKILL")
    options = parser.parse_args()
    how = signal.SIGTERM if options.gently else signal.SIGKILL
    print(f'crash: tier {options.tier}, seed {options.seed} (repeat with ARGS="--seed {options.seed}")', flush=True)
    with tempfile.TemporaryDirectory(prefix="clarion-crash-") as name, running_server() as server_url:
        report = asyncio.run(shake(TIERS[options.tier], options.seed, how, Path(name), server_url))
        log = (Path(name) / "workers.log").read_text("utf-8", "replace")
    if not report["held"]:
        print("the workers' last words:", log[-4000:], sep="\n", file=sys.stderr)
    print(json.dumps(report))
    return 0 if report["held"] else 1


if __name__ == "__main__":
    sys.exit(main())
