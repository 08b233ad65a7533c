"""Whatever a campaign of today does, no partition of the past is looked into."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
from tests.support import stage
from tests.support.database import opened
from tests.support.history import finished_run, with_month
from tests.support.sink import Sink
from tests.support.stage import Stage
from tests.support.workers import working

from clarion.application import runs
from clarion.application.ports.broadcasts import MessagesAsked
from clarion.domain.ids import Id
from clarion.pipeline import recovering

MONTHS = [datetime(2020, month, 2, tzinfo=UTC) for month in (3, 4, 5)]
PEOPLE = ["grey@x.example", "4xx-rcpt@x.example", *stage.MANY[:100]]

_LOOKED_INTO = """
SELECT relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) AS times FROM pg_stat_user_tables
WHERE relname ~ '^delivery_(attempt_)?[0-9]'
"""
_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


async def forget_what_was_read(url: str) -> None:
    """Begins to count anew, once every connection has told what it did."""
    connection = await asyncpg.connect(url)
    try:
        await stage.until(lambda: alone(connection))
        await connection.execute("SELECT pg_stat_reset()")
    finally:
        await connection.close()


async def looked_into(url: str) -> set[str]:
    """The partitions that any statement read, once every connection has told what it did."""
    connection = await asyncpg.connect(url)
    try:
        await stage.until(lambda: alone(connection))
        return {row["relname"] for row in await connection.fetch(_LOOKED_INTO) if row["times"]}
    finally:
        await connection.close()


async def alone(connection: asyncpg.Connection[asyncpg.Record]) -> bool:
    return not await connection.fetchval(_OTHERS)


def run_time(run_id: Id) -> datetime:
    """When an id was made."""
    return datetime.fromtimestamp(int.from_bytes(run_id[:6], "big") / 1000, UTC)


async def read_everything(made: Stage, run_id: Id) -> None:
    """What reports and lists ask for."""
    async with made.database.reading() as tx:
        await runs.report_run(tx, account_id=made.account_id, run_id=run_id)
        await runs.count_sent(tx, account_id=made.account_id, campaign_ids=[made.campaign_id])
        found = await runs.list_deliveries(tx, account_id=made.account_id, run_id=run_id, limit=10)
        await runs.get_delivery(tx, account_id=made.account_id, delivery_id=found[0].id)
        await tx.suppressions.delivery_address(made.account_id, run_id, 1)
        await tx.broadcasts.messages(made.account_id, None, 10, MessagesAsked(said_in=("textit",)))


async def test_no_statement_of_a_campaign_reads_a_month_of_before(database_url: str) -> None:
    async with opened(database_url) as database:
        history = await stage.build(database, [])
        for began in MONTHS:
            await with_month(database, began)
            await finished_run(history, began)
        await history.execute("ANALYZE")
    await forget_what_was_read(database_url)
    async with Sink() as sink, opened(database_url) as database:
        made = await stage.build(database, PEOPLE, port=sink.port)
        run_id = await made.start()
        async with working(database, database_url):
            await stage.until(lambda: stage.settled(database, run_id, {"pending": 2, "sent": 100}))
        async with database.reading() as tx:  # a worker that was lost with a claim, and a run that is stopped
            await made.execute("UPDATE batch SET worker = 'lost', lease_until = now() - interval '1 second'")
            await recovering.recover(database)
            await made.stop()
            await tx.batches.cancel(run_id, "run_stopped", 10)
            await tx.runs.complete(run_id)
            await tx.runs.close_stopped(run_id)
        await read_everything(made, run_id)
    month = f"{run_time(run_id):%Y_%m}"
    assert await looked_into(database_url) == {f"delivery_{month}", f"delivery_attempt_{month}"}
