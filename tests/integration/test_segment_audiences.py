"""Audiences of segments, groups and named contacts together: counted at the start, frozen slice by slice."""

from __future__ import annotations

import asyncio

import pytest
from tests.support import stage
from tests.support.scene import LINKS
from tests.support.sink import Sink
from tests.support.stage import Stage
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import activation, campaigns, contacts, groups, runs, segments
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.contacts import ContactDraft
from clarion.application.starts import start_run
from clarion.domain.campaign import CampaignState, Category
from clarion.domain.contact import ContactStatus
from clarion.domain.errors import Conflict, Invalid
from clarion.domain.ids import Id
from clarion.domain.segment import Any, Attribute, Column, Compare, Everyone, InGroup, Not, Operator
from clarion.domain.suppression import SuppressionReason

CITY = Attribute(("city",))
IN_BONN = Compare(CITY, Operator.EQUAL, "Bonn")


async def save(made: Stage, email: str | None, **fields: object) -> Id:
    async with made.database.transaction() as tx:
        draft = ContactDraft(email=email, **fields)  # type: ignore[arg-type]
        contact, _ = await contacts.save_contact(tx, account_id=made.account_id, draft=draft)
    return contact.id


async def segment(made: Stage, name: str, rule: object) -> Id:
    async with made.database.transaction() as tx:
        made_now = await segments.create_segment(
            tx,
            account_id=made.account_id,
            name=name,
            rule=rule,  # type: ignore[arg-type]
        )
    return made_now.id


async def change(made: Stage, draft: CampaignDraft) -> None:
    async with made.database.transaction() as tx:
        await campaigns.update_campaign(
            tx, account_id=made.account_id, campaign_id=made.campaign_id, draft=draft, links=LINKS
        )


async def freeze(database: PostgresDatabase, limit: int) -> None:
    """Freezes everything, in slices of this many."""
    while True:
        async with database.transaction() as tx:
            if await tx.runs.take_slice(limit, limit) is None:
                return


async def adds_up(made: Stage) -> tuple[int, int]:
    """The audience of the newest run and its deliveries."""
    async with made.database.reading() as tx:
        report = await runs.report_run(tx, account_id=made.account_id, run_id=await made.run_id())
    return report.run.selected_count, report.frozen


async def test_a_segment_is_an_audience(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink:
        made = await stage.build(database, [], port=sink.port)
        for number in range(30):
            await save(made, f"p{number}@x.example", attributes={"city": "Bonn" if number % 3 else "Kiel"})
        await segment(made, "Bonners", IN_BONN)
        await change(made, CampaignDraft(groups=[], segments=["Bonners"]))
        started = await made.started()
        async with working(database, database_url):
            await made.finished()
    assert (started.campaign.selected_count, started.instances_created) == (20, 20)
    assert sorted(sink.recipients()) == sorted(f"p{n}@x.example" for n in range(30) if n % 3)
    assert await adds_up(made) == (20, 20)
    assert (await made.campaign()).state is CampaignState.COMPLETED


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
async def test_who_is_in_a_group_a_segment_and_the_list_gets_one_message(
    database: PostgresDatabase, limit: int
) -> None:
    made = await stage.build(database, ["a@x.example", "b@x.example"])
    await save(made, "b@x.example", attributes={"city": "Bonn"})
    listed = await save(made, "c@x.example")
    both = await save(made, "d@x.example", attributes={"city": "Bonn"})
    await save(made, "e@x.example", attributes={"city": "Kiel"})
    ids = [await segment(made, "Bonners", IN_BONN), await segment(made, "Everyone at y", Not(Everyone()))]
    draft = CampaignDraft(segments=[one.hex() for one in ids], contacts=[listed.hex(), both.hex()])
    await change(made, draft)
    async with database.transaction() as tx:
        seen = await activation.activate(tx, account_id=made.account_id, campaign_id=made.campaign_id, links=LINKS)
    started = await made.started()
    await freeze(database, limit)
    assert (seen.audience.selected, seen.audience.eligible) == (4, 4)
    assert (started.campaign.selected_count, started.instances_created) == (4, 4)
    assert set(await made.rows()) == {f"{name}@x.example" for name in "abcd"}
    assert await adds_up(made) == (4, 4)


@pytest.mark.parametrize("category", list(Category))
async def test_what_the_start_counts_is_what_the_rows_say(database: PostgresDatabase, category: Category) -> None:
    made = await stage.build(database, ["in-group@x.example"], category=category)
    await save(made, "plain@x.example")
    await save(made, "no-consent@x.example", consent_email=False)
    await save(made, None, phone="+491701234567")
    blocked = await save(made, "blocked@x.example")
    stopped = await save(made, "stopped@x.example", consent_email=False)
    await save(made, "gone@x.example")
    await save(made, "out@x.example")
    await made.execute("UPDATE contact SET status = $2 WHERE id = $1", blocked, ContactStatus.BLOCKED.value)
    await made.execute("UPDATE contact SET status = $2 WHERE id = $1", stopped, ContactStatus.STOPPED.value)
    await made.suppress("gone@x.example", SuppressionReason.BOUNCED)
    await made.suppress("out@x.example", SuppressionReason.UNSUBSCRIBED)
    await segment(made, "All", Everyone())
    await change(made, CampaignDraft(segments=["All"]))
    started = await made.started()
    await freeze(database, 3)
    rows = await made.rows()
    assert rows["blocked@x.example"] == ("skipped", "contact_blocked")
    assert rows["stopped@x.example"] == ("skipped", "contact_blocked")
    assert rows["gone@x.example"] == ("skipped", "suppressed")
    expected = ("skipped", "no_consent") if category is Category.MARKETING else ("pending", None)
    assert rows["no-consent@x.example"] == expected
    pending = sum(state == "pending" for state, _ in rows.values())
    assert (started.campaign.selected_count, started.instances_created) == (8, pending)
    assert await adds_up(made) == (8, 8)


async def test_a_blocked_member_of_a_group_is_counted_and_skipped(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["a@x.example", "b@x.example"])
    await made.execute("UPDATE contact SET status = 'archived' WHERE email = 'b@x.example'")
    started = await made.started()
    await freeze(database, 10)
    assert (started.campaign.selected_count, started.instances_created) == (2, 1)
    assert await made.rows() == {"a@x.example": ("pending", None), "b@x.example": ("skipped", "contact_blocked")}


async def test_whoever_becomes_a_contact_after_the_start_is_not_of_the_audience(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["a@x.example"])
    await segment(made, "All", Everyone())
    await change(made, CampaignDraft(groups=[], segments=["All"]))
    await made.start()
    await save(made, "late@x.example")
    await freeze(database, 10)
    assert set(await made.rows()) == {"a@x.example"}


async def test_a_rule_that_is_changed_after_the_start_changes_no_run(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["a@x.example"])
    await save(made, "b@x.example", attributes={"city": "Bonn"})
    rule_id = await segment(made, "Some", IN_BONN)
    await change(made, CampaignDraft(groups=[], segments=["Some"]))
    await made.start()
    async with database.transaction() as tx:
        await segments.update_segment(tx, account_id=made.account_id, segment_id=rule_id, rule=Everyone())
    await freeze(database, 10)
    assert set(await made.rows()) == {"b@x.example"}


async def test_people_who_come_to_fit_or_no_longer_fit_while_slices_are_taken_are_counted_as_they_are_frozen(
    database: PostgresDatabase,
) -> None:
    made = await stage.build(database, [])
    ids = [await save(made, f"p{n}@x.example", attributes={"city": "Bonn"}) for n in range(6)]
    await segment(made, "Bonners", IN_BONN)
    await change(made, CampaignDraft(groups=[], segments=["Bonners"]))
    started = await made.started()
    async with database.transaction() as tx:
        await tx.runs.take_slice(2, 2)
    assert await adds_up(made) == (6, 2)
    await made.execute("UPDATE contact SET attributes = '{}' WHERE id = ANY($1::bytea[])", [ids[0], ids[4]])
    await freeze(database, 2)
    assert started.campaign.selected_count == 6
    assert await adds_up(made) == (5, 5)
    assert set(await made.rows()) == {f"p{n}@x.example" for n in (0, 1, 2, 3, 5)}


async def test_the_named_of_a_segment_are_found_by_its_rule(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["group@x.example"])
    await save(made, "bonn@x.example", attributes={"city": "Bonn"})
    await save(made, "kiel@x.example", attributes={"city": "Kiel"})
    await segment(made, "Bonners", IN_BONN)
    await change(made, CampaignDraft(segments=["Bonners"]))
    asked = ["group@x.example", "bonn@x.example", "kiel@x.example"]
    async with database.transaction() as tx:
        started = await start_run(tx, account_id=made.account_id, campaign_id=made.campaign_id, only=asked)
    await freeze(database, 10)
    assert started.unmatched == ("kiel@x.example",)
    assert set(await made.rows()) == {"group@x.example", "bonn@x.example"}


async def test_a_segment_may_ask_for_groups_and_be_one_of_many(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["a@x.example", "b@x.example"])
    rule = Any((InGroup(made.group_id), Compare(Column.EMAIL, Operator.EQUAL, "z@x.example")))
    await save(made, "z@x.example")
    await segment(made, "Group and z", rule)
    await segment(made, "None", Not(Everyone()))
    await change(made, CampaignDraft(groups=[], segments=["None", "Group and z"]))
    started = await made.started()
    await freeze(database, 2)
    assert started.campaign.selected_count == 3
    assert set(await made.rows()) == {"a@x.example", "b@x.example", "z@x.example"}


async def test_several_groups_are_counted_once_per_person(database: PostgresDatabase) -> None:
    made = await stage.build(database, [f"p{n}@x.example" for n in range(12)])
    people = list(made.contact_ids.values())
    async with database.transaction() as tx:
        for number in range(10):
            group = await groups.create_group(tx, account_id=made.account_id, name=f"g{number}")
            await groups.add_members(
                tx, account_id=made.account_id, group_id=group.id, contact_ids=people[number : number + 3]
            )
    for names, expected in ((["g0", "g1", "g2"], 5), (["g0", "g5"], 6), ([f"g{n}" for n in range(10)], 12)):
        await change(made, CampaignDraft(groups=names))
        async with database.transaction() as tx:
            seen = await activation.activate(tx, account_id=made.account_id, campaign_id=made.campaign_id, links=LINKS)
        assert (seen.audience.selected, seen.audience.eligible) == (expected, expected)


async def test_a_segment_of_a_campaign_that_has_not_ended_stays(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["a@x.example"])
    held = await segment(made, "Held", Everyone())
    with pytest.raises(Invalid) as unknown:
        await change(made, CampaignDraft(segments=["Held", "No such", "nul\0", "f" * 24]))
    assert [p.field for p in unknown.value.problems] == [f"audience.segments[{n}]" for n in (1, 2, 3)]

    async def delete() -> None:
        async with database.transaction() as tx:
            await segments.delete_segment(tx, account_id=made.account_id, segment_id=held)

    results = await asyncio.gather(change(made, CampaignDraft(segments=["Held"])), delete(), return_exceptions=True)
    assert sum(isinstance(result, Conflict | Invalid) for result in results) == 1, "whoever comes second is refused"
