"""Three NATS servers that are one: the stream's leader is killed twice, then all three lose their data, during one run.

    python -m tests.crash.cluster                        100,000 recipients
    python -m tests.crash.cluster --recipients 5000      the short form

Two workers and a scheduler run as processes. Prints the seed first and one JSON line last, with the longest stall;
exits 1 when somebody was lost or written to twice, or nothing arrived for a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
import sys
from collections.abc import Sequence

from tests.crash.gates.nats import restart, shake, wipe
from tests.crash.report import Report
from tests.support.database import Databases, running_server
from tests.support.nats import NatsServer, leader_of, nats_cluster

PREFIX = "clarion"


def kill_leader(servers: Sequence[NatsServer]) -> None:
    """Kills whoever leads the stream; it comes back once the others go on without it."""
    leader = leader_of(servers, PREFIX)
    restart(leader, until=lambda: leader_of([one for one in servers if one is not leader], PREFIX))


async def _shake(recipients: int, seed: int, server_url: str) -> Report:
    databases = Databases(server_url)
    try:
        with nats_cluster() as servers:
            blows = [lambda: kill_leader(servers), lambda: kill_leader(servers), lambda: wipe(servers)]
            return await shake(random.Random(seed), databases, servers, blows, recipients, apart_s=10.0)
    finally:
        await databases.drop_template()


def main() -> int:
    """Reads the command line and runs it once."""
    parser = argparse.ArgumentParser(prog="make cluster")
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    options = parser.parse_args()
    print(f"cluster: {options.recipients} recipients, seed {options.seed}", flush=True)
    with running_server() as server_url:
        report = asyncio.run(_shake(options.recipients, options.seed, server_url))
    held = not report.problems
    line = {"recipients": options.recipients, "seed": options.seed, "held": held, **report.figures}
    print(json.dumps({**line, "problems": report.problems}), flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
