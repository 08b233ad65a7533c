"""What follows from inbound messages: in as few statements for many as for one, and once, whoever dies or comes too."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

from tests.support import stage
from tests.support.database import StatementLog, opened
from tests.support.people import until_waiting
from tests.support.stage import Stage

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application.ports.receipts import Inbound
from clarion.pipeline import inbound
from clarion.pipeline.inbox import NewsInbox

OURS = "+12025550100"
_LEFT_ALONE = "SELECT address_key FROM suppression WHERE channel = 'sms' AND reason = 'unsubscribed' ORDER BY 1"
_OPTED_OUT = "SELECT campaign_id, address_key FROM campaign_suppression WHERE channel = 'sms' ORDER BY 2"


class _Crash(Exception):
    """The end of a process, as its transaction sees it."""


def number(place: int) -> str:
    """The phone number of one person."""
    return f"+1202555{place:04}"


async def keep(made: Stage, *texts: str, first: int = 0) -> None:
    """Stores what as many people wrote to an account's sender, one text each."""
    news = [
        Inbound(made.sender_id, f"{place}:{text}", number(place), OURS, text)
        for place, text in enumerate(texts, start=first)
    ]
    await NewsInbox(made.database).put(news)


async def test_many_accounts_words_and_campaigns_take_the_statements_of_one(database_url: str) -> None:
    log = StatementLog()
    async with opened(database_url, log) as database:
        stages = [await stage.build(database, []) for _ in range(6)]
        numbers = [(await made.campaign()).number for made in stages]
        for _ in range(2):  # with its first statements a connection asks what their types are
            await keep(stages[0], "stop", "start", f"{numbers[0]}STOP")
            log.clear()
            assert await inbound.read_new(database) == 3
            for_few = Counter(log.statements)
            await stages[0].execute("DELETE FROM inbound_message")

        for made, own, strange in zip(stages, numbers, reversed(numbers), strict=True):
            await keep(made, "stop", "start", f"{own}stop", f"{strange} STOP", "hello", first=10)
        log.clear()
        assert await inbound.read_new(database) == 30
        assert Counter(log.statements) == for_few

        async with database.reading() as tx:
            opted_out = await tx.connection.fetch(_OPTED_OUT)
            left_alone = await tx.connection.fetch(_LEFT_ALONE)
    assert [address for (address,) in left_alone] == [number(0), *[number(10)] * 6]
    own_campaigns = {(bytes(made.campaign_id), number(12)) for made in stages}
    assert {tuple(row) for row in opted_out} == own_campaigns | {(stages[0].campaign_id, number(2))}


async def test_who_dies_over_messages_leaves_them_to_the_next_and_several_obey_each_once(
    database: PostgresDatabase,
) -> None:
    made = await stage.build(database, [])
    await keep(made, *["stop"] * 20)
    with contextlib.suppress(_Crash):
        async with database.transaction() as dying:
            assert len(await dying.inbound.unread(100)) == 20
            others = [asyncio.create_task(inbound.read_new(database)) for _ in range(3)]
            await until_waiting(database, others[0])
            raise _Crash
    assert sorted(await asyncio.gather(*others)) == [0, 0, 20]
    async with database.reading() as tx:
        assert [address for (address,) in await tx.connection.fetch(_LEFT_ALONE)] == [number(n) for n in range(20)]
        assert not await tx.inbound.has_unread()
