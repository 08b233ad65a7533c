"""The send path on a real database and a real SMTP sink: everyone exactly once, and whom it leaves out."""

from __future__ import annotations

import pytest
from tests.support import scene, stage
from tests.support.database import StatementLog, opened
from tests.support.sink import Sink
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import contacts, groups
from clarion.application.contacts import ContactDraft
from clarion.domain.campaign import CampaignState, Category
from clarion.domain.suppression import SuppressionReason
from clarion.entrypoints import crew, worker
from clarion.pipeline import sending


async def test_everyone_of_an_audience_gets_one_message(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink, working(database, database_url):
        made = await scene.build(database, recipients=1_700, port=sink.port)
        run_id = await scene.start(database, made)
        await scene.finished(database, run_id)
    assert sorted(sink.recipients()) == [f"person.{n:07}@load.example" for n in range(1, 1_701)]
    assert await stage.states(database, run_id) == {"sent": 1_700}


async def test_two_workers_share_a_run_and_write_to_nobody_twice(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink:
        made = await scene.build(database, recipients=6_000, port=sink.port)
        async with working(database, database_url, name="a"), working(database, database_url, name="b"):
            run_id = await scene.start(database, made)
            await scene.finished(database, run_id)
    assert len(sink.recipients()) == len(set(sink.recipients())) == 6_000
    assert await stage.states(database, run_id) == {"sent": 6_000}


async def test_five_hundred_recipients_take_at_most_24_statements(
    database: PostgresDatabase, database_url: str, statement_log: StatementLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "WINDOW_S", 5.0)  # a busy machine must not make the windows shorter
    for module, every in ((crew, "IDLE_S"), (worker, "IDLE_S"), (worker, "_STAND_BY_S")):
        monkeypatch.setattr(module, every, 10.0)  # nor the worker ask more often by the clock, the longer it takes
    async with Sink() as sink, opened(database_url) as other:
        made = await scene.build(other, recipients=11_000, port=sink.port)
        async with working(database, database_url, clock_on=other):
            run_id = await scene.start(other, made)
            await sink.wait_accepted(1_000)
            statement_log.clear()
            before = len(sink.accepted)
            await scene.finished(other, run_id)
            sent = len(sink.accepted) - before
    per_batch = statement_log.count / (sent / 500)
    assert sent >= 9_000
    assert per_batch <= 24, f"{per_batch:.1f} statements per 500 recipients"


async def test_who_may_not_be_written_to_is_skipped_with_the_reason(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await stage.build(
            database, ["ok@x.example", "no@x.example", "gone@x.example", "out@x.example"], port=sink.port
        )
        async with database.transaction() as tx:
            phone_only, _ = await contacts.save_contact(
                tx, account_id=made.account_id, draft=ContactDraft(phone="+491701234567")
            )
            await groups.add_members(
                tx, account_id=made.account_id, group_id=made.group_id, contact_ids=[phone_only.id]
            )
            await contacts.save_contact(
                tx, account_id=made.account_id, draft=ContactDraft(email="no@x.example", consent_email=False)
            )
        await made.suppress("GONE@x.example", SuppressionReason.BOUNCED)
        await made.suppress("out@x.example", SuppressionReason.UNSUBSCRIBED)
        started = await made.started()
        async with working(database, database_url):
            await made.finished()
    assert (started.campaign.selected_count, started.instances_created) == (5, 1)
    assert await made.rows() == {
        "ok@x.example": ("sent", None),
        "no@x.example": ("skipped", "no_consent"),
        "gone@x.example": ("skipped", "suppressed"),
        "out@x.example": ("skipped", "unsubscribed"),
        phone_only.id.hex(): ("skipped", "no_address"),
    }
    assert (await made.campaign()).state is CampaignState.COMPLETED


async def test_transactional_mail_reaches_the_unsubscribed_but_not_the_bounced(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await stage.build(
            database, ["out@x.example", "gone@x.example"], port=sink.port, category=Category.TRANSACTIONAL
        )
        await made.suppress("out@x.example", SuppressionReason.UNSUBSCRIBED)
        await made.suppress("gone@x.example", SuppressionReason.BOUNCED)
        started = await made.started()
        async with working(database, database_url):
            await made.finished()
    assert started.instances_created == 1
    assert await made.rows() == {"out@x.example": ("sent", None), "gone@x.example": ("skipped", "suppressed")}


async def test_f39_f40_f44_an_answer_decides_what_becomes_of_a_delivery(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await stage.build(
            database,
            ["550_5.1.1-rcpt@x.example", "4xx-rcpt@x.example", "cut-rcpt@x.example", "cut-after-dot@x.example"],
            port=sink.port,
        )
        run_id = await made.start()
        async with working(database, database_url):
            await sink.wait_accepted(1)
            await stage.until(lambda: stage.settled(database, run_id, {"failed": 1, "pending": 2, "unknown": 1}))
    rows = await made.rows()
    assert rows["550_5.1.1-rcpt@x.example"] == ("failed", "address_unknown")
    assert rows["4xx-rcpt@x.example"] == ("pending", "deferred")
    assert rows["cut-rcpt@x.example"] == ("pending", "connection_lost")
    assert rows["cut-after-dot@x.example"] == ("unknown", "no_answer")
    async with database.reading() as tx:
        deferred = next(
            d for d in await tx.deliveries.page(run_id, None, None, 0, 10) if d.address == "4xx-rcpt@x.example"
        )
        attempts = await tx.deliveries.attempts(run_id, deferred.id.seq)
    assert deferred.not_before is not None
    assert 25 < (deferred.not_before - deferred.changed_at).total_seconds() < 40
    assert [(a.no, a.verdict, a.reason) for a in attempts] == [(1, "retry", "deferred")]


async def test_f48_a_greylisted_recipient_is_written_to_on_the_retry(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await stage.build(database, ["grey@x.example", "plain@x.example"], port=sink.port)
        run_id = await made.start()
        async with working(database, database_url) as worker:
            await stage.until(lambda: stage.settled(database, run_id, {"pending": 1, "sent": 1}))
            await made.execute("UPDATE delivery SET not_before = now() WHERE not_before IS NOT NULL")
            await made.execute("UPDATE batch SET due_at = now()")
            await made.execute("SELECT pg_notify('clarion_work', '')")
            await made.finished()
            assert not worker.stopping.is_set()
    assert sorted(sink.recipients()) == ["grey@x.example", "plain@x.example"]


async def test_f64_g10_after_an_unsubscribe_is_answered_nobody_writes_to_that_address(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await scene.build(database, recipients=6_000, port=sink.port)
        on_stage = stage.over(database, made)
        answered: dict[str, float] = {}
        async with working(database, database_url):
            run_id = await scene.start(database, made)
            await sink.wait_accepted(100)
            for n in range(5_990, 100, -200):
                address = f"person.{n:07}@load.example"
                await on_stage.suppress(address, SuppressionReason.UNSUBSCRIBED)
                async with database.reading() as tx:
                    state = await tx.connection.fetchval(
                        "SELECT state FROM delivery WHERE run_id = $1 AND address = $2", run_id, address
                    )
                if state in {"pending", None}:
                    answered[address] = n
            await scene.finished(database, run_id)
    assert answered, "the run was over before anybody could unsubscribe"
    assert not answered.keys() & set(sink.recipients())
    found = await stage.states(database, run_id)
    assert found["sent"] + found["skipped"] == 6_000
    assert found["skipped"] >= len(answered)


async def test_f65_the_audience_is_the_membership_at_the_start(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink:
        made = await stage.build(database, stage.MANY[:40], port=sink.port)
        started = await made.started()
        leaving = [made.contact_ids[address] for address in stage.MANY[:10]]
        async with database.transaction() as tx:
            await groups.remove_members(tx, account_id=made.account_id, group_id=made.group_id, contact_ids=leaving)
            late, _ = await contacts.save_contact(
                tx, account_id=made.account_id, draft=ContactDraft(email="late@x.example")
            )
            await groups.add_members(
                tx, account_id=made.account_id, group_id=made.group_id, contact_ids=[late.id, leaving[0]]
            )
        async with working(database, database_url):
            await made.finished()
    assert started.campaign.selected_count == 40
    assert sorted(sink.recipients()) == sorted(stage.MANY[:40])


async def test_f66_a_contact_deleted_mid_run_is_skipped_and_the_run_ends(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await stage.build(database, stage.MANY[:5], port=sink.port)
        await made.start()
        async with database.transaction() as tx:
            await contacts.delete_contact(tx, account_id=made.account_id, contact_id=made.contact_ids[stage.MANY[0]])
            await groups.delete_group(tx, account_id=made.account_id, group_id=made.group_id)
        async with working(database, database_url):
            await made.finished()
    assert sorted(sink.recipients()) == sorted(stage.MANY[1:5])
    assert sorted(reason or "" for _, reason in (await made.rows()).values()) == ["", "", "", "", "contact_deleted"]
