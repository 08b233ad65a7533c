"""Calls with their recipients are stored together: each whole or not at all, once, and whatever its neighbours are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tests.support import calls
from tests.support.calls import call, to

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import intake as accepting
from clarion.application.calls import KnownCall, TriggerRecipient
from clarion.application.intake import Answer, accept
from clarion.application.ports import Transaction
from clarion.domain.campaign import Category
from clarion.domain.errors import Conflict, Invalid, NotFound, Unavailable
from clarion.domain.execution import Execution
from clarion.domain.suppression import SuppressionReason
from clarion.pipeline import intake as intake_module
from clarion.pipeline.intake import Intake

ANN, BEN, CAT = "ann@load.example", "ben@load.example", "cat@load.example"


async def test_a_call_is_stored_when_it_is_answered(database: PostgresDatabase) -> None:
    made = await calls.build(database, [ANN, BEN])
    execution = await Intake(database).submit(call(made, ANN, BEN, request_id="r-1"))
    assert (execution.request_id, execution.first_seq, execution.last_seq) == ("r-1", 1, 2)
    assert await made.rows() == {ANN: ("pending", None), BEN: ("pending", None)}


async def test_the_same_request_id_and_body_are_answered_as_the_first_time(database: PostgresDatabase) -> None:
    made = await calls.build(database, [ANN])
    intake = Intake(database)
    first = await intake.submit(call(made, ANN, request_id="r-1"))
    assert await intake.submit(call(made, ANN, request_id="r-1")) == first
    assert len(await made.rows()) == 1


async def test_the_same_request_id_with_another_body_is_refused(database: PostgresDatabase) -> None:
    made = await calls.build(database, [ANN, BEN])
    intake = Intake(database)
    await intake.submit(call(made, ANN, request_id="r-1"))
    with pytest.raises(Conflict) as refused:
        await intake.submit(call(made, BEN, request_id="r-1"))
    assert refused.value.code == "REQUEST_ID_REUSED"
    assert set(await made.rows()) == {ANN}


async def test_twenty_at_once_with_one_request_id_are_one_execution(database: PostgresDatabase) -> None:
    made = await calls.build(database, [ANN])
    intakes = [Intake(database), Intake(database)]
    answers = await asyncio.gather(*(intakes[n % 2].submit(call(made, ANN, request_id="r-1")) for n in range(20)))
    assert len({answer.id for answer in answers}) == 1
    assert len(await made.rows()) == 1


async def test_an_unknown_contact_refuses_its_call_and_stores_nothing_of_it(database: PostgresDatabase) -> None:
    made = await calls.build(database, [ANN, BEN])
    intake = Intake(database)
    refused, kept = await asyncio.gather(
        intake.submit(call(made, ANN, "nobody@load.example", request_id="r-1")),
        intake.submit(call(made, BEN, request_id="r-2")),
        return_exceptions=True,
    )
    assert isinstance(refused, NotFound)
    assert refused.kind == "contact"
    assert isinstance(kept, Execution)
    assert set(await made.rows()) == {BEN}


async def test_unknown_contacts_are_made_where_the_campaign_says_so(database: PostgresDatabase) -> None:
    made = await calls.build(database, creates_contacts=True)
    intake = Intake(database)
    await asyncio.gather(*(intake.submit(call(made, to("Ann@Load.Example"), request_id=f"r-{n}")) for n in range(5)))
    await intake.submit(call(made, to("c-7", "crmid", addresses={"email": CAT})))
    async with database.reading() as tx:
        found = await tx.contacts.list_after(made.account_id, None, 10)
        assert [one.email_key for one in found] == ["ann@load.example", None]
        rows = await tx.deliveries.page(await made.run_id(), None, None, 0, 10)
    assert {row.contact_id for row in rows} == {one.id for one in found}
    assert [row.address for row in rows] == ["Ann@load.example"] * 5 + [CAT]


async def test_whoever_may_not_be_written_to_is_skipped_and_told_why(database: PostgresDatabase) -> None:
    made = await calls.build(database, [ANN, BEN, CAT, "dan@load.example"], category=Category.MARKETING)
    await made.suppress(BEN, SuppressionReason.BOUNCED)
    await made.suppress("dan@load.example", SuppressionReason.UNSUBSCRIBED)
    await made.execute("UPDATE contact SET consent_email = false WHERE id = $1", made.contact_ids[CAT])
    everyone = (ANN, BEN, CAT, "dan@load.example", to("x", is_external=True, namespace="crmid"))
    await Intake(database).submit(call(made, *everyone))
    rows = await made.rows()
    assert rows == {
        ANN: ("pending", None),
        BEN: ("skipped", "suppressed"),
        CAT: ("skipped", "no_consent"),
        "dan@load.example": ("skipped", "unsubscribed"),
        "": ("skipped", "no_address"),
    }


async def test_consent_does_not_keep_transactional_mail_away(database: PostgresDatabase) -> None:
    made = await calls.build(database, [ANN, BEN])
    await made.suppress(ANN, SuppressionReason.UNSUBSCRIBED)
    await made.execute("UPDATE contact SET consent_email = false WHERE id = $1", made.contact_ids[BEN])
    await Intake(database).submit(call(made, ANN, BEN))
    assert await made.rows() == {ANN: ("pending", None), BEN: ("pending", None)}


async def test_an_address_that_the_call_gives_wins(database: PostgresDatabase) -> None:
    made = await calls.build(database, [ANN, BEN])
    await made.suppress("else@load.example", SuppressionReason.MANUAL)
    await Intake(database).submit(
        call(made, to(ANN, addresses={"email": "else@load.example"}), to(BEN, addresses={"email": "not an address"}))
    )
    assert await made.rows() == {
        "else@load.example": ("skipped", "suppressed"),
        "not an address": ("skipped", "invalid_address"),
    }


async def test_an_external_recipient_is_never_looked_up(database: PostgresDatabase) -> None:
    made = await calls.build(database, [ANN], high_throughput=True, creates_contacts=True)
    await Intake(database).submit(call(made, to(ANN, is_external=True), to(BEN)))
    async with database.reading() as tx:
        rows = await tx.deliveries.page(await made.run_id(), None, None, 0, 10)
    assert [(row.address, row.contact_id, row.state) for row in rows] == [
        (ANN, None, "pending"),
        (BEN, None, "pending"),
    ]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE campaign SET state = 'paused'", "CAMPAIGN_NOT_RUNNING"),
        ("UPDATE campaign SET state = 'stopped'", "CAMPAIGN_NOT_RUNNING"),
        ("UPDATE campaign SET state = 'scheduled'", "CAMPAIGN_NOT_RUNNING"),
        ("UPDATE campaign SET end_at = now()", "CAMPAIGN_NOT_RUNNING"),
        ("UPDATE campaign SET kind = 'broadcast'", "CAMPAIGN_NOT_TRIGGERED"),
    ],
)
async def test_a_campaign_that_takes_no_calls_refuses_them(database: PostgresDatabase, change: str, code: str) -> None:
    made = await calls.build(database, [ANN])
    intake = Intake(database)
    first = await intake.submit(call(made, ANN, request_id="r-1"))
    await made.execute(change)
    with pytest.raises(Conflict) as refused:
        await intake.submit(call(made, ANN, request_id="r-2"))
    assert refused.value.code == code
    assert await intake.submit(call(made, ANN, request_id="r-1")) == first


async def test_calls_come_into_the_next_run_when_one_is_closed(database: PostgresDatabase) -> None:
    made = await calls.build(database, [ANN])
    intake = Intake(database)
    first = await intake.submit(call(made, ANN))
    async with database.transaction() as tx:
        await tx.runs.close_intake(made.campaign_id)
    second = await intake.submit(call(made, ANN))
    assert first.run_id != second.run_id
    assert (second.first_seq, second.last_seq) == (1, 1)


@pytest.mark.parametrize(
    ("recipients", "rule"),
    [
        ((), "minItems"),
        (tuple(f"p{n}@load.example" for n in range(501)), "maxItems"),
        ((ANN, "ANN@load.example"), "uniqueItems"),
        ((to("not an address"),), "address"),
        ((to("xyz", "id"),), "pattern"),
        ((to(ANN, "no such namespace"),), "namespace"),
        ((to(ANN, context={"a": "\0"}),), "nul"),
        ((to(ANN, context={"a": "\ud800"}),), "json"),
        ((to(ANN, context={"a": "x" * 204_800}),), "maxBytes"),
    ],
)
async def test_a_call_of_the_wrong_shape_is_refused(
    database: PostgresDatabase, recipients: tuple[str | TriggerRecipient, ...], rule: str
) -> None:
    made = await calls.build(database, [ANN])
    with pytest.raises(Invalid) as refused:
        await Intake(database).submit(call(made, *recipients))
    assert refused.value.problems[0].rule == rule


async def test_another_accounts_campaign_is_not_found(database: PostgresDatabase) -> None:
    made, other = await calls.build(database, [ANN]), await calls.build(database, [ANN])
    other.account_id = made.account_id
    with pytest.raises(NotFound) as refused:
        await Intake(database).submit(call(other, ANN))
    assert refused.value.kind == "campaign"


async def test_hundreds_of_good_bad_and_repeated_calls_write_to_each_recipient_once(database: PostgresDatabase) -> None:
    people = [f"p{n}@load.example" for n in range(60)]
    made = await calls.build(database, people)
    intakes = [Intake(database) for _ in range(3)]
    wanted = [call(made, people[n % 60], request_id=f"good-{n % 60}") for n in range(240)]
    wanted += [call(made, f"nobody{n}@load.example", people[n], request_id=f"bad-{n}") for n in range(60)]
    answers = await asyncio.gather(
        *(intakes[n % 3].submit(one) for n, one in enumerate(wanted)), return_exceptions=True
    )
    assert all(isinstance(answer, Execution) for answer in answers[:240])
    assert all(isinstance(answer, NotFound) for answer in answers[240:])
    async with database.reading() as tx:
        rows = await tx.connection.fetch("SELECT address FROM delivery")
        assert sorted(row["address"] for row in rows) == sorted(people)
        batches = await tx.connection.fetch("SELECT first_seq, last_seq FROM batch ORDER BY first_seq")
    assert [seq for row in batches for seq in range(row["first_seq"], row["last_seq"] + 1)] == list(range(1, 61))
    assert len(batches) < 60


async def test_what_one_group_comes_to_is_parted_into_batches_and_the_last_one_grows(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [f"p{n}@load.example" for n in range(12)]
    made = await calls.build(database, people)
    monkeypatch.setattr(accepting, "BATCH_SIZE", 2)
    intake = Intake(database)
    for some in (people[:5], people[5:8], people[8:9], people[9:]):
        await intake.submit(call(made, *some))
    async with database.reading() as tx:
        found = await tx.connection.fetch("SELECT first_seq, last_seq FROM batch ORDER BY no")
        assert [tuple(row) for row in found] == [(1, 2), (3, 4), (5, 7), (8, 11), (12, 12)]
        assert await tx.connection.fetchval("SELECT next_batch > (SELECT max(no) FROM batch) FROM run")


async def test_a_call_whose_caller_has_gone_is_stored(database: PostgresDatabase) -> None:
    made = await calls.build(database, [ANN])
    intake = Intake(database)
    asked = asyncio.create_task(intake.submit(call(made, ANN)))
    await asyncio.sleep(0)
    asked.cancel()
    await intake.aclose()
    assert set(await made.rows()) == {ANN}


async def test_more_calls_than_may_wait_are_told_to_come_again(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await calls.build(database, [ANN])
    monkeypatch.setattr(intake_module, "WAITING_RECIPIENTS", 5)
    intake = Intake(database)
    answers = await asyncio.gather(*(intake.submit(call(made, ANN)) for _ in range(20)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Unavailable)]
    assert refused
    assert len(await stored_addresses(database)) == 20 - len(refused)


async def stored_addresses(database: PostgresDatabase) -> list[str]:
    """The address of every delivery."""
    async with database.reading() as tx:
        return [row["address"] for row in await tx.connection.fetch("SELECT address FROM delivery")]


async def test_a_surprise_in_a_group_is_told_to_the_call_it_belongs_to(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await calls.build(database, [ANN, BEN])

    async def accept_all_but_ben(tx: Transaction, group: Sequence[KnownCall]) -> list[Answer]:
        if any(one.call.request_id == "ben" for one in group):
            raise ValueError("a bug")
        return await accept(tx, group)

    monkeypatch.setattr(intake_module, "accept", accept_all_but_ben)
    intake = Intake(database)
    ann, ben, again = await asyncio.gather(
        intake.submit(call(made, ANN)),
        intake.submit(call(made, BEN, request_id="ben")),
        intake.submit(call(made, ANN)),
        return_exceptions=True,
    )
    assert isinstance(ann, Execution)
    assert isinstance(ben, ValueError)
    assert isinstance(again, Execution)
    assert await stored_addresses(database) == [ANN, ANN]


async def test_who_wants_nothing_of_this_campaign_gets_nothing_of_it(database: PostgresDatabase) -> None:
    made = await calls.build(database, [ANN, BEN])
    statement = (
        "INSERT INTO campaign_suppression (account_id, campaign_id, channel, address_key) VALUES ($1, $2, $3, $4)"
    )
    await made.execute(statement, made.account_id, made.campaign_id, "email", ANN)
    await Intake(database).submit(call(made, to("MAILTO:x", "crmid", is_external=True, addresses={"email": ANN}), BEN))
    assert await made.rows() == {ANN: ("skipped", "unsubscribed"), BEN: ("pending", None)}
