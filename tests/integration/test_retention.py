"""What is kept how long: counts that outlive their rows, partitions that go as a whole, rows that go in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from tests.support import stage
from tests.support.history import LONG_AGO, MONTH, PEOPLE, finished_run, with_month
from tests.support.stage import Stage

from clarion.adapters.postgres import partitions, retention
from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import runs
from clarion.application.ports.runs import StateCount
from clarion.domain.channel import ChannelName
from clarion.domain.delivery import DeliveryId, DeliveryState
from clarion.domain.errors import Removed
from clarion.domain.ids import Id
from clarion.pipeline import retaining

_ROWS = """
SELECT (SELECT count(*) FROM delivery WHERE run_id = $1) + (SELECT count(*) FROM delivery_attempt WHERE run_id = $1)
"""
_PARTITION_OF = "SELECT tableoid::regclass::text FROM delivery WHERE run_id = $1 LIMIT 1"

COUNTS = [
    StateCount(DeliveryState.FAILED, "mailbox_full", 10),
    StateCount(DeliveryState.SENT, None, 10),
    StateCount(DeliveryState.UNKNOWN, "no_answer", 10),
]


async def tables(database: PostgresDatabase) -> set[str]:
    async with database.reading() as tx:
        return {row["name"] for row in await tx.connection.fetch(partitions.PLACES)}


async def counted(made: Stage, run_id: Id) -> list[StateCount]:
    async with made.database.reading() as tx:
        report = await runs.report_run(tx, account_id=made.account_id, run_id=run_id)
    return sorted(report.counts, key=lambda count: count.state)


async def rows(database: PostgresDatabase, run_id: Id) -> int:
    async with database.reading() as tx:
        return int(await tx.connection.fetchval(_ROWS, run_id))


async def test_a_partition_goes_as_a_whole_and_its_reports_stay_exact(database: PostgresDatabase) -> None:
    made = await stage.build(database, [])
    await with_month(database, LONG_AGO)
    run_id = await finished_run(made, LONG_AGO)
    assert await counted(made, run_id) == COUNTS
    assert await retaining.retain(database) == 1
    assert "delivery_2020_03" not in await tables(database)
    assert await rows(database, run_id) == 0
    assert await counted(made, run_id) == COUNTS
    async with database.reading() as tx:
        listed = await runs.list_runs(tx, account_id=made.account_id, after=None, limit=10)
        sent = await runs.count_sent(tx, account_id=made.account_id, campaign_ids=[made.campaign_id])
    assert [(run.id, run.selected_count, run.removed_at is not None) for run in listed] == [(run_id, PEOPLE, True)]
    assert sent == {(made.campaign_id, ChannelName.EMAIL): 10}


async def test_a_second_pass_counts_nothing_twice(database: PostgresDatabase) -> None:
    made = await stage.build(database, [])
    run_id = await finished_run(made, LONG_AGO)
    await asyncio.gather(*(retaining.retain(database) for _ in range(4)))
    assert await retaining.retain(database) == 0
    assert await counted(made, run_id) == COUNTS


async def test_a_removal_that_fails_halfway_leaves_the_rows_and_no_counts(
    database: PostgresDatabase, database_url: str
) -> None:
    made = await stage.build(database, [])
    run_id = await finished_run(made, LONG_AGO)
    connection = await asyncpg.connect(database_url)
    undone = connection.transaction()
    await undone.start()
    assert await retention.RetentionStore(connection).remove(run_id)
    await undone.rollback()
    await connection.close()
    assert await counted(made, run_id) == COUNTS
    assert await rows(database, run_id) == 2 * PEOPLE
    assert await retaining.retain(database) == 1
    assert await counted(made, run_id) == COUNTS


async def test_only_the_account_whose_time_is_over_loses_rows_where_two_share_a_month(
    database: PostgresDatabase,
) -> None:
    short, long = await stage.build(database, []), await stage.build(database, [])
    began = datetime.now(UTC) - timedelta(days=100)
    await short.execute("UPDATE account SET retention_days = 31 WHERE id = $1", short.account_id)
    gone, kept = await finished_run(short, began), await finished_run(long, began)
    assert await retaining.retain(database) == 1
    assert await rows(database, gone) == 0
    assert await rows(database, kept) == 2 * PEOPLE
    assert await counted(short, gone) == COUNTS
    assert await counted(long, kept) == COUNTS


async def test_rows_wait_for_their_partition_when_it_goes_within_a_month(database: PostgresDatabase) -> None:
    made = await stage.build(database, [])
    first, second = (datetime.now(UTC) - timedelta(days=days) for days in (410, 395))
    await made.execute("DROP TABLE delivery_before, delivery_attempt_before")
    for month in {began.date().replace(day=1) for began in (first, second)}:
        await made.execute(MONTH, month)
    early, late = await finished_run(made, first), await finished_run(made, second)
    assert await retaining.retain(database) == 1
    shared = first.month == second.month
    assert await rows(database, early) == (2 * PEOPLE if shared else 0)
    assert await rows(database, late) == 2 * PEOPLE
    with pytest.raises(Removed):
        await read_deliveries(made, early)


async def read_deliveries(made: Stage, run_id: Id) -> None:
    async with made.database.reading() as tx:
        await runs.list_deliveries(tx, account_id=made.account_id, run_id=run_id, limit=10)


async def test_a_removed_delivery_is_told_apart_from_one_that_never_was(database: PostgresDatabase) -> None:
    made = await stage.build(database, [])
    run_id = await finished_run(made, LONG_AGO)
    await retaining.retain(database)
    with pytest.raises(Removed, match="no longer kept"):
        await read_deliveries(made, run_id)
    async with database.reading() as tx:
        with pytest.raises(Removed, match="no longer kept"):
            await runs.get_delivery(tx, account_id=made.account_id, delivery_id=DeliveryId(run_id, 1))


async def test_an_active_run_keeps_its_deliveries_however_old_it_is(database: PostgresDatabase) -> None:
    made = await stage.build(database, [])
    await with_month(database, LONG_AGO)
    run_id = await finished_run(made, LONG_AGO)
    await made.execute("UPDATE run SET state = 'paused', finished_at = NULL WHERE id = $1", run_id)
    assert await retaining.retain(database) == 0
    assert "delivery_2020_03" in await tables(database)
    assert await rows(database, run_id) == 2 * PEOPLE


async def test_a_finished_run_with_a_delivery_still_open_is_left_alone(database: PostgresDatabase) -> None:
    made = await stage.build(database, [])
    run_id = await finished_run(made, LONG_AGO)
    await made.execute("UPDATE delivery SET state = 'sending' WHERE run_id = $1 AND seq = 1", run_id)
    assert await retaining.retain(database) == 0
    assert await rows(database, run_id) == 2 * PEOPLE


@asynccontextmanager
async def held(url: str, table: str) -> AsyncIterator[None]:
    """Somebody who is writing to the table for the length of the block."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def test_a_partition_that_is_in_use_is_dropped_the_next_time(
    database: PostgresDatabase, database_url: str
) -> None:
    made = await stage.build(database, [])
    await with_month(database, LONG_AGO)
    run_id = await finished_run(made, LONG_AGO)
    async with held(database_url, "delivery"):
        assert await retaining.retain(database) == 1
        assert "delivery_2020_03" in await tables(database)
    assert await counted(made, run_id) == COUNTS
    await retaining.retain(database)
    assert "delivery_2020_03" not in await tables(database)


async def test_months_are_made_ahead_once_and_again_when_somebody_took_them(database: PostgresDatabase) -> None:
    async with database.reading() as tx:
        assert await tx.retention.cover() == []
        ahead = max(await tables(database) - {"delivery_before"})
        await tx.connection.execute(f"DROP TABLE {ahead}, {ahead.replace('delivery', 'delivery_attempt')}")
        assert [f"delivery_{month:%Y_%m}" for month in await tx.retention.cover()] == [ahead]


async def test_runs_of_a_month_that_nobody_made_are_kept_and_removed_all_the_same(
    database: PostgresDatabase, database_url: str
) -> None:
    made = await stage.build(database, [])
    await made.execute("DROP TABLE delivery_before, delivery_attempt_before")
    run_id = await finished_run(made, LONG_AGO)
    async with database.reading() as tx:
        assert await tx.connection.fetchval(_PARTITION_OF, run_id) == "delivery_default"
    good, sentence = await partitions.describe(database_url)
    assert not good
    assert "delivery_default" in sentence
    assert await retaining.retain(database) == 1
    assert await rows(database, run_id) == 0
    assert (await partitions.describe(database_url))[0]


async def test_the_doctor_hears_of_months_that_are_missing(database: PostgresDatabase, database_url: str) -> None:
    assert (await partitions.describe(database_url))[0]
    ahead = max(await tables(database) - {"delivery_before"})
    async with database.reading() as tx:
        await tx.connection.execute(f"DROP TABLE {ahead}, {ahead.replace('delivery', 'delivery_attempt')}")
    good, sentence = await partitions.describe(database_url)
    assert not good
    assert ahead.removeprefix("delivery_").replace("_", "-") in sentence


async def test_every_partition_leaves_room_for_updates_and_is_analysed_seldom(database: PostgresDatabase) -> None:
    async with database.reading() as tx:
        options = await tx.connection.fetch(
            "SELECT reloptions FROM pg_class JOIN pg_inherits ON inhrelid = oid WHERE inhparent = 'delivery'::regclass"
        )
    wanted = {"fillfactor=50", "autovacuum_vacuum_scale_factor=0.05", "autovacuum_analyze_scale_factor=1"}
    assert all(wanted <= set(row["reloptions"]) for row in options)
    assert len(options) >= 5


async def test_calls_and_notices_go_with_their_accounts_time(database: PostgresDatabase) -> None:
    made = await stage.build(database, [])
    run_id = await finished_run(made, LONG_AGO)
    young = await finished_run(made, datetime.now(UTC) - timedelta(days=1))
    for number, (id_, run) in enumerate([("1", run_id), ("2", young)]):
        await made.execute(
            "INSERT INTO execution (id, account_id, campaign_id, kind, state, request_id, body_hash, run_id) "
            "VALUES ($1, $2, $3, 'recipients', 'triggered', $4, '', $5)",
            run[:11] + bytes([number]), made.account_id, made.campaign_id, id_, run,
        )  # fmt: skip
        await made.execute(
            "INSERT INTO notice (id, account_id, kind, message) VALUES ($1, $2, 'x', 'x')", run, made.account_id
        )
    await retaining.retain(database)
    async with database.reading() as tx:
        left = [tuple(row) for row in await tx.connection.fetch(
            "SELECT request_id, (SELECT count(*) FROM notice) FROM execution"
        )]  # fmt: skip
    assert left == [("2", 1)]
