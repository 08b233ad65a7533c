"""The send benchmark: personalised 5 KB emails through the real pipeline, database and null sink on the same machine.

    make bench                       200,000 recipients
    make bench RECIPIENTS=1000000    and look at the memory of the workers

Times come from the database's own rows. `smtp-source` sends the same amount to the same sink before and after, so that
its figure and ours come from the same minutes of the same machine. Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from tests.benchmarks.meters import CpuMeter, MemorySampler
from tests.benchmarks.rivals import NullSink, Race, null_sink, race_smtp_source
from tests.benchmarks.throttle import throttled
from tests.benchmarks.workers import Workers
from tests.conftest import TEST_KEY
from tests.support import scene
from tests.support.database import opened

from clarion.adapters.postgres.embedded import EmbeddedServer
from clarion.adapters.postgres.migrations import migrate

RACE_MESSAGES = 50_000
POLL_S = 0.5

_LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'clarion-listen'"
_STATE = "SELECT state FROM run WHERE id = $1"
_FIGURES = """
SELECT count(*) FILTER (WHERE state = 'sent') AS sent, count(*) AS rows,
       extract(epoch FROM max(changed_at) FILTER (WHERE state = 'sent') - min(changed_at) FILTER (WHERE state = 'sent'))
           AS first_to_last_s,
       extract(epoch FROM max(changed_at) - (SELECT started_at FROM run WHERE id = $1)) AS from_start_s,
       extract(epoch FROM min(changed_at) FILTER (WHERE state = 'sent') - (SELECT started_at FROM run WHERE id = $1))
           AS to_first_s
FROM delivery WHERE run_id = $1
"""


@dataclass(frozen=True, slots=True)
class Result:
    """One run's figures, times in seconds, CPU in microseconds a message."""

    sent: int
    first_to_last_s: float
    from_start_s: float
    to_first_s: float
    cpu_us: dict[str, float]
    memory: MemorySampler

    @property
    def rate(self) -> float:
        """Messages a second between the first and the last accepted one."""
        return self.sent / self.first_to_last_s


@dataclass(frozen=True, slots=True)
class Load:
    """What to send, over how much: `share` of a core for each worker, 1 for as much as it can get."""

    recipients: int = 200_000
    workers: int = 2
    connections: int = 10
    share: float = 1.0


async def send(server: EmbeddedServer, sink: NullSink, options: Load, folder: Path) -> Result:
    """Builds the stage, starts the workers and the campaign, and waits for its end."""
    await migrate(server.url)
    async with opened(server.url) as database:
        began = time.monotonic()
        stage = await scene.build(
            database, recipients=options.recipients, port=sink.port, connections=options.connections
        )
        print(f"stage: {options.recipients:,} contacts in {time.monotonic() - began:.1f} s", flush=True)
        env = {
            "CLARION_DATABASE_URL": server.url,
            "CLARION_DATA_DIR": str(folder / "workers"),
            "CLARION_SECRET_KEY": TEST_KEY,
            "CLARION_LOG_LEVEL": "warning",
        }
        with Workers(options.workers, env, folder / "workers.log") as workers:
            assert server.pid is not None
            await until_listening(server.url, options.workers)
            meter = CpuMeter({"worker": workers.pids, "database": [server.pid], "sink": [sink.pid]})
            memory = MemorySampler(lambda: workers.pids)
            with throttled(workers.worker_pids, options.share):
                run_id = await scene.start(database, stage)
                await _until_over(server.url, run_id, memory)
            cpu = meter.read()
        return await _figures(server.url, run_id, cpu, memory)


async def until_listening(url: str, workers: int) -> None:
    """Waits until the workers and the scheduler have come up, so that Python's imports are not measured."""
    connection = await asyncpg.connect(url)
    try:
        while await connection.fetchval(_LISTENERS) < workers + 1:
            await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def _until_over(url: str, run_id: bytes, memory: MemorySampler) -> None:
    connection = await asyncpg.connect(url)
    try:
        while await connection.fetchval(_STATE, run_id) in {"preparing", "sending"}:
            memory.sample()
            await asyncio.sleep(POLL_S)
    finally:
        await connection.close()


async def _figures(url: str, run_id: bytes, cpu: dict[str, float], memory: MemorySampler) -> Result:
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow(_FIGURES, run_id)
    finally:
        await connection.close()
    assert row is not None
    if not row["sent"] or row["sent"] != row["rows"]:
        raise SystemExit(f"only {row['sent']} of {row['rows']} were sent")
    return Result(
        sent=row["sent"],
        first_to_last_s=float(row["first_to_last_s"]),
        from_start_s=float(row["from_start_s"]),
        to_first_s=float(row["to_first_s"]),
        cpu_us={name: seconds / row["sent"] * 1e6 for name, seconds in cpu.items()},
        memory=memory,
    )


def report(result: Result, races: list[Race], sink: NullSink, workers: int) -> dict[str, object]:
    """Prints the table and returns what the JSON line says."""
    low, high = result.memory.spread()
    rival = sum(race.rate for race in races) / len(races) if races else None
    ratio = result.rate / rival if rival else None
    print(f"\nClarion, {workers} workers → {sink.name}")
    print(f"  first to last acceptance  {result.rate:10,.0f} messages/s  ({result.first_to_last_s:.1f} s)")
    print(f"  from the start            {result.sent / result.from_start_s:10,.0f} messages/s")
    print(f"  start to first message    {result.to_first_s * 1000:10,.0f} ms")
    for name, cpu in result.cpu_us.items():
        print(f"  CPU of {name:<18} {cpu:10.1f} µs a message")
    print(f"  memory of a worker        {low:6.1f} to {high:.1f} MB")
    print(*(f"    {line}" for line in result.memory.curve()), sep="\n")
    for race, when in zip(races, ("before", "after"), strict=False):
        cpu = race.cpu_s / RACE_MESSAGES * 1e6
        print(f"smtp-source, {when:<6}         {race.rate:10,.0f} messages/s  (CPU {cpu:.1f} µs a message)")
    if ratio is not None:
        print(f"ratio                       {ratio:10.2f}")
    return {
        "recipients": result.sent,
        "rate": round(result.rate),
        "rate_from_start": round(result.sent / result.from_start_s),
        "first_message_ms": round(result.to_first_s * 1000),
        "cpu_us": {name: round(cpu, 1) for name, cpu in result.cpu_us.items()},
        "memory_mb": [round(low, 1), round(high, 1)],
        "smtp_source_rate": round(rival) if rival else None,
        "ratio": round(ratio, 2) if ratio else None,
        "message_bytes": scene.letter_bytes(),
        "sink": sink.name,
        "workers": workers,
    }


def main() -> int:
    """Reads the command line and runs the benchmark."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--recipients", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--our-sink", action="store_true", help="use our null sink even when smtp-sink is installed")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="clarion-bench-") as name,
        null_sink(ours=options.our_sink) as sink,
        EmbeddedServer(Path(name) / "data") as server,
    ):
        size = scene.letter_bytes()
        before = race_smtp_source(sink.port, RACE_MESSAGES, size)
        load = Load(options.recipients, options.workers, options.connections)
        result = asyncio.run(send(server, sink, load, Path(name)))
        after = race_smtp_source(sink.port, RACE_MESSAGES, size)
    races = [race for race in (before, after) if race is not None]
    print(json.dumps(report(result, races, sink, options.workers)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
