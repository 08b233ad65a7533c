"""The intake benchmark: calls with recipients against the real API, workers and database, all on this machine.

    python -m tests.benchmarks.intake                  each figure for ten seconds
    python -m tests.benchmarks.intake --dialect ajo    by Adobe's API instead of the native one
    python -m tests.benchmarks.intake --bulk 1000000   and the latency while a bulk run of so many is under way

Every call has a request id of its own and is on disk before it is answered. Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

import asyncpg
from tests.benchmarks.load import EXTERNAL
from tests.benchmarks.meters import CpuMeter
from tests.benchmarks.pipeline import until_listening as workers_listen
from tests.benchmarks.workers import Workers
from tests.conftest import TEST_KEY
from tests.support import scene
from tests.support.database import opened
from tests.support.ports import free_port, until_listening
from tests.support.scene import Scene

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.adapters.postgres.embedded import EmbeddedServer
from clarion.adapters.postgres.migrations import migrate
from clarion.application.access import create_key
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.campaigns import create_campaign
from clarion.application.lifecycle import start
from clarion.domain.access import Permission
from clarion.domain.campaign import CampaignKind, Category
from clarion.domain.content import EmailContent
from clarion.domain.ids import Id

LETTER = EmailContent(
    subject="Order {{ context.order.id }}",
    html="<html><body><p>Hello {{ contact.firstName }} of {{ context.city }},</p><p>thank you for your order "
    "{{ context.order.id }} of {{ context.order.total }}. It leaves today.</p></body></html>",
)
_SENDER = "SELECT sender_id FROM campaign WHERE id = $1"
_OPEN = "SELECT count(*) FROM delivery WHERE state IN ('pending', 'sending')"
_STATES = "SELECT state, count(*) AS count FROM delivery GROUP BY state"


@dataclass(frozen=True, slots=True)
class Place:
    """What runs, and how to call it."""

    url: str
    port: int
    key: str
    path: str
    campaign: str
    """The campaign to call by Adobe's API; empty when it is called natively."""
    people: int
    pids: dict[str, list[int]]
    folder: Path
    sink_log: Path


@dataclass(frozen=True, slots=True)
class Figures:
    """One load's figures: rates a second, latencies in milliseconds, CPU in microseconds a call."""

    calls: float
    recipients: float
    p50: float
    p99: float
    cpu_us: dict[str, float]
    refused: int


@contextmanager
def running(command: Sequence[str], env: dict[str, str], log: Path) -> Iterator[int]:
    """Runs a process for the block and gives its pid."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, env={**os.environ, **env}, stdout=out, stderr=out)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


async def build(database: PostgresDatabase, people: int, port: int) -> tuple[Scene, Id, str]:
    """An account with people and a bulk campaign, a triggered campaign that is running, and a key."""
    made = await scene.build(database, recipients=people, port=port)
    async with database.transaction() as tx:
        sender_id = await tx.connection.fetchval(_SENDER, made.campaign_id)
        draft = CampaignDraft(
            name="Receipt",
            kind=CampaignKind.TRIGGERED,
            category=Category.TRANSACTIONAL,
            sender_id=sender_id.hex(),
            email=LETTER,
        )
        campaign = await create_campaign(tx, account_id=made.account_id, draft=draft, links=scene.LINKS)
        await start(tx, account_id=made.account_id, campaign_id=campaign.id)
        _, key = await create_key(
            tx, account_id=made.account_id, name="load", permissions=[Permission.CAMPAIGNS_EXECUTE]
        )
    return made, campaign.id, key


def load(
    place: Place,
    name: str,
    *,
    recipients: int,
    connections: int,
    seconds: float,
    rate: float = 0,
    first: int | None = None,
) -> Figures:
    """Calls for some seconds and gives the figures; with `first`, to addresses of nobody known from that number on."""
    output = place.folder / f"{name}.json"
    meter = CpuMeter(place.pids)
    subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.load", "--path", place.path, "--key", place.key, "--name", name,
         "--output", str(output), "--port", str(place.port), "--recipients", str(recipients),
         "--connections", str(connections), "--people", str(place.people), "--seconds", str(seconds),
         "--rate", str(rate), *(("--campaign", place.campaign) if place.campaign else ()),
         *(() if first is None else ("--external", "--first", str(first)))],
        check=True,
    )  # fmt: skip
    cpu = meter.read()
    calls = json.loads(output.read_text())
    took = max(answered for _, answered, _, _ in calls) - min(began for began, _, _, _ in calls)
    cuts = quantiles([(answered - began) * 1000 for began, answered, _, _ in calls], n=100)
    return Figures(
        calls=len(calls) / took,
        recipients=len(calls) * recipients / took,
        p50=cuts[49],
        p99=cuts[98],
        cpu_us={group: seconds / len(calls) * 1e6 for group, seconds in cpu.items()},
        refused=sum(status != 202 for *_, status in calls),
    )


def to_wire(place: Place, name: str) -> tuple[float, float, float]:
    """Milliseconds from an answer to the last byte at the sink, the 50th, 95th and 99th of 100; tied by address."""
    calls = json.loads((place.folder / f"{name}.json").read_text())
    answered = {EXTERNAL.format(first): at for _, at, first, _ in calls}
    waits = []
    for line in place.sink_log.read_bytes().splitlines():
        if b'"called.' in line:
            entry = json.loads(line)
            at = answered.get(entry["to"][0])
            waits += [(entry["at"] - at) * 1000] if at is not None else []
    cuts = quantiles(waits, n=100)
    return cuts[49], cuts[94], cuts[98]


async def until_sent(url: str, patience_s: float = 300) -> None:
    """Waits until every delivery is final."""
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(patience_s):
            while await connection.fetchval(_OPEN):
                await asyncio.sleep(0.2)
        states = {row["state"]: row["count"] for row in await connection.fetch(_STATES)}
        print("   ", states, flush=True)
    finally:
        await connection.close()


def show(name: str, figures: Figures) -> None:
    """Prints one load's line."""
    cpu = "  ".join(f"{group} {us:.0f}" for group, us in figures.cpu_us.items())
    print(
        f"{name:34}{figures.calls:8,.0f} calls/s{figures.recipients:8,.0f} recipients/s"
        f"  p50 {figures.p50:6.1f} ms  p99 {figures.p99:6.1f} ms  CPU µs/call: {cpu}"
        + (f"  REFUSED {figures.refused}" if figures.refused else ""),
        flush=True,
    )


def measure(place: Place, options: argparse.Namespace) -> dict[str, object]:
    """Every load after the other, each when the messages of the one before have left."""
    found: dict[str, object] = {}
    load(place, "warm", recipients=1, connections=8, seconds=2)
    asyncio.run(until_sent(place.url))
    plans = (
        ("unitary", "one recipient a call", 1, 64, 0.0),
        ("twenty", "twenty recipients a call", 20, 16, 0.0),
        ("half", "one a call, at half the aim", 1, 32, 750.0),
        ("half20", "twenty a call, at half the aim", 20, 32, 125.0),
    )
    for name, title, recipients, connections, rate in plans:
        figures = load(place, name, recipients=recipients, connections=connections, seconds=options.seconds, rate=rate)
        show(title, figures)
        asyncio.run(until_sent(place.url))
        found[name] = {"calls": round(figures.calls), "p50": round(figures.p50, 1), "p99": round(figures.p99, 1)}
    return found


def calm(place: Place, options: argparse.Namespace, name: str) -> dict[str, float]:
    """The latency from an answer to the wire of a few calls a second."""
    first = 1_000_000 if name == "bulk" else 2_000_000
    figures = load(place, name, recipients=1, connections=8, seconds=options.seconds, rate=options.calls, first=first)
    time.sleep(1)  # for the last of them to be on the wire
    p50, p95, p99 = to_wire(place, name)
    wire = f"202 to wire p50 {p50:6.1f} ms  p95 {p95:6.1f} ms  p99 {p99:6.1f} ms"
    print(f"{name:34}{wire}  (the call p50 {figures.p50:.1f} ms)", flush=True)
    return {"p50": round(p50, 1), "p95": round(p95, 1), "p99": round(p99, 1)}


async def start_bulk(url: str, made: Scene) -> None:
    """Starts the bulk campaign and returns when it is being sent."""
    async with opened(url) as database:
        await scene.start(database, made)
        async with database.reading() as tx:
            while await tx.connection.fetchval("SELECT count(*) FROM batch WHERE worker IS NOT NULL") < 4:
                await asyncio.sleep(0.1)
    await asyncio.sleep(3)


def main() -> int:
    """Reads the command line and runs the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.intake")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--bulk", type=int, default=0, help="recipients of a bulk run to measure the latency under")
    parser.add_argument("--calls", type=float, default=20, help="calls a second while the latency is measured")
    parser.add_argument("--dialect", choices=("native", "ajo"), default="native", help="whose API is called")
    parser.add_argument("--only-latency", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clarion-intake-") as name, EmbeddedServer(Path(name) / "data") as server:
        folder = Path(name)
        sink_port, port = free_port(), free_port()
        sink_log = folder / "sink.log"
        sink_log.touch()
        asyncio.run(migrate(server.url))
        env = {
            "CLARION_DATABASE_URL": server.url, "CLARION_DATA_DIR": str(folder / "app"),
            "CLARION_SECRET_KEY": TEST_KEY, "CLARION_PORT": str(port), "CLARION_REQUESTS_PER_SECOND": "100000",
            "CLARION_LOG_LEVEL": "info",
        }  # fmt: skip
        sink = [sys.executable, "-m", "tests.support.sink", "--null", "--port", str(sink_port), "--log", str(sink_log)]
        api = [sys.executable, "-m", "clarion.entrypoints.cli", "api"]
        with (
            running(sink, {}, folder / "sink.out") as sink_pid,
            running(api, env, folder / "api.log") as api_pid,
            Workers(options.workers, env, folder / "workers.log") as workers,
        ):
            until_listening(sink_port)

            async def prepare() -> tuple[Scene, Id, str]:
                async with opened(server.url) as database:
                    return await build(database, max(options.bulk, 100_000), sink_port)

            made, campaign_id, key = asyncio.run(prepare())
            until_listening(port)
            asyncio.run(workers_listen(server.url, options.workers))
            assert server.pid is not None
            place = Place(
                url=server.url, port=port, key=key, folder=folder, sink_log=sink_log, people=100_000,
                path="/ajo/im/executions/unitary"
                if options.dialect == "ajo"
                else f"/v1/accounts/{made.account_id.hex()}/campaigns/{campaign_id.hex()}/trigger",
                campaign=campaign_id.hex() if options.dialect == "ajo" else "",
                pids={"api": [api_pid], "worker": workers.pids, "database": [server.pid], "sink": [sink_pid]},
            )  # fmt: skip
            found = {} if options.only_latency else measure(place, options)
            found["quiet"] = calm(place, options, "quiet")
            if options.bulk:
                asyncio.run(start_bulk(server.url, made))
                found["bulk"] = calm(place, options, "bulk")
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
