"""A sender that was too fast slows down for all workers, and recovers by the clock alone."""

from __future__ import annotations

from tests.support import stage
from tests.support.sink import Sink
from tests.support.stage import Stage
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.domain.pace import NO_LIMITS


async def test_a_server_that_says_too_fast_slows_the_sender_which_recovers_by_itself(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink, working(database, database_url):
        made = await stage.build(database, [f"421-rcpt+{n}@x.example" for n in range(5)], port=sink.port)
        await made.start()
        await stage.until(lambda: slowed(made))
    async with database.reading() as tx:
        rate = (await tx.pace.limits(made.sender_id)).rate
        assert rate is not None
        await tx.connection.execute("UPDATE pace SET slowed_from = slowed_from - interval '60 seconds'")
        faster = (await tx.pace.limits(made.sender_id)).rate
        assert faster is not None
        assert faster > rate
        await tx.connection.execute("UPDATE pace SET slowed_until = now()")
        assert await tx.pace.limits(made.sender_id) == NO_LIMITS


async def slowed(made: Stage) -> bool:
    async with made.database.reading() as tx:
        return (await tx.pace.limits(made.sender_id)).rate is not None


async def test_a_slowed_sender_halves_once_for_what_was_on_the_wire_together(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["one@x.example"], rate=40.0)
    async with database.transaction() as tx:  # in which the time stands still
        assert [await tx.pace.slow(made.sender_id, "", 40.0) for _ in range(3)] == [True, False, False]
        rate = (await tx.pace.limits(made.sender_id)).rate
        assert rate is not None
        assert 20 <= rate < 30
        await tx.connection.execute("UPDATE pace SET slowed_from = slowed_from - interval '3 seconds'")
        assert await tx.pace.slow(made.sender_id, "", 40.0)
        again = (await tx.pace.limits(made.sender_id)).rate
        assert again is not None
        assert again < rate
