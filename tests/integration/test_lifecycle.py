"""Runs that are started, paused, resumed, stopped, scheduled and slowed down, with workers under way."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from tests.support import scene, stage
from tests.support.scene import LINKS
from tests.support.sink import Sink
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import campaigns, groups
from clarion.application.campaign_draft import CampaignDraft
from clarion.domain.campaign import CampaignState
from clarion.domain.errors import Conflict
from clarion.pipeline import snapshot, sweeping


async def test_a_retry_past_the_deadline_fails(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink:
        made = await stage.build(database, ["4xx-rcpt@x.example"], port=sink.port)
        await made.start()
        await made.execute("UPDATE run SET deadline_at = now() + interval '20 seconds'")
        async with working(database, database_url):
            await made.finished()
    assert await made.rows() == {"4xx-rcpt@x.example": ("failed", "deadline_passed")}


async def test_f61_after_a_pause_is_answered_no_intent_is_written_and_resuming_loses_nobody(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await scene.build(database, recipients=8_000, port=sink.port)
        on_stage = stage.over(database, made)
        async with working(database, database_url):
            run_id = await scene.start(database, made)
            await sink.wait_accepted(300)
            await on_stage.pause()
            await stage.until(lambda: stage.unleased(database))
            async with database.reading() as tx:
                late = await tx.connection.fetchval(
                    "SELECT count(*) FROM delivery WHERE state = 'sending' OR (state = 'pending' AND epoch > 0)"
                )
            held = len(sink.accepted)
            assert late == 0
            assert 300 <= held < 8_000
            assert (await on_stage.campaign()).state is CampaignState.PAUSED
            await on_stage.resume()
            await scene.finished(database, run_id)
    assert len(sink.recipients()) == len(set(sink.recipients())) == 8_000


async def test_a_stop_cancels_whoever_was_not_reached_and_the_states_add_up(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await scene.build(database, recipients=12_000, port=sink.port)
        on_stage = stage.over(database, made)
        async with working(database, database_url):
            run_id = await scene.start(database, made)
            await sink.wait_accepted(200)
            await on_stage.stop()
            await scene.finished(database, run_id)
    found = await stage.states(database, run_id)
    assert found["sent"] == len(sink.accepted)
    assert found["sent"] + found["cancelled"] == 12_000
    assert set(found) == {"sent", "cancelled"}
    with pytest.raises(Conflict):
        await on_stage.resume()


async def test_f63_starts_at_once_make_one_run(database: PostgresDatabase) -> None:
    made = await stage.build(database, stage.MANY[:20])
    results = await asyncio.gather(*(made.started() for _ in range(8)), return_exceptions=True)
    refused = [r for r in results if isinstance(r, Conflict)]
    assert len(refused) == 7
    assert {r.code for r in refused} == {"CAMPAIGN_ALREADY_RUNNING"}
    async with database.reading() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM run") == 1


async def test_a_campaign_with_a_start_time_starts_by_itself_and_one_past_its_end_stops(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await stage.build(database, stage.MANY[:3], port=sink.port)
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
        made = await stage.build(database, stage.MANY[:50], port=sink.port, rate=1)
        await made.start()
        async with working(database, database_url):
            await sink.wait_accepted(1)
            await made.execute("UPDATE campaign SET end_at = now()")
            await made.finished()
    campaign = await made.campaign()
    assert (campaign.state, campaign.state_reason) == (CampaignState.STOPPED, "end_reached")
    assert set((await made.rows()).values()) == {("sent", None), ("cancelled", "run_stopped")}


async def test_a_sender_keeps_to_its_rate_over_all_workers(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink:
        made = await stage.build(database, stage.MANY[:60], port=sink.port, rate=40)
        async with working(database, database_url, name="a"), working(database, database_url, name="b"):
            began = time.time()  # not the first message's: one that is held up on its way makes none of the others late
            await made.start()
            await made.finished()
    assert len(sink.accepted) == 60
    assert sink.accepted[-1].at - began >= 56 / 40 - 0.1, "60 messages at 40 a second, in steps of 4"


async def test_f59_a_stopped_worker_leaves_nothing_uncertain_and_the_next_one_goes_on(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await scene.build(database, recipients=6_000, port=sink.port)
        async with working(database, database_url):
            run_id = await scene.start(database, made)
            await sink.wait_accepted(400)
        found = await stage.states(database, run_id)
        assert "sending" not in found
        assert "unknown" not in found
        assert await stage.unleased(database)
        async with working(database, database_url):
            await scene.finished(database, run_id)
    assert len(sink.recipients()) == len(set(sink.recipients())) == 6_000


async def test_members_that_left_are_forgotten_once_no_run_needs_them(database: PostgresDatabase) -> None:
    made = await stage.build(database, stage.MANY[:4])
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
