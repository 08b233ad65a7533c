"""A mail server that misbehaves, seen from a whole worker: what befalls one message is nobody else's trouble.

F39 F43 F44 F47 F48. What the wire alone makes of each answer is tested beside the channel.
"""

from __future__ import annotations

from collections import Counter

from tests.support import stage
from tests.support.scene import finished
from tests.support.sink import Sink
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.domain.campaign import Category

SILENT = 2
"""Of twelve: more than a window goes on without, and the others are recorded all the same."""
GOOD = [f"good{n}@storm.example" for n in range(60)]
MOODS = {
    "4xx-rcpt": ("pending", "deferred"),
    "4xx-data": ("pending", "deferred"),
    "4xx-dot": ("pending", "deferred"),
    "421-rcpt": ("pending", "throttled"),
    "cut-rcpt": ("pending", "connection_lost"),
    "cut-data": ("pending", "connection_lost"),
    "garbage-rcpt": ("pending", "connection_lost"),
    "endless-rcpt": ("pending", "connection_lost"),
    "grey": ("pending", "deferred"),
    "550_5.1.1-rcpt": ("failed", "address_unknown"),
    "554-dot": ("failed", "message_rejected"),
    "cut-after-dot": ("unknown", "no_answer"),
    "cut-dot": ("unknown", "no_answer"),
    "garbage-dot": ("unknown", "no_answer"),
}
"""What a mood at a point leaves of its own message."""


async def test_f39_f43_f47_a_bad_answer_at_any_point_concerns_its_own_message(
    database: PostgresDatabase, database_url: str
) -> None:
    addresses = [f"{mood}+1@storm.example" for mood in MOODS]
    async with Sink() as sink:
        made = await stage.build(database, [*addresses, *GOOD], port=sink.port)
        run_id = await made.start()
        async with working(database, database_url):
            await stage.until(lambda: _nothing_on_the_wire(database, run_id, len(addresses) + len(GOOD)))
            rows = await made.rows()
    assert {address: rows[address] for address in GOOD} == dict.fromkeys(GOOD, ("sent", None))
    assert {mood: rows[f"{mood}+1@storm.example"] for mood in MOODS} == MOODS
    accepted = Counter(sink.recipients())
    assert max(accepted.values()) == 1
    assert set(accepted) == {*GOOD, "cut-after-dot+1@storm.example"}


async def _nothing_on_the_wire(database: PostgresDatabase, run_id: bytes, everybody: int) -> bool:
    """Whether each has been tried once: nothing waits for its first turn or for an answer."""
    async with database.reading() as tx:
        tried = await tx.connection.fetchval(
            "SELECT count(*) FROM delivery WHERE run_id = $1 AND attempts > 0 AND state <> 'sending'", run_id
        )
    return bool(tried == everybody)


async def test_f44_an_answer_that_never_comes_holds_nobody_up(database: PostgresDatabase, database_url: str) -> None:
    silent = [f"silent-after-dot+{n}@storm.example" for n in range(SILENT)]
    async with Sink() as sink:
        stuck = await stage.build(database, [*silent, *GOOD[:10]], port=sink.port)
        others = await stage.build(database, GOOD, port=sink.port, category=Category.TRANSACTIONAL)
        async with working(database, database_url):
            stuck_run = await stuck.start()
            await stage.until(lambda: _sent(database, stuck_run, 10))
            await finished(database, await others.start())
            again = await stage.build(database, GOOD, port=sink.port)
            await finished(database, await again.start())
            assert Counter(state for state, _ in (await stuck.rows()).values()) == {"sent": 10, "sending": SILENT}
            for connection in list(sink.open_connections):
                connection.cut()
            await finished(database, stuck_run)
    assert {address: (await stuck.rows())[address] for address in silent} == dict.fromkeys(
        silent, ("unknown", "no_answer")
    )


async def _sent(database: PostgresDatabase, run_id: bytes, count: int) -> bool:
    return (await stage.states(database, run_id)).get("sent") == count
