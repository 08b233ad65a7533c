"""Further runs of a campaign: several at once, over part of an audience, over another one, and tests to the sender."""

from __future__ import annotations

import pytest
from tests.support import stage
from tests.support.people import new_account
from tests.support.scene import LINKS
from tests.support.sink import Sink
from tests.support.stage import Stage
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import campaigns, contacts, groups, lifecycle
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.contacts import ContactDraft
from clarion.application.starts import ONLY_LIMIT, StartedRun, email_keys, start_run
from clarion.domain.campaign import CampaignKind, CampaignState, Category, RunState
from clarion.domain.content import EmailContent
from clarion.domain.errors import Conflict, Invalid, NotFound
from clarion.domain.ids import new_id
from clarion.domain.suppression import SuppressionReason

PEOPLE = ["ada@x.example", "Bob@x.example", "cy@x.example"]


async def run(made: Stage, **given: object) -> StartedRun:
    """One more run of the stage's campaign."""
    async with made.database.transaction() as tx:
        return await start_run(
            tx,
            account_id=made.account_id,
            campaign_id=made.campaign_id,
            **given,  # type: ignore[arg-type]
        )


async def change(made: Stage, draft: CampaignDraft) -> None:
    async with made.database.transaction() as tx:
        await campaigns.update_campaign(
            tx, account_id=made.account_id, campaign_id=made.campaign_id, draft=draft, links=LINKS
        )


async def all_over(made: Stage) -> bool:
    """Whether every run of the account is finished."""
    async with made.database.reading() as tx:
        return bool(
            await tx.connection.fetchval(
                "SELECT bool_and(finished_at IS NOT NULL) FROM run WHERE account_id = $1", made.account_id
            )
        )


async def test_each_call_is_a_run_of_its_own_and_the_campaign_is_completed_with_the_last(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await stage.build(database, PEOPLE, port=sink.port)
        first, second = await run(made), await run(made)
        assert (first.run.ordinal, second.run.ordinal) == (1, 2)
        assert (first.audience.selected, first.unmatched) == (3, ())
        assert (await made.campaign()).state is CampaignState.RUNNING
        async with working(database, database_url):
            await stage.until(lambda: all_over(made))
        assert (await made.campaign()).state is CampaignState.COMPLETED
        third = await run(made)
        assert third.run.number > second.run.number > first.run.number > 0
        assert (await made.campaign()).state is CampaignState.RUNNING
        async with working(database, database_url):
            await stage.until(lambda: all_over(made))
    assert (await made.campaign()).state is CampaignState.COMPLETED
    assert sorted(sink.recipients()) == sorted(PEOPLE * 3)


async def test_only_the_named_people_of_the_audience_are_written_to(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await stage.build(database, PEOPLE, port=sink.port)
        async with database.transaction() as tx:
            await contacts.save_contact(tx, account_id=made.account_id, draft=ContactDraft(email="eve@x.example"))
        only = email_keys([" bob@X.example", "BOB@x.example", "eve@x.example", "who@x.example"], "addresses")
        started = await run(made, only=only)
        async with working(database, database_url):
            await made.finished()
    assert (started.audience.selected, started.unmatched) == (1, ("eve@x.example", "who@x.example"))
    assert sink.recipients() == ["Bob@x.example"]
    assert await made.rows() == {"Bob@x.example": ("sent", None)}


async def test_nobody_of_the_named_being_in_the_audience_is_a_run_without_recipients(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await stage.build(database, PEOPLE, port=sink.port)
        started = await run(made, only=["who@x.example"])
        async with working(database, database_url):
            await made.finished()
    assert started.audience.selected == 0
    assert (await made.rows(), sink.recipients()) == ({}, [])
    assert (await made.campaign()).state is CampaignState.COMPLETED


async def test_naming_no_one_is_not_naming_everyone(database: PostgresDatabase) -> None:
    made = await stage.build(database, PEOPLE)
    assert (await run(made, only=[])).audience.selected == 0


async def test_a_test_goes_to_the_sender_with_the_data_of_the_named_and_moves_nothing(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await stage.build(database, PEOPLE, port=sink.port)
        await made.suppress("ada@x.example", SuppressionReason.BOUNCED)
        await made.suppress("stage@clarion.example", SuppressionReason.UNSUBSCRIBED)  # tried in an earlier test
        started = await run(made, only=["ada@x.example", "cy@x.example"], is_test=True)
        assert started.run.test_address == "stage@clarion.example"
        assert started.audience.eligible == 2
        assert (await made.campaign()).state is CampaignState.DRAFT
        async with working(database, database_url):
            await made.finished()
        assert (await made.campaign()).state is CampaignState.DRAFT
    assert sink.recipients() == ["stage@clarion.example"] * 2
    assert {b"ada@x.example" in mail.data for mail in sink.accepted} == {True, False}
    assert all(b"Hello ada@x.example" in mail.data or b"Hello cy@x.example" in mail.data for mail in sink.accepted)


async def test_a_test_goes_to_the_address_the_message_is_from(database: PostgresDatabase) -> None:
    email = EmailContent(subject="Hello", html="<p>x</p>", from_="Ann <Ann@other.example>")
    made = await stage.build(database, PEOPLE, email=email)
    assert (await run(made, only=["ada@x.example"], is_test=True)).run.test_address == "Ann@other.example"


async def test_a_test_does_not_end_a_campaign_that_is_under_way_and_nor_does_its_failure(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await stage.build(database, PEOPLE, port=sink.port)
        first = await run(made)
        await made.pause()
        await run(made, only=["ada@x.example"], is_test=True)
        async with working(database, database_url):
            await sink.wait_accepted(1)
            await made.finished()
        campaign = await made.campaign()
        assert campaign.state is CampaignState.PAUSED
        await made.resume()
        async with database.reading() as tx:
            again = await tx.runs.get(made.account_id, first.run.id)
        assert again is not None
        assert again.state is RunState.SENDING


async def test_a_test_without_addresses_is_refused(database: PostgresDatabase) -> None:
    made = await stage.build(database, PEOPLE)
    givens: tuple[dict[str, list[str]], ...] = ({}, {"only": []})
    for given in givens:
        with pytest.raises(Invalid) as refused:
            await run(made, is_test=True, **given)
        assert [(p.field, p.rule) for p in refused.value.problems] == [("addresses", "required")]


async def test_a_draft_that_was_tested_is_archived_and_not_deleted(database: PostgresDatabase) -> None:
    made = await stage.build(database, PEOPLE)
    named = {"account_id": made.account_id, "campaign_id": made.campaign_id}
    with pytest.raises(Conflict) as refused:
        async with database.transaction() as tx:
            await lifecycle.archive(tx, **named)
    assert refused.value.code == "CAMPAIGN_NOT_FINISHED"
    await run(made, only=["ada@x.example"], is_test=True)
    with pytest.raises(Conflict) as kept:
        async with database.transaction() as tx:
            await campaigns.delete_campaign(tx, **named)
    assert kept.value.code == "CAMPAIGN_NOT_EDITABLE"
    async with database.transaction() as tx:
        assert (await lifecycle.archive(tx, **named)).state is CampaignState.ARCHIVED


async def test_another_audience_takes_the_place_of_the_campaigns_own(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await stage.build(database, PEOPLE, port=sink.port)
        async with database.transaction() as tx:
            others = await groups.create_group(tx, account_id=made.account_id, name="others")
            added = [made.contact_ids["cy@x.example"]]
            await groups.add_members(tx, account_id=made.account_id, group_id=others.id, contact_ids=added)
        started = await run(made, groups=[others.id])
        async with working(database, database_url):
            await made.finished()
    assert started.audience.selected == 1
    assert sink.recipients() == ["cy@x.example"]
    stranger = await new_account(database)
    async with database.transaction() as tx:
        foreign = await groups.create_group(tx, account_id=stranger, name="foreign")
    for given in ({"groups": [foreign.id]}, {"groups": [new_id()]}, {"segments": [new_id()]}):
        with pytest.raises(Invalid) as refused:
            await run(made, **given)
        assert [p.rule for p in refused.value.problems] == ["exists"]


async def test_what_a_call_says_is_kept_with_its_run(database: PostgresDatabase) -> None:
    made = await stage.build(database, PEOPLE)
    started = await run(made, context={"city": "Zürich", "n": [1, None]})
    async with database.reading() as tx:
        source = await tx.runs.source(started.run.id)
    assert source is not None
    assert source.context == {"city": "Zürich", "n": [1, None]}
    for bad in ("\0", "\ud800", "a" * 300_000, object()):
        with pytest.raises(Invalid):
            await run(made, context={"x": bad})


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (CampaignState.PAUSED, "CAMPAIGN_PAUSED"),
        (CampaignState.STOPPED, "CAMPAIGN_NOT_STARTABLE"),
        (CampaignState.FAILED, "CAMPAIGN_NOT_STARTABLE"),
        (CampaignState.ARCHIVED, "CAMPAIGN_NOT_STARTABLE"),
    ],
)
async def test_a_state_that_cannot_run_once_more_has_its_code(
    database: PostgresDatabase, state: CampaignState, code: str
) -> None:
    made = await stage.build(database, PEOPLE)
    await made.execute("UPDATE campaign SET state = $1", state.value)
    with pytest.raises(Conflict) as refused:
        await run(made)
    assert refused.value.code == code
    async with database.reading() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM run") == 0


async def test_what_lacks_something_does_not_run(database: PostgresDatabase) -> None:
    made = await stage.build(database, PEOPLE)
    with pytest.raises(NotFound):
        async with database.transaction() as tx:
            await start_run(tx, account_id=await new_account(database), campaign_id=made.campaign_id)
    with pytest.raises(Invalid):
        await run(made, only=["a@x.example"] * (ONLY_LIMIT + 1))
    for draft, code in (
        (CampaignDraft(groups=[]), "CAMPAIGN_HAS_NO_LEADS"),
        (CampaignDraft(email=None), "WORKFLOW_NOT_READY"),
        (CampaignDraft(sender_id=None), "CHANNEL_NOT_CONNECTED"),
        (CampaignDraft(kind=CampaignKind.SEQUENCE), "CAMPAIGN_NOT_BOUNDED"),
    ):
        await change(made, draft)
        with pytest.raises(Conflict) as refused:
            await run(made)
        assert refused.value.code == code


async def test_a_campaign_whose_end_has_passed_is_not_started(database: PostgresDatabase) -> None:
    made = await stage.build(database, PEOPLE)
    await made.execute("UPDATE campaign SET end_at = now()")
    for begin in (run(made), made.started()):
        with pytest.raises(Conflict) as refused:
            await begin
        assert refused.value.code == "CAMPAIGN_NOT_STARTABLE"


async def test_a_pause_holds_every_run_and_a_stop_ends_every_run(database: PostgresDatabase, database_url: str) -> None:
    made = await stage.build(database, PEOPLE, category=Category.TRANSACTIONAL)
    runs = [(await run(made)).run.id for _ in range(3)]

    async def states() -> set[str]:
        async with database.reading() as tx:
            rows = await tx.connection.fetch("SELECT state FROM run WHERE id = ANY($1::bytea[])", runs)
        return {row["state"] for row in rows}

    await made.pause()
    assert await states() == {"paused"}
    await made.resume()
    assert await states() == {"sending"}
    await made.stop()
    assert await states() == {"stopped"}
    async with working(database, database_url):
        await stage.until(lambda: all_over(made))
    async with database.reading() as tx:
        found = await tx.connection.fetch("SELECT state, count(*) FROM delivery GROUP BY 1")
    assert {row["state"]: row["count"] for row in found} == {"cancelled": 9}
