"""A sender that fails as a whole is left alone and comes back by itself; others go on, and stand in where they may."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest
from tests.support import stage
from tests.support.database import StatementLog, opened
from tests.support.ports import free_port
from tests.support.sink import Sink
from tests.support.stage import Stage
from tests.support.workers import SEALER, working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import notices, senders
from clarion.application.sender_rules import SenderDraft
from clarion.domain.campaign import Category
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Invalid
from clarion.domain.health import Fault
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason
from clarion.domain.providers.provider import Security
from clarion.domain.sender import Sender

GONE = Fault(Reason.CONNECTION_FAILED, "nobody there")


async def add_sender(made: Stage, port: int, **said: object) -> Id:
    """A further sender of the stage's account."""
    draft = SenderDraft(
        host="127.0.0.1",
        port=port,
        security=Security.NONE,
        **{"name": f"Relay {port}", "from_address": "stage@clarion.example", **said},  # type: ignore[arg-type]
    )
    async with made.database.transaction() as tx:
        return (await senders.create_sender(tx, account_id=made.account_id, draft=draft, sealer=SEALER)).id


async def change_sender(made: Stage, draft: SenderDraft) -> None:
    async with made.database.transaction() as tx:
        await senders.update_sender(
            tx, account_id=made.account_id, sender_id=made.sender_id, draft=draft, sealer=SEALER
        )


async def sender_of(made: Stage, sender_id: Id | None = None) -> Sender:
    async with made.database.reading() as tx:
        return await senders.get_sender(tx, account_id=made.account_id, sender_id=sender_id or made.sender_id)


async def is_shut(made: Stage) -> bool:
    health = (await sender_of(made)).health
    return health is not None and health.is_shut


async def kinds(made: Stage) -> list[str]:
    async with made.database.reading() as tx:
        told = await notices.list_notices(tx, account_id=made.account_id, after=None, limit=100)
    return [notice.kind for notice in told]


async def shut(made: Stage, sender_id: Id, minutes: int = 60) -> None:
    """Leaves a sender alone for long."""
    async with made.database.reading() as tx:
        assert await tx.health.shut(sender_id, GONE)
    await made.execute("UPDATE sender_health SET try_at = now() + make_interval(mins => $1)", minutes)


async def test_f53_a_relay_that_is_gone_is_shut_and_its_mail_goes_out_once_it_is_back(
    database: PostgresDatabase, database_url: str
) -> None:
    port = free_port()
    made = await stage.build(database, stage.MANY[:40], port=port)
    async with AsyncExitStack() as workers:
        for name in ("first", "second"):
            await workers.enter_async_context(working(database, database_url, name=name))
        await made.start()
        await stage.until(lambda: is_shut(made))
        sink = Sink()
        await sink.listen(port)
        await made.finished()
        assert Counter(sink.recipients()) == Counter(stage.MANY[:40])
        await sink.aclose()
    assert not await is_shut(made)
    # What the other worker had waiting may fail a moment after the relay is back, and shut it once more.
    told = await kinds(made)
    assert told == ["sender_shut", "sender_open"] * max(1, len(told) // 2)


async def test_f53_a_shut_sender_holds_up_nobody_else(database: PostgresDatabase, database_url: str) -> None:
    dead = await stage.build(database, stage.MANY[:200], port=9)
    await shut(dead, dead.sender_id)
    async with Sink() as sink, working(database, database_url):
        lively = await stage.build(database, stage.MANY[:200], port=sink.port)
        await dead.start()
        await lively.start()
        await lively.finished()
        assert len(sink.recipients()) == 200
    assert set((await dead.rows()).values()) == {("pending", None)}, "nothing of it was even tried"


async def test_a_shut_sender_is_tried_by_one_worker_only(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["one@x.example"])
    await shut(made, made.sender_id)
    await made.execute("UPDATE sender_health SET try_at = now()")

    async def take() -> object:
        async with database.reading() as tx:
            return await tx.health.take_due()

    assert sum(due is not None for due in await asyncio.gather(*(take() for _ in range(8)))) == 1


async def test_a_sender_that_fails_again_soon_is_left_alone_for_longer(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["one@x.example"])
    pauses = []
    for _ in range(3):
        async with database.reading() as tx:
            assert await tx.health.shut(made.sender_id, GONE)
            assert not await tx.health.shut(made.sender_id, GONE), "it is shut already"
            health = (await sender_of(made)).health
            assert health is not None
            assert health.next_try_at is not None
            pauses.append(round((health.next_try_at - health.since).total_seconds()))
            assert await tx.health.open(made.sender_id)
    assert pauses == [1, 2, 4]


async def test_a_refused_login_is_tried_ever_more_seldom_for_it_may_lock_the_account(
    database: PostgresDatabase,
) -> None:
    made = await stage.build(database, ["one@x.example"])
    async with database.reading() as tx:
        assert await tx.health.shut(made.sender_id, Fault(Reason.AUTH_FAILED, "535 no"))
        pauses = []
        for _ in range(6):
            await tx.connection.execute("UPDATE sender_health SET try_at = now()")
            assert await tx.health.take_due()
            await tx.health.keep_shut(made.sender_id)
            pauses.append(
                await tx.connection.fetchval("SELECT extract(epoch FROM try_at - now())::float8 FROM sender_health")
            )
    assert pauses == pytest.approx([30, 60, 120, 240, 300, 300], abs=14)


async def test_f40_a_server_that_refuses_us_by_its_policy_is_left_alone_before_everybody_is_burned(
    database: PostgresDatabase, database_url: str
) -> None:
    everybody = [f"550_5.7.1-rcpt+{n}@load.example" for n in range(1_000)]
    async with Sink() as sink, working(database, database_url):
        made = await stage.build(database, everybody, port=sink.port)
        await made.start()
        await stage.until(lambda: is_shut(made))
        await stage.until(lambda: stage.unleased(database))
        states = Counter((await made.rows()).values())
    assert states["pending", None] >= 400  # each of two batches had at most two windows out
    health = (await sender_of(made)).health
    assert health is not None
    assert health.next_try_at is not None
    assert (health.reason, health.reply) == ("policy_rejected", "550 5.7.1 as asked")
    assert (health.next_try_at - health.since).total_seconds() == pytest.approx(900, abs=1)


async def test_f40_an_address_that_does_not_exist_is_suppressed_and_a_refusal_of_another_kind_is_not(
    database: PostgresDatabase, database_url: str
) -> None:
    gone, full, ours = "550_5.1.1-rcpt@x.example", "552_5.2.2-rcpt@x.example", "550_5.7.1-rcpt@x.example"
    unknown = "cut-after-dot@x.example"
    async with Sink() as sink, working(database, database_url):
        made = await stage.build(database, [gone, full, ours, unknown, "fine@x.example"], port=sink.port)
        await made.start()
        await made.finished()
    async with database.reading() as tx:
        found = await tx.suppressions.list_after(made.account_id, None, 10)
    assert [(one.channel, one.address_key, one.reason) for one in found] == [(ChannelName.EMAIL, gone, "bounced")]
    assert found[0].source == "550 5.1.1 as asked"


async def test_another_of_the_pool_stands_in_and_the_message_keeps_its_from(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink, working(database, database_url):
        made = await stage.build(database, stage.MANY[:600])
        await change_sender(made, SenderDraft(pool="letters"))
        stand_in = await add_sender(made, sink.port, pool="letters", from_address="other@clarion.example")
        await shut(made, made.sender_id)
        await made.start()
        await made.finished()
        assert Counter(sink.recipients()) == Counter(stage.MANY[:600])
        assert all(b"From: Stage <stage@clarion.example>" in one.data for one in sink.accepted)
    run_id = await made.run_id()
    async with database.reading() as tx:
        assert set((await tx.health.sent_by(run_id, [1, 300, 600])).values()) == {stand_in}


async def test_a_pool_shares_its_mail_by_weight(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as light, Sink() as heavy, working(database, database_url):
        made = await stage.build(database, stage.MANY[:600], port=light.port)
        await change_sender(made, SenderDraft(pool="letters", weight=1))
        await add_sender(made, heavy.port, pool="letters", weight=100)
        await made.start()
        await made.finished()
        assert len(light.recipients()) + len(heavy.recipients()) == 600
        assert len(heavy.recipients()) >= 100


@pytest.mark.parametrize("is_other_shut", [False, True])
async def test_f55_what_may_have_arrived_by_one_sender_goes_by_no_other(
    database: PostgresDatabase, database_url: str, *, is_other_shut: bool
) -> None:
    async with Sink() as first, Sink() as second:
        made = await stage.build(database, ["one@x.example"], port=first.port, category=Category.TRANSACTIONAL)
        await change_sender(made, SenderDraft(pool="letters"))
        other = await add_sender(made, second.port, pool="letters", weight=100)
        await freeze_and_doubt(made, other)
        await shut(made, other if is_other_shut else made.sender_id)
        async with working(database, database_url):
            if is_other_shut:
                await stage.until(lambda: postponed(made))
                assert not first.accepted
                await made.execute("UPDATE sender_health SET is_shut = false")
                await made.execute("UPDATE batch SET due_at = now()")
            await made.finished()
        assert (first.recipients(), second.recipients()) == ([], ["one@x.example"])


async def freeze_and_doubt(made: Stage, sender_id: Id) -> None:
    """Leaves the run as a worker does that died with a message on its way by this sender."""
    run_id = await made.start()
    async with made.database.transaction() as tx:
        await tx.runs.take_slice(10, 10)
    await made.execute(
        "UPDATE delivery SET attempts = 1, doubts = 1, reason = 'worker_lost' WHERE run_id = $1", bytes(run_id)
    )
    await made.execute(
        "INSERT INTO batch_way (run_id, first_seq, last_seq, sender_id) VALUES ($1, 1, 1, $2)", run_id, sender_id
    )


async def postponed(made: Stage) -> bool:
    async with made.database.reading() as tx:
        return bool(await tx.connection.fetchval("SELECT count(*) FROM batch WHERE due_at > now() AND worker IS NULL"))


async def test_senders_of_a_pool_send_for_one_domain(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["one@x.example"])
    await change_sender(made, SenderDraft(pool="letters"))
    with pytest.raises(Invalid) as refused:
        await add_sender(made, 25, pool="letters", from_address="news@elsewhere.example")
    assert [(problem.field, problem.rule) for problem in refused.value.problems] == [("pool", "sameDomain")]


async def test_no_statement_is_spent_on_health_while_all_is_well(database_url: str) -> None:
    log = StatementLog()
    async with Sink() as sink, opened(database_url, log) as database, working(database, database_url):
        made = await stage.build(database, stage.MANY[:300], port=sink.port)
        await made.start()
        await made.finished()
    assert not [one for one in log.statements if "INSERT INTO sender_health" in one or "batch_way" in one]
