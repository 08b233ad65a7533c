"""The sharing benchmark: what accounts and campaigns that are there, or that are sending, cost each other.

    python -m tests.benchmarks.sharing                   about two minutes
    python -m tests.benchmarks.sharing --big 1000000     beside a larger run

Everything is a ratio of two figures of the same minutes on the same machine. Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from statistics import mean

import psutil
from tests.benchmarks.meters import CpuMeter
from tests.benchmarks.pipeline import until_listening
from tests.benchmarks.rivals import null_sink
from tests.benchmarks.workers import Workers
from tests.conftest import TEST_KEY
from tests.support import scene
from tests.support.database import opened
from tests.support.scene import Scene

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.adapters.postgres.embedded import EmbeddedServer
from clarion.adapters.postgres.migrations import migrate
from clarion.domain.campaign import Lane
from clarion.domain.ids import Id

SMALL = 10_000
"""Recipients of the run that must not wait for a large one."""
SHARED = 40_000
CLAIMS = 400
BATCH = 500

_TOOK = "SELECT extract(epoch FROM finished_at - started_at)::float8 FROM run WHERE id = $1"
_SENT = "SELECT count(*) FROM delivery WHERE run_id = $1 AND state = 'sent'"
_ACCOUNTS = """
INSERT INTO account (id, name)
SELECT substring(sha256(n::text::bytea) FOR 12), 'Idle' FROM generate_series(1, 1000) AS n
"""
# A third of them waits for calls, a third is paused, a third waits for the time of its retries.
_CAMPAIGNS = """
INSERT INTO run (id, account_id, campaign_id, ordinal, state, category, lane, revision_id, sender_id, group_ids,
                 contact_ids, selected_count, snapshot_done, deadline_at, accepts_until)
SELECT substring(sha256(n::text::bytea) FOR 12), account_id, campaign_id, 1000 + n,
       CASE n % 3 WHEN 1 THEN 'paused' ELSE 'sending' END, category, lane, revision_id, sender_id, '{}', '{}', 1, true,
       deadline_at, CASE n % 3 WHEN 0 THEN now() + interval '1 hour' END
FROM run, generate_series(1, 100) AS n WHERE id = $1
"""
_WAITING = """
INSERT INTO batch (run_id, no, lane, first_seq, last_seq, epoch, due_at)
SELECT substring(sha256(n::text::bytea) FOR 12), no, 'bulk', 1, 500, n % 3 - 1,
       CASE n % 3 WHEN 1 THEN now() ELSE now() + interval '1 hour' END
FROM generate_series(1, 100) AS n, generate_series(1, 50) AS no WHERE n % 3 > 0
"""
_FILL = """
INSERT INTO batch (run_id, no, lane, first_seq, last_seq)
SELECT $1, n, 'bulk', 1, 500 FROM generate_series(1, 2000) AS n
"""


class People:
    """Makes accounts that have nobody in common."""

    def __init__(self, database: PostgresDatabase, port: int) -> None:
        self._database, self._port, self._first = database, port, 1

    async def account(self, recipients: int, weight: int = 1) -> Scene:
        """An account with a campaign over so many people."""
        made = await scene.build(self._database, recipients=recipients, port=self._port, first=self._first)
        self._first += recipients
        async with self._database.reading() as tx:
            await tx.connection.execute("UPDATE account SET weight = $2 WHERE id = $1", made.account_id, weight)
        return made


async def seconds(database: PostgresDatabase, made: Scene) -> float:
    """Starts a campaign and gives how long its run took, from the start to its end."""
    run_id = await scene.start(database, made)
    await scene.finished(database, run_id, 300)
    return float(await asked(database, _TOOK, run_id))


async def asked(database: PostgresDatabase, query: str, *values: object) -> float:
    """One number."""
    async with database.reading() as tx:
        return float(await tx.connection.fetchval(query, *values))


async def beside(database: PostgresDatabase, people: People, big: int) -> dict[str, object]:
    """A small run alone and beside another account's large one."""
    small = [await people.account(SMALL) for _ in range(6)]
    large = await people.account(big)
    await seconds(database, small[0])  # warms up
    alone = [await seconds(database, one) for one in small[1:3]]
    run_id = await scene.start(database, large)
    while await asked(database, _SENT, run_id) < 3 * SMALL:
        await asyncio.sleep(0.1)
    before = await asked(database, _SENT, run_id)
    crowded = [await seconds(database, one) for one in small[3:]]
    meanwhile = await asked(database, _SENT, run_id) - before
    was_going_on = not await asked(database, "SELECT count(finished_at) FROM run WHERE id = $1", run_id)
    await scene.finished(database, run_id, 900)
    return {
        "alone_s": [round(one, 2) for one in alone],
        "beside_s": [round(one, 2) for one in crowded],
        "ratio": round(mean(crowded) / mean(alone), 2),
        "large_was_going_on": was_going_on,
        "share_of_the_small": round(len(crowded) * SMALL / (len(crowded) * SMALL + meanwhile), 2),
    }


async def shares(database: PostgresDatabase, people: People, weight: int) -> float:
    """How many messages the heavier of two accounts got for each of the other's while both had something to send."""
    light, heavy = await people.account(SHARED), await people.account(SHARED, weight)
    runs = [await scene.start(database, one) for one in (light, heavy)]
    while (sent := [await asked(database, _SENT, run_id) for run_id in runs])[1] < SHARED * 0.8:
        await asyncio.sleep(0.1)
    for run_id in runs:
        await scene.finished(database, run_id, 300)
    return round(sent[1] / sent[0], 2)


async def claim_cost(database: PostgresDatabase, run_id: Id) -> float:
    """CPU microseconds of the database for a claim in the bulk lane; nothing of it remains."""
    async with database.transaction() as tx:
        server = psutil.Process(await tx.connection.fetchval("SELECT pg_backend_pid()"))
        await tx.connection.execute("DELETE FROM batch WHERE run_id = $1", run_id)
        await tx.connection.execute("DELETE FROM run_share WHERE run_id = $1", run_id)
        await tx.connection.execute(_FILL, run_id)
        for count in (20, CLAIMS):
            began = sum(server.cpu_times()[:2])
            for _ in range(count):
                assert await tx.batches.claim("bench", Lane.BULK, [], timedelta(minutes=1)) is not None
        took = sum(server.cpu_times()[:2]) - began
        await tx.connection.execute("DELETE FROM batch WHERE run_id = $1", run_id)
    return float(took / CLAIMS * 1e6)


async def crowd(database: PostgresDatabase, people: People, message_us: float) -> dict[str, object]:
    """What 1,000 idle accounts and then 100 campaigns add to the cost of a message. No worker runs."""
    made = await people.account(10)
    run_id = await scene.start(database, made)
    async with database.reading() as tx:
        await tx.connection.execute("UPDATE run SET state = 'sending', snapshot_done = true WHERE id = $1", run_id)
    alone = min([await claim_cost(database, run_id) for _ in range(3)])
    async with database.reading() as tx:
        await tx.connection.execute(_ACCOUNTS)
    idle = min([await claim_cost(database, run_id) for _ in range(3)])
    async with database.reading() as tx:
        await tx.connection.execute(_CAMPAIGNS, run_id)
        await tx.connection.execute(_WAITING)
    campaigns = min([await claim_cost(database, run_id) for _ in range(3)])
    return {
        "claim_us": {"alone": round(alone), "idle_accounts": round(idle), "campaigns": round(campaigns)},
        "message_us": round(message_us, 1),
        "idle_accounts_cost": round((idle - alone) / BATCH / message_us, 4),
        "campaigns_cost": round((campaigns - alone) / BATCH / message_us, 4),
    }


async def measure(options: argparse.Namespace, folder: Path, server: EmbeddedServer, port: int) -> dict[str, object]:
    """All figures, one after the other."""
    await migrate(server.url)
    env = {
        "CLARION_DATABASE_URL": server.url, "CLARION_DATA_DIR": str(folder / "workers"), "CLARION_SECRET_KEY": TEST_KEY,
        "CLARION_LOG_LEVEL": "warning",
    }  # fmt: skip
    found: dict[str, object] = {"load": round(os.getloadavg()[0], 2)}
    async with opened(server.url) as database:
        people = People(database, port)
        with Workers(options.workers, env, folder / "workers.log") as workers:
            await until_listening(server.url, options.workers)
            assert server.pid is not None
            meter = CpuMeter({"worker": workers.pids, "database": [server.pid]})
            found["beside"] = await beside(database, people, options.big)
            message_us = sum(meter.read().values()) / (options.big + 6 * SMALL) * 1e6
            print("a run of 10,000 beside a large one:", found["beside"], flush=True)
            found["shares"] = {f"1:{weight}": await shares(database, people, weight) for weight in (1, 3)}
            print("messages of the heavier account for one of the lighter:", found["shares"], flush=True)
        found["crowd"] = await crowd(database, people, message_us)
        print("cost of who is there:", found["crowd"], flush=True)
    return found


def main() -> int:
    """Reads the command line and runs the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sharing")
    parser.add_argument("--big", type=int, default=300_000, help="recipients of the large run")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="clarion-sharing-") as name,
        EmbeddedServer(Path(name) / "data") as server,
        null_sink() as sink,
    ):
        found = asyncio.run(measure(options, Path(name), server, sink.port))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
