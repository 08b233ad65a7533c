"""The gates of docs/reliability.md, each as a scenario on real processes.

    make crash                                                every gate, the short tier
    make crash TIER=nightly                                   the same, larger; TIER=release is the largest
    python -m tests.crash.run --gate G1 --tier N --seed 7     one gate, again

Prints the seed first and one JSON line a gate; exits 1 when a promise was broken. The same seed hurts the same
processes at the same points of progress; what the machine does in between stays its own.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import random
import secrets
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

# Processes of a gate import this module on their way; what a gate needs is loaded by `_one` alone.
GATES = {
    "G1": "kills",
    "G2": "failpoints",
    "G3": "api",
    "G4": "database",
    "G6": "nats",
    "G7": "repetition",
    "G8": "provider",
    "G11": "deploys",
    "G12": "zombies",
}
TIERS = {"P": "P", "N": "N", "R": "R", "short": "P", "nightly": "N", "release": "R"}


def _one(gate: str, tier: str, seed: int) -> bool:
    """Runs one gate in this process and prints its line."""
    from tests.crash.supervisor import load_program  # noqa: PLC0415 - see above
    from tests.support.database import Databases, running_server  # noqa: PLC0415 - see above

    module = importlib.import_module(f"tests.crash.gates.{GATES[gate]}")

    async def run(server_url: str) -> dict[str, object]:
        began = time.monotonic()
        databases = Databases(server_url)
        try:
            report = await module.run(random.Random(seed), tier, databases)
        finally:
            await databases.drop_template()
        facts = {"gate": gate, "tier": tier, "seed": seed, "held": not report.problems}
        return {**facts, "seconds": round(time.monotonic() - began, 1), **report.figures, "problems": report.problems}

    load_program()
    with running_server() as server_url:
        line = asyncio.run(run(server_url))
    print(json.dumps(line), flush=True)
    return bool(line["held"])


def _all(tier: str, seed: int, jobs: int) -> bool:
    """Runs every gate in a process of its own, `jobs` at a time: much of a gate is waiting for leases to end."""

    def start(gate: str) -> bool:
        command = (sys.executable, "-m", "tests.crash.run", "--gate", gate, "--tier", tier, "--seed", str(seed))
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        print(done.stdout.partition("\n")[2].strip() or f"{gate} ended with {done.returncode}", flush=True)
        if done.returncode:
            print(done.stderr[-4000:], file=sys.stderr, flush=True)
        return done.returncode == 0

    with ThreadPoolExecutor(jobs) as pool:
        return all(list(pool.map(start, GATES)))


def main() -> int:
    """Reads the command line and runs one gate or all."""
    parser = argparse.ArgumentParser(prog="make crash")
    parser.add_argument("--gate", choices=[*GATES, "all"], default="all")
    parser.add_argument("--tier", choices=sorted(TIERS), default="P")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--jobs", type=int, default=3, help="gates that run beside each other")
    options = parser.parse_args()
    tier = TIERS[options.tier]
    print(f"crash: {options.gate}, tier {tier}, seed {options.seed} (repeat with --seed {options.seed})", flush=True)
    if options.gate == "all":
        return 0 if _all(tier, options.seed, options.jobs) else 1
    return 0 if _one(options.gate, tier, options.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
