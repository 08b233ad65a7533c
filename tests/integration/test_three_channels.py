"""Campaigns on several channels: who is written to on which of them, and what callers see of their parts."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support import stage
from tests.support.crowd import Counts, crowd, expected, settle_in
from tests.support.scene import LINKS
from tests.support.three_channels import built, change, far_sides, is_over, reported
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import activation, segments
from clarion.application.calls import TriggerCall, TriggerRecipient
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.executions import list_outcomes
from clarion.domain.campaign import CampaignState, ChannelPolicy, RunState
from clarion.domain.segment import Everyone
from clarion.pipeline import due, retaining, settling, snapshot
from clarion.pipeline.intake import Intake

ORDERS = [("email", "sms", "push"), ("push", "sms", "email"), ("sms", "push", "email")]
AGAIN = "UPDATE campaign SET state = 'draft' WHERE id = $1"
CALLABLE = "UPDATE campaign SET kind = 'triggered', state = 'running', group_ids = '{}' WHERE id = $1"


def unsent(counts: Counts) -> Counts:
    """The same before anything is sent: that a number is a landline is known when its message is made."""
    waiting: Counts = Counter()
    for (channel, state, reason), count in counts.items():
        waits = state == "sent" or reason == "landline"
        waiting[(channel, "pending", None) if waits else (channel, state, reason)] += count
    return waiting


async def frozen(database: PostgresDatabase) -> None:
    """Freezes everyone."""
    while await snapshot.take_slice(database):
        pass


@pytest.mark.parametrize("policy", ChannelPolicy)
async def test_whoever_is_reached_on_a_channel_is_what_a_count_of_the_mix_says(
    database: PostgresDatabase, policy: ChannelPolicy
) -> None:
    people = crowd(1500, seed=20)
    made = await built(database, people)
    async with database.transaction() as tx:
        await segments.create_segment(tx, account_id=made.account_id, name="all", rule=Everyone())
    for order in ORDERS:
        await change(made, CampaignDraft(channel_policy=policy, channel_order=order))
        if order is ORDERS[-1]:  # a rule selects nobody who is deleted, and is counted in another way
            await change(made, CampaignDraft(groups=[], segments=["all"]))
            people = [one for one in people if not one.is_deleted]
        async with database.transaction() as tx:
            seen = await activation.activate(tx, account_id=made.account_id, campaign_id=made.campaign_id, links=LINKS)
        started = await made.started()
        await frozen(database)
        said = unsent(expected(people, order, first_available=policy is ChannelPolicy.FIRST_AVAILABLE))
        assert await reported(made) == said
        assert (seen.audience.selected, seen.audience.eligible) == (len(people), started.instances_created)
        for channel in order:
            parts = [part for part in seen.audience.parts if part.channel == channel]
            assert sum(part.selected for part in parts) == sum(n for key, n in said.items() if key[0] == channel)
            assert sum(part.eligible for part in parts) == said[channel, "pending", None]
        await made.execute(AGAIN, made.campaign_id)


async def test_a_start_over_many_answers_with_an_estimate_and_its_report_is_exact(database: PostgresDatabase) -> None:
    people = crowd(4_500, seed=25)
    made = await built(database, people)
    said = unsent(expected(people, ORDERS[0], first_available=True))
    await change(made, CampaignDraft(channel_policy=ChannelPolicy.FIRST_AVAILABLE, channel_order=ORDERS[0]))
    started = await made.started()
    reached = said["email", "pending", None] + said["sms", "pending", None]
    assert (started.campaign.selected_count, started.is_estimate) == (len(people), True)
    assert reached * 0.8 < started.instances_created <= len(people)
    await frozen(database)
    assert await reported(made) == said
    await made.execute("UPDATE campaign SET state = 'draft', push_sender_ids = '{}', sms_sender_id = NULL")
    assert not (await made.started()).is_estimate


@pytest.mark.parametrize("policy", ChannelPolicy)
async def test_a_call_reaches_its_recipients_as_an_audience_is_reached(
    database: PostgresDatabase, policy: ChannelPolicy
) -> None:
    people = [one for one in crowd(600, seed=21) if not one.is_deleted]
    made = await built(database, people)
    order = ORDERS[1]
    await change(made, CampaignDraft(channel_policy=policy, channel_order=order))
    await made.execute(CALLABLE, made.campaign_id)
    intake = Intake(database)
    for first in range(0, len(people), 200):
        called = people[first : first + 200]
        execution = await intake.submit(
            TriggerCall(
                account_id=made.account_id,
                campaign_id=made.campaign_id,
                request_id=None,
                body_hash=bytes(32),
                recipients=tuple(TriggerRecipient(namespace="id", value=one.id.hex()) for one in called),
            )
        )
        async with database.reading() as tx:
            outcomes = await list_outcomes(tx, account_id=made.account_id, execution=execution, limit=10_000)
        is_first = policy is ChannelPolicy.FIRST_AVAILABLE
        assert execution.recipients == len(called)
        found = Counter((one.channel.value, one.state.value, one.reason) for one in outcomes)
        assert found == unsent(expected(called, order, first_available=is_first))
    assert await reported(made) == unsent(expected(people, order, first_available=is_first))


@pytest.mark.parametrize("policy", ChannelPolicy)
async def test_what_was_sent_is_what_a_count_of_the_mix_says(
    database: PostgresDatabase, database_url: str, tmp_path: Path, policy: ChannelPolicy
) -> None:
    async with far_sides(tmp_path) as far:
        people = crowd(200, seed=22, subscribe=far.web.subscribe)
        made = await built(database, people, far.ways, far.sink.port)
        await change(made, CampaignDraft(channel_policy=policy, channel_order=ORDERS[0]))
        await made.started()
        async with working(database, database_url):
            await stage.until(lambda: is_over(made))
        said = expected(people, ORDERS[0], first_available=policy is ChannelPolicy.FIRST_AVAILABLE)
        assert await reported(made) == said
        assert far.complaints() == []
        for channel, addresses in far.took().items():
            assert len(set(addresses)) == len(addresses) == said[channel, "sent", None]
    assert (await made.campaign()).state is CampaignState.COMPLETED


async def test_an_audience_that_is_read_again_gives_newcomers_each_channel_once(database: PostgresDatabase) -> None:
    people = crowd(90, seed=23)
    made = await built(database, people[:60])
    async with database.reading() as tx:
        end = await tx.campaigns.now() + timedelta(days=1)
    await change(made, CampaignDraft(recheck_seconds=3600, end_at=end))
    await made.started()
    await frozen(database)
    async with database.transaction() as tx:
        await settle_in(tx, made.account_id, made.campaign_id, made.group_id, people[60:])
    await made.execute("UPDATE run SET recheck_at = now()")
    assert await due.read_again(database) == 1
    await frozen(database)
    assert await reported(made) == unsent(expected(people, ORDERS[0], first_available=False))
    await made.stop()
    while await settling.close_runs(database):
        pass
    assert await is_over(made)
    counts = await reported(made)
    assert {state for _, state, _ in counts} == {"cancelled", "skipped"}
    await made.execute("UPDATE run SET finished_at = now() - interval '400 days'")
    assert await retaining.retain(database) == 5
    assert await reported(made) == counts


async def test_a_part_that_cannot_be_sent_fails_alone_and_the_run_says_so_when_it_is_over(
    database: PostgresDatabase, database_url: str, tmp_path: Path
) -> None:
    async with far_sides(tmp_path) as far:
        people = crowd(40, seed=24, subscribe=far.web.subscribe)
        made = await built(database, people, far.ways, far.sink.port)
        await made.started()
        await frozen(database)
        async with database.transaction() as tx:
            run = await tx.runs.get(made.account_id, await made.run_id())
            assert run is not None
            texts = next(part for part in run.parts if part.channel == "sms")
            await tx.runs.fail(texts.id, "its sender is gone")
        async with working(database, database_url):
            await stage.until(lambda: is_over(made))
        said = expected(people, ORDERS[0], first_available=False)
        due_texts = said["sms", "sent", None] + said.pop(("sms", "skipped", "landline"), 0)
        del said["sms", "sent", None]
        assert await reported(made) == said + Counter({("sms", "cancelled", "run_stopped"): due_texts})
    async with database.reading() as tx:
        run = await tx.runs.get(made.account_id, texts.id)
    assert run is not None
    assert (run.id, run.state, run.state_reason) == (run.parts[0].id, RunState.FAILED, "its sender is gone")
    assert (await made.campaign()).state is CampaignState.COMPLETED
