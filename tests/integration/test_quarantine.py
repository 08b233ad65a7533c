"""What fails within Clarion again and again is given up recipient by recipient, and holds up nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.integration.test_fairness import LEASE
from tests.support import stage
from tests.support.patience import PATIENCE_S
from tests.support.sink import Sink
from tests.support.stage import Stage
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import lifecycle
from clarion.application.notices import list_notices
from clarion.domain.campaign import CampaignState, Lane
from clarion.domain.content import EmailContent
from clarion.pipeline import quarantine, recovering, snapshot
from clarion.rendering.plan import EmailPlan

POISON = {stage.MANY[7], stage.MANY[55]}


async def kinds(made: Stage) -> list[str]:
    """The kinds of the account's notices."""
    async with made.database.reading() as tx:
        return [notice.kind for notice in await list_notices(tx, account_id=made.account_id, after=None, limit=100)]


async def hurried(made: Stage) -> None:
    """Lets what waits for its next try be due now, until the run is over."""
    run_id = await made.run_id()
    async with asyncio.timeout(PATIENCE_S):
        while (await stage.states(made.database, run_id)).keys() & {"pending", "sending"}:
            await made.execute("UPDATE batch SET due_at = now() WHERE worker IS NULL AND due_at > now()")
            await made.execute("SELECT pg_notify('clarion_work', '')")
            await asyncio.sleep(0.1)
    await made.finished()


async def test_f37_only_those_whose_message_breaks_the_worker_are_given_up(
    database: PostgresDatabase, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = EmailPlan.render

    def breaking(self: EmailPlan, seq: int, address: str, *rest: Any) -> object:
        if address in POISON:
            raise ZeroDivisionError
        return render(self, seq, address, *rest)

    monkeypatch.setattr(EmailPlan, "render", breaking)
    async with Sink() as sink:
        bad = await stage.build(database, stage.MANY[:60], port=sink.port)
        good = await stage.build(database, ["other@x.example"], port=sink.port)
        await bad.start()
        await good.start()
        async with working(database, database_url):
            await good.finished()
            await hurried(bad)
    rows = await bad.rows()
    assert {address for address, (state, _) in rows.items() if state != "sent"} == POISON
    assert {rows[address] for address in POISON} == {("failed", "quarantined")}
    assert sorted(sink.recipients()) == sorted({*stage.MANY[:60], "other@x.example"} - POISON)
    assert set(await kinds(bad)) == {"recipients_quarantined"}
    assert await kinds(good) == []


async def test_f37_a_message_that_ends_its_worker_is_given_up_and_those_beside_it_are_not(
    database: PostgresDatabase,
) -> None:
    made = await stage.build(database, stage.MANY[:60])
    run_id = await made.start()
    await snapshot.take_slice(database)
    poison, sizes = 8, []
    for _ in range(200):
        async with database.reading() as tx:
            batch = await tx.batches.claim("worker", Lane.BULK, [], LEASE)
        if batch is None:
            break
        if poison in (batch.seqs or range(batch.first_seq, batch.last_seq + 1)):
            sizes.append(len(batch.seqs or range(batch.first_seq, batch.last_seq + 1)))
            await made.execute("UPDATE batch SET lease_until = now() - interval '1 second' WHERE worker IS NOT NULL")
            await recovering.recover(database)
        else:
            await made.execute(
                "UPDATE delivery SET state = 'sent' WHERE run_id = $1 AND seq = ANY($2::int[])",
                run_id, batch.seqs or list(range(batch.first_seq, batch.last_seq + 1)),
            )  # fmt: skip
            async with database.reading() as tx:
                await tx.batches.settle(batch)
        await quarantine.isolate(database)
        await made.execute("UPDATE batch SET due_at = now()")
    assert sizes == [60, 60, 25, 1, 1]
    assert await stage.states(database, run_id) == {"sent": 59, "failed": 1}


async def test_a_worker_lost_after_it_got_somewhere_counts_against_nobody(database: PostgresDatabase) -> None:
    made = await stage.build(database, stage.MANY[:20])
    run_id = await made.start()
    await snapshot.take_slice(database)
    for seq in range(1, 11):
        async with database.reading() as tx:
            batch = await tx.batches.claim("worker", Lane.BULK, [], LEASE)
        assert batch is not None
        await made.execute(
            "UPDATE delivery SET state = 'sending', epoch = $3 WHERE run_id = $1 AND seq = $2", run_id, seq, batch.epoch
        )
        await made.execute("UPDATE batch SET lease_until = now() - interval '1 second'")
        await recovering.recover(database)
        await quarantine.isolate(database)
    assert await stage.states(database, run_id) == {"unknown": 10, "pending": 10}


async def test_t20_a_message_too_expensive_for_most_pauses_its_campaign(
    database: PostgresDatabase, database_url: str
) -> None:
    bomb = EmailContent(
        subject="Hello",
        html="{% for a in context.list %}{% for b in context.list %}x{% endfor %}{% endfor %}",
    )
    async with Sink() as sink:
        made = await stage.build(database, stage.MANY[:30], port=sink.port, email=bomb)
        run_id = await made.start()
        await made.execute("UPDATE run SET context = $2 WHERE id = $1", run_id, {"list": list(range(200))})
        async with working(database, database_url):
            await stage.until(lambda: paused(made))
            await stage.until(lambda: stage.settled(database, run_id, {"pending": 30}))
        assert sink.accepted == []
    assert (await made.campaign()).state_reason == "template_too_expensive"
    assert await kinds(made) == ["campaign_paused"]
    async with database.transaction() as tx:
        await lifecycle.stop(tx, account_id=made.account_id, campaign_id=made.campaign_id)


async def paused(made: Stage) -> bool:
    """True once the campaign is paused."""
    return (await made.campaign()).state is CampaignState.PAUSED
