"""The send path on a real database and a real SMTP sink: everyone exactly once, and every rule of the life cycle."""

from __future__ import annotations

from clarion.adapters.postgres.database import PostgresDatabase
from tests.support import scene
from tests.support.sink import Sink
from tests.support.workers import working


async def states(database: PostgresDatabase, run_id: bytes) -> dict[str, int]:
    async with database.reading() as tx:
        rows = await tx.connection.fetch("SELECT state, count(*) FROM delivery WHERE run_id = $1 GROUP BY 1", run_id)
    return dict(rows)


async def test_everyone_of_an_audience_gets_one_message(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink, working(database, database_url):
        made = await scene.build(database, recipients=1_700, port=sink.port)
        run_id = await scene.start(database, made)
        await sink.wait_accepted(1_700, 20)
        await scene.finished(database, run_id)
    assert sorted(sink.recipients()) == [f"person.{n:07}@load.example" for n in range(1, 1_701)]
    assert await states(database, run_id) == {"sent": 1_700}
