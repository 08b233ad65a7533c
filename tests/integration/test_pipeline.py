"""The send path on a real database and a real SMTP sink: everyone exactly once, and every rule of the life cycle."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from tests.support import scene, stage
from tests.support.database import StatementLog, opened
from tests.support.scene import LINKS
from tests.support.sink import Sink
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import campaigns, contacts, groups, suppressions
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.contacts import ContactDraft
from clarion.domain.campaign import CampaignState, Category
from clarion.domain.errors import Conflict
from clarion.domain.suppression import SuppressionChannel, SuppressionReason
from clarion.pipeline import sending, snapshot, sweeping

MANY = [f"person{n}@load.example" for n in range(600)]


async def states(database: PostgresDatabase, run_id: bytes) -> dict[str, int]:
    async with database.reading() as tx:
        rows = await tx.connection.fetch("SELECT state, count(*) FROM delivery WHERE run_id = $1 GROUP BY 1", run_id)
    return {row["state"]: row["count"] for row in rows}


async def suppress(of: stage.Stage, address: str, reason: SuppressionReason) -> None:
    async with of.database.transaction() as tx:
        await suppressions.suppress(
            tx, account_id=of.account_id, channel=SuppressionChannel.EMAIL, address=address, reason=reason
        )
    await of.barrier()


async def unleased(database: PostgresDatabase) -> bool:
    async with database.reading() as tx:
        return bool(await tx.connection.fetchval("SELECT NOT EXISTS (SELECT FROM batch WHERE worker IS NOT NULL)"))


async def settled(database: PostgresDatabase, run_id: bytes, counts: dict[str, int]) -> bool:
    return await states(database, run_id) == counts and await unleased(database)


async def until(holds: Callable[[], Awaitable[bool]], patience_s: float = 20) -> None:
    """Asks the database again and again until it holds: what workers do there gives tests no other signal."""
    async with asyncio.timeout(patience_s):
        while not await holds():
            await asyncio.sleep(0.02)


async def test_everyone_of_an_audience_gets_one_message(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink, working(database, database_url):
        made = await scene.build(database, recipients=1_700, port=sink.port)
        run_id = await scene.start(database, made)
        await scene.finished(database, run_id)
    assert sorted(sink.recipients()) == [f"person.{n:07}@load.example" for n in range(1, 1_701)]
    assert await states(database, run_id) == {"sent": 1_700}


async def test_two_workers_share_a_run_and_write_to_nobody_twice(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink:
        made = await scene.build(database, recipients=6_000, port=sink.port)
        async with working(database, database_url, name="a"), working(database, database_url, name="b"):
            run_id = await scene.start(database, made)
            await scene.finished(database, run_id)
    assert len(sink.recipients()) == len(set(sink.recipients())) == 6_000
    assert await states(database, run_id) == {"sent": 6_000}


async def test_five_hundred_recipients_take_at_most_24_statements(
    database: PostgresDatabase, database_url: str, statement_log: StatementLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "WINDOW_S", 5.0)  # a busy machine must not make the windows shorter
    async with Sink() as sink, opened(database_url) as other:
        made = await scene.build(other, recipients=11_000, port=sink.port)
        async with working(database, database_url):
            run_id = await scene.start(other, made)
            await sink.wait_accepted(1_000, 20)
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
        await suppress(made, "GONE@x.example", SuppressionReason.BOUNCED)
        await suppress(made, "out@x.example", SuppressionReason.UNSUBSCRIBED)
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
        await suppress(made, "out@x.example", SuppressionReason.UNSUBSCRIBED)
        await suppress(made, "gone@x.example", SuppressionReason.BOUNCED)
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
            await until(lambda: settled(database, run_id, {"failed": 1, "pending": 2, "unknown": 1}))
    rows = await made.rows()
    assert rows["550_5.1.1-rcpt@x.example"] == ("failed", "address_rejected")
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
            await until(lambda: settled(database, run_id, {"pending": 1, "sent": 1}))
            await made.execute("UPDATE delivery SET not_before = now() WHERE not_before IS NOT NULL")
            await made.execute("UPDATE batch SET due_at = now()")
            await made.execute("SELECT pg_notify('clarion_work', '')")
            await made.finished()
            assert not worker.stopping.is_set()
    assert sorted(sink.recipients()) == ["grey@x.example", "plain@x.example"]


async def test_a_retry_past_the_deadline_fails(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink:
        made = await stage.build(database, ["4xx-rcpt@x.example"], port=sink.port)
        await made.start()
        await made.execute("UPDATE run SET deadline_at = now() + interval '10 seconds'")
        async with working(database, database_url):
            await made.finished()
    assert await made.rows() == {"4xx-rcpt@x.example": ("failed", "deadline_passed")}


async def test_f61_after_a_pause_is_answered_no_intent_is_written_and_resuming_loses_nobody(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await scene.build(database, recipients=8_000, port=sink.port)
        on_stage = stage.Stage(database, made.account_id, made.account_id, made.account_id, made.campaign_id)
        async with working(database, database_url):
            run_id = await scene.start(database, made)
            await sink.wait_accepted(300, 20)
            await on_stage.pause()
            async with database.reading() as tx:
                paused_at = await tx.campaigns.now()
            await until(lambda: unleased(database))
            async with database.reading() as tx:
                late = await tx.connection.fetchval(
                    "SELECT count(*) FROM delivery WHERE state = 'sending' OR (state = 'pending' AND epoch > 0)"
                )
            held = len(sink.accepted)
            assert late == 0
            assert 300 <= held < 8_000
            assert (await on_stage.campaign()).state is CampaignState.PAUSED
            assert max(a.at for a in sink.accepted) <= paused_at.timestamp() + 1
            await on_stage.resume()
            await scene.finished(database, run_id)
    assert len(sink.recipients()) == len(set(sink.recipients())) == 8_000


async def test_a_stop_cancels_whoever_was_not_reached_and_the_states_add_up(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await scene.build(database, recipients=12_000, port=sink.port)
        on_stage = stage.Stage(database, made.account_id, made.account_id, made.account_id, made.campaign_id)
        async with working(database, database_url):
            run_id = await scene.start(database, made)
            await sink.wait_accepted(200, 20)
            await on_stage.stop()
            await scene.finished(database, run_id)
    found = await states(database, run_id)
    assert found["sent"] == len(sink.accepted)
    assert found["sent"] + found["cancelled"] == 12_000
    assert set(found) == {"sent", "cancelled"}
    with pytest.raises(Conflict):
        await on_stage.resume()


async def test_f64_g10_after_an_unsubscribe_is_answered_nobody_writes_to_that_address(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await scene.build(database, recipients=6_000, port=sink.port)
        on_stage = stage.Stage(database, made.account_id, made.account_id, made.account_id, made.campaign_id)
        answered: dict[str, float] = {}
        async with working(database, database_url):
            run_id = await scene.start(database, made)
            await sink.wait_accepted(100, 20)
            for n in range(5_990, 100, -200):
                address = f"person.{n:07}@load.example"
                await suppress(on_stage, address, SuppressionReason.UNSUBSCRIBED)
                async with database.reading() as tx:
                    state = await tx.connection.fetchval(
                        "SELECT state FROM delivery WHERE run_id = $1 AND address = $2", run_id, address
                    )
                if state in {"pending", None}:
                    answered[address] = n
            await scene.finished(database, run_id)
    assert answered, "the run was over before anybody could unsubscribe"
    assert not answered.keys() & set(sink.recipients())
    found = await states(database, run_id)
    assert found["sent"] + found["skipped"] == 6_000
    assert found["skipped"] >= len(answered)


async def test_f63_twenty_starts_at_once_make_one_run(database: PostgresDatabase) -> None:
    made = await stage.build(database, MANY[:20])
    results = await asyncio.gather(*(made.started() for _ in range(8)), return_exceptions=True)
    refused = [r for r in results if isinstance(r, Conflict)]
    assert len(refused) == 7
    assert {r.code for r in refused} == {"CAMPAIGN_ALREADY_RUNNING"}
    async with database.reading() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM run") == 1


async def test_f65_the_audience_is_the_membership_at_the_start(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink:
        made = await stage.build(database, MANY[:40], port=sink.port)
        started = await made.started()
        leaving = [made.contact_ids[address] for address in MANY[:10]]
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
    assert sorted(sink.recipients()) == sorted(MANY[:40])


async def test_f66_a_contact_deleted_mid_run_is_skipped_and_the_run_ends(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await stage.build(database, MANY[:5], port=sink.port)
        await made.start()
        async with database.transaction() as tx:
            await contacts.delete_contact(tx, account_id=made.account_id, contact_id=made.contact_ids[MANY[0]])
            await groups.delete_group(tx, account_id=made.account_id, group_id=made.group_id)
        async with working(database, database_url):
            await made.finished()
    assert sorted(sink.recipients()) == sorted(MANY[1:5])
    assert sorted(reason or "" for _, reason in (await made.rows()).values()) == ["", "", "", "", "contact_deleted"]


async def test_a_campaign_with_a_start_time_starts_by_itself_and_one_past_its_end_stops(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await stage.build(database, MANY[:3], port=sink.port)
        async with database.transaction() as tx:
            now = await tx.campaigns.now()
            draft = CampaignDraft(start_at=now + timedelta(hours=1), end_at=now + timedelta(hours=3))
            scheduled = await campaigns.update_campaign(
                tx, account_id=made.account_id, campaign_id=made.campaign_id, draft=draft, links=LINKS
            )
        assert scheduled.state is CampaignState.SCHEDULED
        async with working(database, database_url):
            await made.execute("UPDATE campaign SET start_at = now()")
            await sink.wait_accepted(3)
            await made.finished()
    assert (await made.campaign()).state is CampaignState.COMPLETED


async def test_a_campaign_past_its_end_stops_by_itself(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink:
        made = await stage.build(database, MANY[:50], port=sink.port, rate=1)
        await made.start()
        async with working(database, database_url):
            await sink.wait_accepted(1)
            await made.execute("UPDATE run SET end_at = now()")
            await made.finished()
    campaign = await made.campaign()
    assert (campaign.state, campaign.state_reason) == (CampaignState.STOPPED, "end_reached")
    assert set((await made.rows()).values()) == {("sent", None), ("cancelled", "run_stopped")}


async def test_a_sender_keeps_to_its_rate_over_all_workers(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink:
        made = await stage.build(database, MANY[:60], port=sink.port, rate=40)
        async with working(database, database_url, name="a"), working(database, database_url, name="b"):
            await made.start()
            await made.finished()
    times = sorted(acceptance.at for acceptance in sink.accepted)
    assert len(times) == 60
    assert times[-1] - times[0] >= 56 / 40 - 0.1, "60 messages at 40 a second, in steps of 4"


async def test_f59_a_stopped_worker_leaves_nothing_uncertain_and_the_next_one_goes_on(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await scene.build(database, recipients=6_000, port=sink.port)
        async with working(database, database_url):
            run_id = await scene.start(database, made)
            await sink.wait_accepted(400, 20)
        found = await states(database, run_id)
        assert "sending" not in found
        assert "unknown" not in found
        assert await unleased(database)
        async with working(database, database_url):
            await scene.finished(database, run_id)
    assert len(sink.recipients()) == len(set(sink.recipients())) == 6_000


async def test_members_that_left_are_forgotten_once_no_run_needs_them(database: PostgresDatabase) -> None:
    made = await stage.build(database, MANY[:4])
    await made.started()
    async with database.transaction() as tx:
        await groups.remove_members(
            tx, account_id=made.account_id, group_id=made.group_id, contact_ids=list(made.contact_ids.values())
        )
    await made.execute("UPDATE group_member_removed SET removed_at = now() - interval '2 hours'")
    assert await sweeping.sweep(database) == 0, "the run has not frozen its audience yet"
    await snapshot.take_slice(database)
    assert await sweeping.sweep(database) == 4
    assert len(await made.rows()) == 4
