"""A campaign from state to state: every verb in every state, kinds that have no audience to start, and drafts again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.support import stage
from tests.support.scene import LINKS
from tests.support.stage import Stage

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import activation, campaigns, lifecycle
from clarion.application.campaign_draft import CampaignDraft
from clarion.domain.campaign import (
    CAMPAIGN_TRANSITIONS,
    RUN_TRANSITIONS,
    Campaign,
    CampaignKind,
    CampaignState,
    Category,
    RunState,
)
from clarion.domain.content import EmailContent
from clarion.domain.errors import Conflict, Invalid
from clarion.pipeline import due

VERBS = {
    CampaignState.PAUSED: lifecycle.pause,
    CampaignState.STOPPED: lifecycle.stop,
    CampaignState.DRAFT: lifecycle.reopen,
    CampaignState.ARCHIVED: lifecycle.archive,
}


async def change(made: Stage, **fields: Any) -> Campaign:
    async with made.database.transaction() as tx:
        return await campaigns.update_campaign(
            tx, account_id=made.account_id, campaign_id=made.campaign_id, draft=CampaignDraft(**fields), links=LINKS
        )


async def runs_of(made: Stage) -> list[tuple[str, str]]:
    async with made.database.reading() as tx:
        return [tuple(row) for row in await tx.connection.fetch("SELECT state, category FROM run ORDER BY id")]


@pytest.mark.parametrize("target", list(VERBS))
@pytest.mark.parametrize("source", list(CampaignState))
async def test_a_verb_moves_a_campaign_exactly_where_the_table_of_transitions_allows(
    database: PostgresDatabase, source: CampaignState, target: CampaignState
) -> None:
    made = await stage.build(database, ["a@x.example"])
    await made.started()
    await made.execute("UPDATE campaign SET state = $1", source.value)
    moved = None
    try:
        async with database.transaction() as tx:
            moved = await VERBS[target](tx, account_id=made.account_id, campaign_id=made.campaign_id)
    except Conflict:
        assert (await made.campaign()).state is source
    assert (moved is not None) == (target in CAMPAIGN_TRANSITIONS[source])
    assert moved is None or moved.state is target


@pytest.mark.parametrize("source", list(CampaignState))
async def test_a_campaign_is_started_once_in_its_life(database: PostgresDatabase, source: CampaignState) -> None:
    made = await stage.build(database, ["a@x.example"])
    await made.execute("UPDATE campaign SET state = $1", source.value)
    may = source in {CampaignState.DRAFT, CampaignState.SCHEDULED}
    try:
        await made.started()
    except Conflict:
        assert not may
    else:
        assert may
    assert len(await runs_of(made)) == int(may)


@pytest.mark.parametrize("target", list(RunState))
@pytest.mark.parametrize("source", list(RunState))
async def test_a_run_moves_only_where_its_table_of_transitions_allows(
    database: PostgresDatabase, source: RunState, target: RunState
) -> None:
    made = await stage.build(database, ["a@x.example"])
    await made.started()
    await made.execute("UPDATE run SET state = $1", source.value)
    async with database.transaction() as tx:
        moved = await tx.runs.move_active(made.campaign_id, target)
    assert moved == int(target in RUN_TRANSITIONS[source])
    assert await runs_of(made) == [((target if moved else source).value, "marketing")]


async def test_a_triggered_campaign_is_started_without_a_run(database: PostgresDatabase) -> None:
    made = await stage.build(database, [], category=Category.TRANSACTIONAL)
    await change(made, kind=CampaignKind.TRIGGERED, groups=[])
    async with database.transaction() as tx:
        seen = await activation.activate(tx, account_id=made.account_id, campaign_id=made.campaign_id, links=LINKS)
    assert (seen.audience.selected, seen.campaign.state) == (0, CampaignState.DRAFT)
    started = await made.started()
    assert (started.triggered, started.instances_created) == (False, 0)
    assert started.campaign.state is CampaignState.RUNNING
    assert await runs_of(made) == []
    with pytest.raises(Conflict) as twice:
        await made.started()
    assert twice.value.code == "CAMPAIGN_ALREADY_RUNNING"


async def test_a_triggered_campaign_takes_calls_from_its_start_time_to_its_end(database: PostgresDatabase) -> None:
    made = await stage.build(database, [], category=Category.TRANSACTIONAL)
    async with database.reading() as tx:
        now = await tx.campaigns.now()
    later = {"start_at": now + timedelta(hours=1), "end_at": now + timedelta(hours=2)}
    scheduled = await change(made, kind=CampaignKind.TRIGGERED, groups=[], **later)
    assert scheduled.state is CampaignState.SCHEDULED
    assert await due.start_due(database) == 0
    await made.execute("UPDATE campaign SET start_at = now()")
    assert await due.start_due(database) == 1
    assert (await made.campaign()).state is CampaignState.RUNNING
    assert await due.end_overdue(database) == 0
    await made.execute("UPDATE campaign SET end_at = now()")
    assert await due.end_overdue(database) == 1
    campaign = await made.campaign()
    assert (campaign.state, campaign.state_reason) == (CampaignState.COMPLETED, "end_reached")
    assert await due.end_overdue(database) == 0


async def test_a_resume_after_the_end_ends_the_campaign_and_nobody_is_written_to(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["a@x.example"])
    await made.started()
    await made.pause()
    await made.execute("UPDATE campaign SET end_at = now()")
    await made.resume()
    campaign = await made.campaign()
    assert (campaign.state, campaign.state_reason) == (CampaignState.STOPPED, "end_reached")
    assert [state for state, _ in await runs_of(made)] == ["stopped"]


OPEN_RUN = """
UPDATE run SET state = 'sending', snapshot_done = true, accepts_until = now() + interval '1 hour'
RETURNING id
"""


async def opened(database: PostgresDatabase) -> Stage:
    """A running triggered campaign with a run that is open for calls."""
    made = await stage.build(database, ["a@x.example"], category=Category.TRANSACTIONAL)
    await made.started()
    await made.execute(OPEN_RUN)
    await made.execute("UPDATE campaign SET kind = 'triggered'")
    return made


async def close(made: Stage) -> None:
    async with made.database.reading() as tx:
        for run_id, _ in await tx.runs.unfinished(10):
            await tx.runs.complete(run_id)


async def test_a_run_that_takes_calls_is_not_over_and_its_campaign_outlives_it(database: PostgresDatabase) -> None:
    made = await opened(database)
    await close(made)
    assert await runs_of(made) == [("sending", "transactional")]
    await made.execute("UPDATE run SET accepts_until = now()")
    await close(made)
    assert await runs_of(made) == [("completed", "transactional")]
    assert (await made.campaign()).state is CampaignState.RUNNING


async def test_stopping_a_triggered_campaign_takes_no_more_calls_and_sends_what_was_taken(
    database: PostgresDatabase,
) -> None:
    made = await opened(database)
    await made.stop()
    assert await runs_of(made) == [("sending", "transactional")]
    await close(made)
    assert await runs_of(made) == [("completed", "transactional")]
    assert (await made.campaign()).state is CampaignState.STOPPED


async def test_stopping_a_paused_triggered_campaign_cancels_what_it_held(database: PostgresDatabase) -> None:
    made = await opened(database)
    await made.pause()
    await made.stop()
    assert await runs_of(made) == [("stopped", "transactional")]


async def test_a_sequence_is_stored_and_not_started(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["a@x.example"])
    assert (await change(made, kind=CampaignKind.SEQUENCE)).kind is CampaignKind.SEQUENCE
    with pytest.raises(Conflict) as refused:
        await made.started()
    assert refused.value.code == "CAMPAIGN_NOT_BOUNDED"
    with pytest.raises(Invalid) as unready:
        async with database.transaction() as tx:
            await activation.activate(tx, account_id=made.account_id, campaign_id=made.campaign_id, links=LINKS)
    assert [p.field for p in unready.value.problems] == ["kind"]


async def test_a_campaign_that_is_a_draft_again_is_changed_and_runs_once_more(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["a@x.example"])
    named = {"account_id": made.account_id, "campaign_id": made.campaign_id}
    await made.started()
    await made.stop()
    async with database.transaction() as tx:
        await lifecycle.reopen(tx, **named)
    await change(made, email=EmailContent(subject="Again", html="<p>again</p>"))
    with pytest.raises(Conflict) as kept:
        async with database.transaction() as tx:
            await campaigns.delete_campaign(tx, **named)
    assert kept.value.code == "CAMPAIGN_NOT_EDITABLE"
    await made.started()
    campaign = await made.campaign()
    assert (campaign.state, campaign.state_reason) == (CampaignState.RUNNING, None)
    assert [state for state, _ in await runs_of(made)] == ["stopped", "preparing"]


async def test_a_start_before_its_time_makes_now_the_start_time(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["a@x.example"])
    async with database.reading() as tx:
        now = await tx.campaigns.now()
    await change(made, start_at=now + timedelta(days=3), end_at=now + timedelta(days=9))
    started = (await made.started()).campaign
    assert started.start_at is not None
    assert started.start_at == started.started_at
    assert started.end_at == now + timedelta(days=9)
