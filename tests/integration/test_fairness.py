"""Whose batch is claimed next, counted in claims: by weight, with a bounded head start, and whatever else is stored."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support import scene, stage
from tests.support.database import opened
from tests.support.sink import Sink
from tests.support.stage import Stage
from tests.support.workers import working

from clarion.adapters.postgres import claiming
from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import campaigns
from clarion.application.account_settings import AccountDraft, update_account
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.ports.batches import ClaimedBatch
from clarion.domain.campaign import Category, Lane
from clarion.domain.ids import Id
from clarion.pipeline import snapshot

LEASE = timedelta(minutes=5)
HEAD_START = 50
"""Full batches of a newcomer's head start."""


async def waiting(database: PostgresDatabase, *batches: int, weight: int = 1) -> list[Id]:
    """An account with a sending run for each number: so many full batches of it wait. Returns the runs."""
    made = await stage.build(database, ["somebody@x.example"])
    stages = [made]
    async with database.transaction() as tx:
        await update_account(tx, account_id=made.account_id, draft=AccountDraft(weight=weight))
        draft = CampaignDraft(name="Another", groups=["everyone"], sender_id=made.sender_id.hex(), email=stage.EMAIL)
        for _ in batches[1:]:
            other = await campaigns.create_campaign(tx, account_id=made.account_id, draft=draft, links=scene.LINKS)
            stages.append(replace(made, campaign_id=other.id))
    runs = [await started(each) for each in stages]
    for run_id, count in zip(runs, batches, strict=True):
        await fill(database, run_id, 1, count)
    return runs


async def started(made: Stage) -> Id:
    """Starts the campaign, freezes its audience and takes its one batch away."""
    run_id = await made.start()
    while await snapshot.take_slice(made.database):
        continue
    await made.execute("DELETE FROM batch WHERE run_id = $1", run_id)
    return run_id


async def fill(database: PostgresDatabase, run_id: Id, first: int, last: int) -> None:
    """Queues full batches of these numbers."""
    async with database.reading() as tx:
        await tx.connection.execute(
            "INSERT INTO batch (run_id, no, lane, first_seq, last_seq) "
            "SELECT $1, n, 'bulk', 1, 500 FROM generate_series($2::int, $3::int) AS n", run_id, first, last,
        )  # fmt: skip


async def claim(database: PostgresDatabase, *, busy: tuple[Id, ...] = ()) -> ClaimedBatch | None:
    """The next batch of the bulk lane."""
    async with database.reading() as tx:
        return await tx.batches.claim("worker", Lane.BULK, busy, LEASE)


async def claims(database: PostgresDatabase, count: int) -> list[Id]:
    """The runs of the next so many claims, in order."""
    found = [await claim(database) for _ in range(count)]
    return [batch.run_id for batch in found if batch]


async def test_accounts_get_their_share_by_weight(database: PostgresDatabase) -> None:
    (light,), (heavy,) = await waiting(database, 100), await waiting(database, 100, weight=3)
    had = Counter(await claims(database, 80))
    assert abs(had[heavy] - 60) <= 1, had
    assert abs(had[light] - 20) <= 1, had


async def test_a_newcomer_comes_first_until_its_head_start_is_used_up(database: PostgresDatabase) -> None:
    (old,) = await waiting(database, 300)
    await claims(database, 200)
    (new,) = await waiting(database, 100)
    assert await claims(database, HEAD_START) == [new] * HEAD_START
    assert abs(Counter(await claims(database, 40))[old] - 20) <= 1


async def test_whoever_was_idle_has_saved_up_no_more_than_a_head_start(database: PostgresDatabase) -> None:
    (steady,), (seldom,) = await waiting(database, 400), await waiting(database, 10)
    await claims(database, 20)
    assert await claims(database, 300) == [steady] * 300
    await fill(database, seldom, 11, 200)
    had = Counter(await claims(database, HEAD_START + 20))
    assert abs(had[seldom] - HEAD_START - 10) <= 1, had


async def test_campaigns_of_one_account_share_what_the_account_gets(database: PostgresDatabase) -> None:
    first, second = await waiting(database, 100, 100)
    (other,) = await waiting(database, 100)
    had = Counter(await claims(database, 80))
    assert abs(had[other] - 40) <= 1, had
    assert abs(had[first] - 20) <= 1, had
    assert abs(had[second] - 20) <= 1, had


async def test_a_busy_sender_costs_only_its_own_account_the_turn(database: PostgresDatabase) -> None:
    (busy,), (free,) = await waiting(database, 10), await waiting(database, 10)
    async with database.reading() as tx:
        sender_id = await tx.connection.fetchval("SELECT sender_id FROM run WHERE id = $1", busy)
    for _ in range(10):
        found = await claim(database, busy=(sender_id,))
        assert found is not None
        assert found.run_id == free
    assert await claim(database, busy=(sender_id,)) is None


async def test_what_came_back_and_is_due_goes_before_what_is_fresh(database: PostgresDatabase) -> None:
    (run_id,) = await waiting(database, 3)
    await claims(database, 2)
    async with database.reading() as tx:
        await tx.connection.execute(
            "UPDATE batch SET worker = NULL, due_at = 'infinity' WHERE run_id = $1 AND no = 1", run_id
        )
        await tx.connection.execute("UPDATE batch SET worker = NULL WHERE run_id = $1 AND no = 2", run_id)
    found = [await claim(database) for _ in range(3)]
    assert [batch and (batch.no, batch.epoch) for batch in found] == [(2, 2), (3, 1), None]


async def test_batches_that_are_gone_are_not_read_by_the_next_claim(
    database: PostgresDatabase, database_url: str
) -> None:
    (run_id,) = await waiting(database, 10_100)
    async with opened(database_url) as other, other.transaction() as old:
        await old.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await old.connection.fetchval("SELECT count(*) FROM batch")  # from now on nothing deleted can be cleaned up
        async with database.reading() as tx:
            await tx.connection.execute("DELETE FROM batch WHERE run_id = $1 AND no <= 10000", run_id)
            await claim(database)
            plan = await tx.connection.fetchval(
                "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "
                "SELECT * FROM claim_next('worker', 'bulk', '{email}', '{}', interval '1 minute')"
            )
    (told,) = json.loads(plan)
    assert told["Plan"]["Actual Rows"] == 1
    assert told["Plan"]["Shared Hit Blocks"] < 3_000, told


async def test_claims_at_once_take_every_batch_once_and_keep_the_shares(database: PostgresDatabase) -> None:
    (first,), (second,) = await waiting(database, 60), await waiting(database, 60)
    had: list[tuple[Id, int]] = []

    async def claimer() -> None:
        while batch := await claim(database):
            had.append((batch.run_id, batch.no))

    await asyncio.gather(*(claimer() for _ in range(4)))
    assert len(had) == len(set(had)) == 120
    half = Counter(run_id for run_id, _ in had[:60])
    assert abs(half[first] - half[second]) <= 16, half


async def test_a_batch_whose_claim_was_undone_late_is_found_again(
    database: PostgresDatabase, database_url: str
) -> None:
    (run_id,) = await waiting(database, 100)
    async with opened(database_url) as other, other.transaction() as held:
        await held.connection.execute("SELECT FROM batch WHERE run_id = $1 AND no = 1 FOR UPDATE", run_id)
        await claims(database, 99)
    assert await claim(database) is None
    async with database.reading() as tx:
        await claiming.tidy(tx.connection)
    found = await claim(database)
    assert found is not None
    assert found.no == 1


async def test_what_is_announced_is_what_would_be_claimed(database: PostgresDatabase) -> None:
    first, second = await waiting(database, 30, 10)
    (heavy,) = await waiting(database, 30, weight=2)
    await claims(database, 5)
    statement = claiming.UPCOMING.format(lane="$1", limit="$2::int", condition="true")
    async with database.reading() as tx:
        upcoming = [row["run_id"] for row in await tx.connection.fetch(statement, Lane.BULK, 30)]
    told, done = Counter(upcoming), Counter(await claims(database, 30))
    assert all(abs(told[run_id] - done[run_id]) <= 1 for run_id in (first, second, heavy)), (told, done)


async def test_a_finished_run_leaves_nothing_behind(database: PostgresDatabase) -> None:
    (run_id,) = await waiting(database, 1)
    await claim(database)
    async with database.reading() as tx:
        await tx.connection.execute("UPDATE run SET state = 'completed', finished_at = now() WHERE id = $1", run_id)
        await claiming.tidy(tx.connection)
        assert await tx.connection.fetchval("SELECT count(*) FROM run_share") == 0


@pytest.mark.parametrize("category", list(Category))
async def test_a_small_run_started_behind_a_large_one_is_through_first(
    database: PostgresDatabase, database_url: str, category: Category
) -> None:
    async with Sink(keep_data=False) as sink:
        large = await scene.build(database, recipients=15_000, port=sink.port)
        small = await stage.build(
            database, [f"small{n}@x.example" for n in range(20)], port=sink.port, category=category
        )
        async with working(database, database_url):
            run_id = await scene.start(database, large)
            await sink.wait_accepted(500)
            await small.start()
            await small.finished()
            sent_before = len(sink.accepted)
            await scene.finished(database, run_id)
    assert sent_before < 12_000, "the small run waited for the large one"
    assert len(set(sink.recipients())) == len(sink.recipients()) == 15_020


async def test_what_is_far_ahead_of_its_sending_is_frozen_after_what_is_needed(database: PostgresDatabase) -> None:
    large = await stage.build(database, [f"large{n}@x.example" for n in range(30)])
    run_id = await large.start()
    async with database.transaction() as tx:
        assert await tx.runs.take_slice(10, 10, 0) is not None
        assert await tx.runs.take_slice(10, 10, 0) is None
    small_id = await (await stage.build(database, ["small@x.example"])).start()
    async with database.transaction() as tx:
        taken = [await tx.runs.take_slice(10, 10, 0) for _ in range(2)]
        assert [one and one.run_id for one in taken] == [small_id, None]
    assert {batch.run_id for batch in [await claim(database), await claim(database)] if batch} == {run_id, small_id}
    async with database.transaction() as tx:
        taken = [await tx.runs.take_slice(10, 10, 0) for _ in range(2)]
        assert [one and (one.run_id, one.waiting) for one in taken] == [(run_id, 0), None]


async def test_freezing_far_ahead_rests_but_not_from_what_is_needed(database: PostgresDatabase) -> None:
    freezing = snapshot.Freezing(database, clock=itertools.count().__next__)  # every look at it is a second later
    assert await freezing.step() == float("inf")
    await _ready(database, snapshot.FAR_AHEAD + 1)
    assert await freezing.step() == 0
    ahead, needed = await _ready(database, snapshot.FAR_AHEAD + 1), await _ready(database, snapshot.FAR_AHEAD)
    assert (await freezing.step(), await _frozen(database, needed)) == (0, True)
    assert (await freezing.step(), await _frozen(database, ahead)) == (1, False)
    assert (await freezing.step(), await _frozen(database, ahead)) == (0, True)


async def _ready(database: PostgresDatabase, batches: int) -> Id:
    """A run that is not frozen, as if so many batches of it waited."""
    made = await stage.build(database, ["somebody@x.example"])
    run_id = await made.start()
    await made.execute("UPDATE run SET next_batch = $2 WHERE id = $1", run_id, batches + 1)
    return run_id


async def _frozen(database: PostgresDatabase, run_id: Id) -> bool:
    async with database.reading() as tx:
        return bool(await tx.connection.fetchval("SELECT snapshot_done FROM run WHERE id = $1", run_id))
