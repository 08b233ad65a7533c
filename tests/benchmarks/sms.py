"""The SMS benchmark: personalised texts through the real pipeline over SMPP, each receipt applied, on one machine.

    python -m tests.benchmarks.sms                      100,000 recipients, one bind, a window of 100
    python -m tests.benchmarks.sms --kills 20           the bind is cut twenty times meanwhile

The centre is the SMPP server of the npm package `smpp`; it keeps its own books, and at the end they are compared with
the rows, recipient by recipient. Prints a table and one JSON line; fails when anybody is lost or was written to twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg
from tests.benchmarks import one_channel
from tests.benchmarks.meters import CpuMeter
from tests.benchmarks.one_channel import POLL_S, print_costs, states_of, until_over
from tests.benchmarks.pipeline import until_listening
from tests.benchmarks.workers import Workers
from tests.conftest import TEST_KEY
from tests.support import scene
from tests.support.database import opened
from tests.support.smpp_server.centre import SYSTEM_ID, Centre

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.adapters.postgres.embedded import EmbeddedServer
from clarion.adapters.postgres.migrations import migrate
from clarion.application.campaign_draft import CampaignDraft
from clarion.domain.campaign import Category
from clarion.domain.content import SmsContent
from clarion.domain.ids import new_id
from clarion.domain.providers.provider import Security
from clarion.domain.providers.smpp import SmppBind
from clarion.domain.sender import Sender

TEXT: Final = SmsContent(text="Hello {{ contact.firstName }}, number {{ contact.externalId }} is yours. STOP to end")
_QUIET_S: Final = 10.0
"""The receipts are waited for as long as some come within this."""

_CONTACTS = """
INSERT INTO contact (id, account_id, external_id, phone, first_name)
SELECT decode(lpad(to_hex(n), 24, '0'), 'hex'), $1, 'load-' || n, '+491512' || lpad(n::text, 7, '0'),
       (ARRAY['Alna', 'Brick', 'Corra', 'Daniel', 'Elbel', 'Finna', 'Grétya'])[1 + n % 7]
FROM generate_series(1, $2::int) AS n
"""
_ROWS = "SELECT address, state FROM delivery WHERE run_id = $1"
_WAITING = "SELECT count(*) FROM receipt"


@dataclass(frozen=True, slots=True)
class Books:
    """What the rows say, beside what the centre says."""

    states: dict[str, int]
    lost: int
    twice: int
    uncertain: int
    uncertain_taken: int
    receipts: int
    receipts_unmatched: int


@dataclass(frozen=True, slots=True)
class Result:
    """One run: times in seconds, CPU in microseconds a message."""

    recipients: int
    kills: int
    submitted_s: float
    delivered_s: float
    cpu_us: dict[str, float]
    books: Books


async def build(database: PostgresDatabase, recipients: int, port: int, window: int) -> scene.Scene:
    """Makes everything up to a campaign whose sender is bound to the centre."""
    now = datetime.now(UTC)
    provider = SmppBind(
        host="127.0.0.1", port=port, security=Security.NONE, system_id=SYSTEM_ID, max_connections=1, window=window
    )
    sender = Sender(
        id=new_id(), name="Centre", provider=provider, from_address="Clarion", rate_per_second=None,
        created_at=now, updated_at=now,
    )  # fmt: skip
    draft = CampaignDraft(name="Load", category=Category.MARKETING, sms_sender_id=sender.id.hex(), sms=TEXT)
    return await one_channel.build(database, recipients, [_CONTACTS], sender=sender, draft=draft)


async def send(server: EmbeddedServer, centre: Centre, options: argparse.Namespace, folder: Path) -> Result:
    """Starts one worker and the campaign, cuts the bind as often as told, and waits for the last receipt."""
    await migrate(server.url)
    async with opened(server.url) as database:
        stage = await build(database, options.recipients, centre.port, options.window)
        env = {
            "CLARION_DATABASE_URL": server.url,
            "CLARION_DATA_DIR": str(folder / "worker"),
            "CLARION_SECRET_KEY": TEST_KEY,
            "CLARION_LOG_LEVEL": "warning",
        }
        with Workers(1, env, folder / "worker.log") as workers:
            assert server.pid is not None
            await until_listening(server.url, 1)
            worker, scheduler = workers.pids
            meter = CpuMeter(
                {"worker": [worker], "scheduler": [scheduler], "database": [server.pid], "centre": [centre.pid]}
            )
            began = time.monotonic()
            run_id = await scene.start(database, stage)
            killing = asyncio.create_task(_cut(centre, options.recipients, options.kills))
            connection = await asyncpg.connect(server.url)
            try:
                await until_over(connection, run_id)
                await killing
                delivered_s = await _until_applied(connection, run_id) - began
                cpu = meter.read()
                books = await _compare(connection, run_id, centre, options.recipients)
            finally:
                await connection.close()
    counts = await centre.counts()
    return Result(
        recipients=options.recipients,
        kills=options.kills,
        submitted_s=(counts["lastAt"] - counts["firstAt"]) / 1000,
        delivered_s=delivered_s,
        cpu_us={name: seconds / options.recipients * 1e6 for name, seconds in cpu.items()},
        books=books,
    )


async def _cut(centre: Centre, recipients: int, kills: int) -> None:
    """Cuts the bind, evenly over the run."""
    for number in range(1, kills + 1):
        while (await centre.counts())["taken"] < number * recipients // (kills + 2):
            await asyncio.sleep(0.02)
        await centre.drop()


async def _until_applied(connection: asyncpg.Connection[asyncpg.Record], run_id: bytes) -> float:
    """Waits until every message that was sent is delivered, or no receipt comes any more; says when that was so."""
    last, moved_at = -1, time.monotonic()
    while time.monotonic() - moved_at < _QUIET_S:
        states = await states_of(connection, run_id)
        delivered = states.get("delivered", 0)
        if delivered != last:
            last, moved_at = delivered, time.monotonic()
        if not states.get("sent"):
            break
        await asyncio.sleep(POLL_S)
    return moved_at


async def _compare(
    connection: asyncpg.Connection[asyncpg.Record], run_id: bytes, centre: Centre, recipients: int
) -> Books:
    states = await states_of(connection, run_id)
    rows = {row["address"]: row["state"] for row in await connection.fetch(_ROWS, run_id)}
    taken = Counter({f"+{destination}": times for destination, times in await centre.ask("destinations")})
    uncertain = {address for address, state in rows.items() if state == "unknown"}
    told = {address for address, state in rows.items() if state in {"sent", "delivered"}}
    missing = recipients - len(rows) + sum(state not in {"sent", "delivered", "unknown"} for state in rows.values())
    return Books(
        states=states,
        lost=missing + len(told - taken.keys()) + len(taken.keys() - told - uncertain),
        twice=sum(times > 1 for times in taken.values()),
        uncertain=len(uncertain),
        uncertain_taken=len(uncertain & taken.keys()),
        receipts=(await centre.counts())["acknowledged"],
        receipts_unmatched=int(await connection.fetchval(_WAITING) or 0),
    )


def report(result: Result) -> dict[str, object]:
    """Prints the table and returns what the JSON line says."""
    books = result.books
    rate = result.recipients / result.submitted_s
    print(f"\nClarion, one worker, one bind, to the SMPP server of npm's smpp; {result.kills} kills")
    print(f"  first to last submit_sm   {rate:10,.0f} messages/s  ({result.submitted_s:.1f} s)")
    print(f"  start to last receipt     {result.recipients / result.delivered_s:10,.0f} messages/s")
    print_costs(result.cpu_us, books.states)
    print(f"  lost {books.lost}, twice {books.twice}")
    print(f"  uncertain {books.uncertain}, of which the centre has {books.uncertain_taken}")
    print(f"  receipts acknowledged {books.receipts:,}, of messages nobody knows {books.receipts_unmatched}")
    return {
        "recipients": result.recipients,
        "kills": result.kills,
        "rate": round(rate),
        "rate_to_last_receipt": round(result.recipients / result.delivered_s),
        "cpu_us": {name: round(cpu, 1) for name, cpu in result.cpu_us.items()},
        "states": books.states,
        "lost": books.lost,
        "twice": books.twice,
        "uncertain": books.uncertain,
        "receipts": books.receipts,
    }


async def _measure(options: argparse.Namespace) -> Result:
    with tempfile.TemporaryDirectory(prefix="clarion-bench-") as name:
        # A sender without secrets logs in with an empty password.
        async with Centre(receipts=options.receipts, password="") as centre:
            await centre.ask("keep", value=False)
            with EmbeddedServer(Path(name) / "data") as server:
                return await send(server, centre, options, Path(name))


def main() -> int:
    """Reads the command line and runs the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sms")
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--window", type=int, default=100)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--no-receipts", dest="receipts", action="store_const", const=None, default="DELIVRD")
    result = asyncio.run(_measure(parser.parse_args()))
    print(json.dumps(report(result)))
    books = result.books
    settled = books.states.get("delivered", 0) + books.uncertain == result.recipients
    return int(bool(books.lost or books.twice) or not settled)


if __name__ == "__main__":
    sys.exit(main())
