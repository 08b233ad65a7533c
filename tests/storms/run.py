"""Gate G14: a state machine against the real program, and a model that says what must be true.

    python -m tests.storms.run                      as in the suite, with a seed of its own
    python -m tests.storms.run --tier gate          200 examples of 30 steps
    python -m tests.storms.run --tier nightly       5,000 examples of 50 steps
    python -m tests.storms.run --seed 20            again what seed 20 did

Prints the seed first; a failure prints the steps that lead to it, the fewest that do, and the same seed finds it again.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import time
from dataclasses import dataclass

import hypothesis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.storms.machine import Storm
from tests.storms.stand import workshop
from tests.support.database import Databases, opened, running_server

from clarion.adapters.postgres.database import PostgresDatabase


@dataclass(frozen=True, slots=True)
class Tier:
    """How long to go on."""

    examples: int
    steps: int


TIERS = {"commit": Tier(14, 30), "gate": Tier(200, 30), "nightly": Tier(5_000, 50), "release": Tier(50_000, 100)}


async def weather(database: PostgresDatabase, tier: Tier, seed: int) -> None:
    """Runs the examples of a tier. Raises what the first broken promise raises, with the steps that lead to it."""
    async with workshop(database) as make:

        class Here(Storm):
            pass

        Here.make, Here.loop = staticmethod(make), asyncio.get_running_loop()
        how = settings(
            max_examples=tier.examples,
            stateful_step_count=tier.steps,
            deadline=None,
            database=None,
            print_blob=True,
            derandomize=False,
            suppress_health_check=list(HealthCheck),
        )
        await asyncio.to_thread(run_state_machine_as_test, hypothesis.seed(seed)(Here), settings=how)


async def _run(tier: Tier, seed: int, server_url: str) -> None:
    databases = Databases(server_url)
    url = await databases.create_migrated()
    async with opened(url) as database:
        await weather(database, tier, seed)


def main() -> int:
    """Reads the command line and runs one tier."""
    parser = argparse.ArgumentParser(prog="python -m tests.storms.run")
    parser.add_argument("--tier", choices=sorted(TIERS), default="commit")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    options = parser.parse_args()
    tier = TIERS[options.tier]
    print(f"storm: {tier.examples} examples of {tier.steps} steps, seed {options.seed}", flush=True)
    began = time.monotonic()
    with running_server() as server_url:
        asyncio.run(_run(tier, options.seed, server_url))
    print(f"storm: nothing broke in {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
