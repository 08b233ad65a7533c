"""A small run never waits for a large one, and transactional mail waits for nobody."""

from __future__ import annotations

import pytest
from tests.support import scene, stage
from tests.support.sink import Sink
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.domain.campaign import Category


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
            await sink.wait_accepted(500, 20)
            await small.start()
            await small.finished()
            sent_before = len(sink.accepted)
            await scene.finished(database, run_id, 60)
    assert sent_before < 12_000, "the small run waited for the large one"
    assert len(set(sink.recipients())) == len(sink.recipients()) == 15_020
