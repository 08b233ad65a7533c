"""Audiences that are read again until their campaign's end: newcomers get the message, nobody gets it twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.support import stage
from tests.support.scene import LINKS
from tests.support.sink import Sink
from tests.support.stage import Stage
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import campaigns, contacts, groups, lifecycle, runs, segments
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.contacts import ContactDraft
from clarion.application.starts import start_run
from clarion.domain.campaign import CampaignState, RunState
from clarion.domain.errors import Conflict, Invalid
from clarion.domain.segment import Column, Compare, Operator
from clarion.pipeline import due, settling, snapshot

DUE = "UPDATE run SET recheck_at = now() WHERE recheck_at IS NOT NULL"
NEVER = 0.001
"""A message in 17 minutes: the first one goes, and no test sees the second."""
OVER = "UPDATE campaign SET end_at = now()"
DUE_AND_OVER = f"WITH over AS ({OVER}) {DUE}"


async def built(database: PostgresDatabase, port: int = 9, rate: float | None = None) -> Stage:
    """A campaign for two people that reads its audience again every hour for a day."""
    made = await stage.build(database, ["a@x.example", "b@x.example"], port=port, rate=rate)
    async with database.transaction() as tx:
        end = await tx.campaigns.now() + timedelta(days=1)
        await campaigns.update_campaign(
            tx,
            account_id=made.account_id,
            campaign_id=made.campaign_id,
            draft=CampaignDraft(recheck_seconds=3600, end_at=end),
            links=LINKS,
        )
    return made


async def join(made: Stage, *addresses: str) -> None:
    async with made.database.transaction() as tx:
        for address in addresses:
            contact, _ = await contacts.save_contact(tx, account_id=made.account_id, draft=ContactDraft(email=address))
            await groups.add_members(tx, account_id=made.account_id, group_id=made.group_id, contact_ids=[contact.id])


async def run_state(made: Stage) -> RunState:
    async with made.database.reading() as tx:
        found = await tx.runs.get(made.account_id, await made.run_id())
    assert found is not None
    return found.state


async def adds_up(made: Stage) -> tuple[int, int]:
    async with made.database.reading() as tx:
        report = await runs.report_run(tx, account_id=made.account_id, run_id=await made.run_id())
    return report.run.selected_count, report.frozen


async def test_newcomers_get_the_message_once_and_the_campaign_is_completed_at_its_end(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await built(database, sink.port)
        async with working(database, database_url):
            run_id = await made.start()
            await sink.wait_accepted(2)
            await join(made, "c@x.example", "d@x.example")
            for _ in range(2):
                await made.execute(DUE)
                await sink.wait_accepted(4)
                await stage.until(lambda: stage.settled(database, run_id, {"sent": 4}))
            assert await settling.close_runs(database) == 0
            assert (await made.campaign()).state is CampaignState.RUNNING
            await made.execute(OVER)
            await made.finished()
    campaign = await made.campaign()
    assert (campaign.state, campaign.state_reason) == (CampaignState.COMPLETED, "end_reached")
    assert await run_state(made) is RunState.COMPLETED
    assert sorted(sink.recipients()) == [f"{name}@x.example" for name in "abcd"]
    assert await adds_up(made) == (4, 4)


async def test_an_audience_that_is_empty_at_the_start_may_fill_up(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await built(database, sink.port)
        async with database.transaction() as tx:
            await groups.remove_members(
                tx, account_id=made.account_id, group_id=made.group_id, contact_ids=list(made.contact_ids.values())
            )
        started = await made.started()
        async with working(database, database_url):
            await join(made, "c@x.example")
            await stage.until(lambda: frozen(made))
            await made.execute(DUE)
            await sink.wait_accepted(1)
    assert (started.campaign.selected_count, started.instances_created) == (0, 0)
    assert sink.recipients() == ["c@x.example"]


async def frozen(made: Stage) -> bool:
    async with made.database.reading() as tx:
        run = await tx.runs.get(made.account_id, await made.run_id())
    return run is not None and run.snapshot_done


async def test_whoever_left_before_the_next_reading_keeps_what_was_sent_and_whoever_comes_back_gets_no_other(
    database: PostgresDatabase,
) -> None:
    made = await built(database)
    await made.start()
    await snapshot.take_slice(database)
    gone = [made.contact_ids["a@x.example"]]
    async with database.transaction() as tx:
        await groups.remove_members(tx, account_id=made.account_id, group_id=made.group_id, contact_ids=gone)
    for back in (False, True):
        if back:
            await join(made, "a@x.example")
        await made.execute(DUE)
        assert await due.read_again(database) == 1
        while await snapshot.take_slice(database):
            continue
        assert await adds_up(made) == (2, 2)


async def test_a_reading_is_not_due_while_it_is_held_or_still_going_on(database: PostgresDatabase) -> None:
    made = await built(database)
    await made.start()
    await made.execute(DUE)
    assert await due.read_again(database) == 0, "the first one is not through"
    await snapshot.take_slice(database)
    await made.pause()
    assert await due.read_again(database) == 0
    await made.resume()
    assert await due.read_again(database) == 1
    assert await due.read_again(database) == 0, "the next one is an hour away"
    while await snapshot.take_slice(database):
        continue
    await made.execute(DUE_AND_OVER)
    await due.read_again(database)
    assert await frozen(made), "the end has come, though nobody has ended it yet"


async def test_the_rule_of_a_segment_is_read_anew(database: PostgresDatabase) -> None:
    made = await built(database)
    async with database.transaction() as tx:
        rule = Compare(Column.EMAIL, Operator.EQUAL, "a@x.example")
        segment = await segments.create_segment(tx, account_id=made.account_id, name="Some", rule=rule)
        await campaigns.update_campaign(
            tx,
            account_id=made.account_id,
            campaign_id=made.campaign_id,
            draft=CampaignDraft(groups=[], segments=["Some"]),
            links=LINKS,
        )
    await made.start()
    await snapshot.take_slice(database)
    assert set(await made.rows()) == {"a@x.example"}
    async with database.transaction() as tx:
        other = Compare(Column.EMAIL, Operator.EQUAL, "b@x.example")
        await segments.update_segment(tx, account_id=made.account_id, segment_id=segment.id, rule=other)
    await made.execute(DUE)
    await due.read_again(database)
    while await snapshot.take_slice(database):
        continue
    assert set(await made.rows()) == {"a@x.example", "b@x.example"}
    assert await adds_up(made) == (2, 2)


@pytest.mark.parametrize("paused", [False, True])
async def test_at_the_end_what_is_pending_is_cancelled(
    database: PostgresDatabase, database_url: str, *, paused: bool
) -> None:
    async with Sink() as sink:
        made = await built(database, sink.port, rate=NEVER)
        await made.start()
        async with working(database, database_url):
            await sink.wait_accepted(1)
            if paused:
                await made.pause()
            await join(made, *(f"late{n}@x.example" for n in range(5)))
            await made.execute(DUE_AND_OVER)
            await made.finished()
    campaign = await made.campaign()
    assert (campaign.state, campaign.state_reason) == (CampaignState.COMPLETED, "end_reached")
    rows = await made.rows()
    assert sorted(rows.values(), key=str) == [("cancelled", "run_stopped"), ("sent", None)]
    assert await adds_up(made) == (2, 2)
    assert await run_state(made) is RunState.STOPPED


async def test_a_stop_ends_the_readings(database: PostgresDatabase, database_url: str) -> None:
    made = await built(database)
    await made.start()
    await snapshot.take_slice(database)
    await join(made, "c@x.example")
    await made.execute(DUE)
    await due.read_again(database)
    await made.stop()
    async with working(database, database_url):
        await made.finished()
    assert set(await made.rows()) == {"a@x.example", "b@x.example"}
    assert (await made.campaign()).state is CampaignState.STOPPED
    await made.execute(DUE)
    assert await due.read_again(database) == 0


async def test_a_part_of_the_audience_is_not_read_again(database: PostgresDatabase) -> None:
    made = await built(database)
    async with database.transaction() as tx:
        named: dict[str, Any] = {"account_id": made.account_id, "campaign_id": made.campaign_id}
        assert (await start_run(tx, **named, only=["a@x.example"])).run.recheck_at is None
        assert (await start_run(tx, **named)).run.recheck_at is not None


async def test_reading_again_needs_an_end_and_a_broadcast_and_a_sensible_interval(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["a@x.example"])
    named = {"account_id": made.account_id, "campaign_id": made.campaign_id}
    for seconds in (0, -1, 59, 2**31, 2**70):
        with pytest.raises(Invalid) as refused:
            async with database.transaction() as tx:
                await campaigns.update_campaign(tx, **named, draft=CampaignDraft(recheck_seconds=seconds), links=LINKS)
        assert [(p.field, p.rule) for p in refused.value.problems] == [("recheckSeconds", "range")]
    async with database.transaction() as tx:
        await campaigns.update_campaign(tx, **named, draft=CampaignDraft(recheck_seconds=60), links=LINKS)
    with pytest.raises(Conflict) as endless:
        async with database.transaction() as tx:
            await lifecycle.start(tx, **named)
    assert endless.value.code == "WORKFLOW_NOT_READY"
