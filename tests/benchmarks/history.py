"""The history benchmark: what a campaign costs beside ten million deliveries of before, against an empty database.

    python -m tests.benchmarks.history                     10,000,000 deliveries over 14 months and 20 accounts
    python -m tests.benchmarks.history --rows 1000000      a shorter one

Both databases are on one server and are asked in turns, so that whatever else the machine does meets both. Prints the
medians in milliseconds, their ratios and one JSON line; ends with 1 when a ratio is above 1.2. Nothing is vacuumed or
analysed meanwhile: that holds old versions of rows for as long as it lasts, and then rows move instead of staying.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final

import asyncpg
from tests.support import scene
from tests.support.database import Databases, opened
from tests.support.history import MONTH, add_run
from tests.support.scene import Scene

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.adapters.postgres.embedded import EmbeddedServer
from clarion.application import campaigns, lifecycle, runs
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.ports.batches import Attempted, Turn
from clarion.domain.campaign import Category, Lane
from clarion.domain.content import EmailContent
from clarion.domain.delivery import DeliveryId
from clarion.domain.ids import Id, new_id
from clarion.domain.outcome import Outcome

LIMIT: Final = 1.2
MONTHS: Final = 14
ACCOUNTS: Final = 20
RECIPIENTS: Final = 10_000
WINDOW: Final = 100
LEASE: Final = timedelta(minutes=5)

_SOURCE = "SELECT sender_id, group_ids[1] AS group_id, revision_id FROM campaign WHERE id = $1"
_OTHER_ACCOUNT = "INSERT INTO account (id, name) VALUES ($1, 'History')"
_VACUUMING = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
_OTHER_CAMPAIGN = """
INSERT INTO campaign (id, account_id, name, category, state, sender_id, revision_id)
SELECT $1::bytea, $2::bytea, 'History', category, 'completed', sender_id, revision_id FROM campaign WHERE id = $3
"""


@dataclass(slots=True)
class Bench:
    """One database with a campaign's ingredients, and what each step took there."""

    database: PostgresDatabase
    made: Scene
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Notes how long the block took."""
        began = time.perf_counter()
        yield
        self.took[step].append(time.perf_counter() - began)

    async def round(self) -> None:
        """One campaign from its start to its report."""
        campaign_id = await self._campaign()
        with self.timed("start"):
            async with self.database.transaction() as tx:
                await lifecycle.start(tx, account_id=self.made.account_id, campaign_id=campaign_id)
        with self.timed("freeze"):
            await self._freeze()
        async with self.database.reading() as tx:
            for _ in range(RECIPIENTS // 500):
                with self.timed("claim"):
                    batch = await tx.batches.claim("bench", Lane.BULK, [], LEASE)
                    assert batch is not None
                    recipients = await tx.batches.recipients(batch, frozenset())
                last: list[Attempted] = []
                for begin in range(0, len(recipients), WINDOW):
                    window = recipients[begin : begin + WINDOW]
                    with self.timed("turn"):
                        await tx.batches.turn(batch, Turn(attempted=last, intent=[(r.seq, r.address) for r in window]))
                    last = [Attempted(r.seq, Outcome.sent("250 2.0.0 fine")) for r in window]
                await tx.batches.turn(batch, Turn(attempted=last))
                with self.timed("settle"):
                    await tx.batches.settle(batch)
        await self._report(campaign_id)

    async def _campaign(self) -> Id:
        async with self.database.transaction() as tx:
            found = await tx.connection.fetchrow(_SOURCE, self.made.campaign_id)
            assert found is not None
            draft = CampaignDraft(
                name="Round",
                category=Category.MARKETING,
                groups=[found["group_id"].hex()],
                sender_id=found["sender_id"].hex(),
                email=EmailContent(subject="Hello", html="<p>Hello</p>"),
            )
            made = await campaigns.create_campaign(tx, account_id=self.made.account_id, draft=draft, links=scene.LINKS)
        return made.id

    async def _freeze(self) -> None:
        done = False
        while not done:
            async with self.database.transaction() as tx:
                taken = await tx.runs.take_slice(RECIPIENTS, RECIPIENTS)
            done = taken is None

    async def _report(self, campaign_id: Id) -> None:
        account_id = self.made.account_id
        async with self.database.reading() as tx:
            found = await runs.list_runs(tx, account_id=account_id, campaign_id=campaign_id, after=None, limit=1)
            with self.timed("complete"):
                assert await tx.runs.complete(found[0].id)
            with self.timed("report"):
                report = await runs.report_run(tx, account_id=account_id, run_id=found[0].id)
            assert report.frozen == RECIPIENTS
            with self.timed("sent counts"):
                await runs.count_sent(tx, account_id=account_id, campaign_ids=[campaign_id])
            with self.timed("list of runs"):
                await runs.list_runs(tx, account_id=account_id, after=None, limit=50)
            with self.timed("page of deliveries"):
                after = DeliveryId(found[0].id, 5000)
                await runs.list_deliveries(tx, account_id=account_id, run_id=found[0].id, after=after, limit=100)


async def fill(bench: Bench, url: str, rows: int) -> float:
    """Writes the history of many accounts and months; returns the seconds it took."""
    connection = await asyncpg.connect(url)
    began = time.monotonic()
    first = datetime.now(UTC) - timedelta(days=30 * (MONTHS - 1))
    moments = [first + timedelta(days=30 * n) for n in range(MONTHS)]
    await connection.execute("DROP TABLE delivery_before, delivery_attempt_before")
    for month in sorted({moment.date().replace(day=1) for moment in moments} - {moments[-1].date().replace(day=1)}):
        await connection.execute(MONTH, month)
    for _ in range(ACCOUNTS):
        account_id, campaign_id = new_id(), new_id()
        await connection.execute(_OTHER_ACCOUNT, account_id)
        await connection.execute(_OTHER_CAMPAIGN, campaign_id, account_id, bench.made.campaign_id)
        for moment in moments:
            await add_run(connection, campaign_id, moment, rows // (ACCOUNTS * MONTHS))
    await connection.execute("ALTER SYSTEM SET autovacuum = off")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.execute("VACUUM (ANALYZE)")
    await connection.execute("CHECKPOINT")
    while await connection.fetchval(_VACUUMING):
        await asyncio.sleep(0.5)
    await connection.close()
    return time.monotonic() - began


async def measure(url: str, rows: int, rounds: int) -> int:
    """Fills one database, leaves the other empty, and compares them."""
    databases = Databases(url)
    urls = [await databases.create_migrated() for _ in range(2)]
    async with opened(urls[0]) as one, opened(urls[1]) as other:
        made = [await scene.build(database, recipients=RECIPIENTS, port=9) for database in (one, other)]
        empty, full = Bench(one, made[0]), Bench(other, made[1])
        seconds = await fill(full, urls[1], rows)
        async with other.reading() as tx:
            stored = await tx.connection.fetchval("SELECT count(*) FROM delivery", timeout=600)
            size = await tx.connection.fetchval("SELECT pg_database_size(current_database())")
        print(f"{stored:,} deliveries, {size / 1e9:.1f} GB, written in {seconds:.0f} s")
        for n in range(rounds + 1):
            for bench in (empty, full) if n % 2 else (full, empty):
                await bench.round()
            if n == 0:  # the first round finds no plan and no page
                empty.took.clear()
                full.took.clear()
    return tell(empty, full, stored)


def tell(empty: Bench, full: Bench, stored: int) -> int:
    """Prints the table; 1 when something is slower beside the history than it may be."""
    found: dict[str, dict[str, float]] = {}
    print(f"{'step':<20}{'empty ms':>10}{'full ms':>10}{'ratio':>8}")
    for step in empty.took:
        a, b = (median(bench.took[step]) * 1000 for bench in (empty, full))
        found[step] = {"empty_ms": round(a, 3), "full_ms": round(b, 3), "ratio": round(b / a, 3)}
        print(f"{step:<20}{a:>10.2f}{b:>10.2f}{b / a:>8.2f}")
    print(json.dumps({"deliveries": stored, "limit": LIMIT, "steps": found}))
    return int(any(step["ratio"] > LIMIT for step in found.values()))


def main() -> int:
    """Runs the benchmark on a server of its own, which it removes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="clarion-history-"))
    try:
        with EmbeddedServer(place / "data", durable=False) as server:
            return asyncio.run(measure(server.url, asked.rows, asked.rounds))
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
