"""What a lost worker leaves, what a zombie may still do, and what the SQL guards let through, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from tests.support import stage
from tests.support.database import opened
from tests.support.sink import Sink
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application.ports.batches import Attempted, ClaimedBatch, Recipient, Turn, TurnResult
from clarion.domain.campaign import Category, Lane, RunState
from clarion.domain.content import EmailContent
from clarion.domain.delivery import TRANSITIONS, DeliveryState
from clarion.domain.outcome import Outcome, Reason
from clarion.pipeline import recovering, settling, snapshot

LEASE = timedelta(seconds=30)
PEOPLE = ["a@x.example", "b@x.example", "c@x.example"]


class Hand:
    """A worker moved by hand, one step at a time."""

    def __init__(self, database: PostgresDatabase, name: str) -> None:
        self.database = database
        self.name = name

    async def claim(self) -> tuple[ClaimedBatch, list[Recipient]]:
        async with self.database.reading() as tx:
            claimed = [await tx.batches.claim(self.name, lane, [], LEASE) for lane in Lane]
            batch = next((one for one in claimed if one is not None), None)
            assert batch is not None
            return batch, await tx.batches.recipients(batch, frozenset())

    async def intend(self, batch: ClaimedBatch, recipients: Sequence[Recipient]) -> TurnResult:
        return await self.turn(batch, Turn(intent=[(r.seq, r.address) for r in recipients]))

    async def turn(self, batch: ClaimedBatch, turn: Turn) -> TurnResult:
        async with self.database.reading() as tx:
            return await tx.batches.turn(batch, turn)


async def frozen(database: PostgresDatabase, category: Category = Category.MARKETING) -> stage.Stage:
    made = await stage.build(database, PEOPLE, category=category)
    await made.start()
    await snapshot.take_slice(database)
    return made


async def lease_over(made: stage.Stage) -> None:
    await made.execute("UPDATE batch SET lease_until = now() - interval '1 second'")
    assert await recovering.recover(made.database) == 1


async def test_f02_a_claim_without_an_intent_costs_nothing(database: PostgresDatabase) -> None:
    made = await frozen(database)
    lost, heir = Hand(database, "lost"), Hand(database, "heir")
    await lost.claim()
    await lease_over(made)
    _, recipients = await heir.claim()
    assert [r.address for r in recipients] == PEOPLE
    assert [r.attempts for r in recipients] == [0, 0, 0]


async def test_f07_what_a_lost_worker_had_on_the_wire_is_unknown_and_nobody_else_is(database: PostgresDatabase) -> None:
    made = await frozen(database)
    lost, heir = Hand(database, "lost"), Hand(database, "heir")
    batch, recipients = await lost.claim()
    assert (await lost.intend(batch, recipients[:1])).granted == {recipients[0].seq}
    await lease_over(made)
    assert (await made.rows())["a@x.example"] == ("unknown", "worker_lost")
    _, left = await heir.claim()
    assert [r.address for r in left] == PEOPLE[1:]


async def test_f13_a_transactional_message_is_sent_again_once_and_never_a_third_time(
    database: PostgresDatabase,
) -> None:
    made = await frozen(database, Category.TRANSACTIONAL)
    for _ in range(2):
        batch, recipients = await Hand(database, "lost").claim()
        assert recipients[0].address == "a@x.example"
        await Hand(database, "lost").intend(batch, recipients[:1])
        await lease_over(made)
    assert (await made.rows())["a@x.example"] == ("unknown", "worker_lost")
    _, left = await Hand(database, "heir").claim()
    assert [r.address for r in left] == PEOPLE[1:]


async def test_f57_a_zombie_is_granted_nothing(database: PostgresDatabase) -> None:
    made = await frozen(database)
    zombie, heir = Hand(database, "zombie"), Hand(database, "heir")
    batch, recipients = await zombie.claim()
    await lease_over(made)
    result = await zombie.intend(batch, recipients)
    assert (result.granted, result.holds_lease) == (frozenset(), False)
    claimed, left = await heir.claim()
    assert (await heir.intend(claimed, left)).granted == {r.seq for r in left}
    assert (await zombie.intend(batch, recipients)).granted == frozenset()


@pytest.mark.parametrize("category", list(Category))
async def test_an_outcome_that_comes_after_the_recovery_still_counts(
    database: PostgresDatabase, category: Category
) -> None:
    made = await frozen(database, category)
    late = Hand(database, "late")
    batch, recipients = await late.claim()
    await late.intend(batch, recipients)
    await lease_over(made)
    outcomes = [Attempted(recipients[0].seq, Outcome.sent("250 ok"))]
    await late.turn(batch, Turn(attempted=outcomes))
    assert (await made.rows())["a@x.example"] == ("sent", None)


async def test_an_outcome_of_an_older_epoch_does_not_touch_a_newer_attempt(database: PostgresDatabase) -> None:
    made = await frozen(database, Category.TRANSACTIONAL)
    old, new = Hand(database, "old"), Hand(database, "new")
    batch, recipients = await old.claim()
    await old.intend(batch, recipients)
    await lease_over(made)
    claimed, again = await new.claim()
    await new.intend(claimed, again)
    await old.turn(batch, Turn(attempted=[Attempted(1, Outcome.failed(Reason.ADDRESS_REJECTED, "550"))]))
    assert (await made.rows())["a@x.example"] == ("sending", None)


async def test_f20_an_intent_whose_commit_went_unanswered_is_granted_again_and_counted_once(
    database: PostgresDatabase,
) -> None:
    made = await frozen(database)
    hand = Hand(database, "hand")
    batch, recipients = await hand.claim()
    first = await hand.intend(batch, recipients)
    second = await hand.intend(batch, recipients)
    assert first.granted == second.granted == {1, 2, 3}
    async with database.reading() as tx:
        page = await tx.deliveries.page(await made.run_id(), DeliveryState.SENDING, None, 0, 10)
    assert [delivery.attempts for delivery in page] == [1, 1, 1]


async def test_f61_a_paused_run_grants_nothing_and_still_takes_outcomes(database: PostgresDatabase) -> None:
    made = await frozen(database)
    hand = Hand(database, "hand")
    batch, recipients = await hand.claim()
    await hand.intend(batch, recipients[:1])
    await made.pause()
    turn = Turn(attempted=[Attempted(1, Outcome.sent("250 ok"))], intent=[(2, "b@x.example")])
    result = await hand.turn(batch, turn)
    assert (result.granted, result.run_state) == (frozenset(), RunState.PAUSED)
    assert (await made.rows())["a@x.example"] == ("sent", None)
    assert (await made.rows())["b@x.example"] == ("pending", None)


async def test_f69_two_recoveries_take_a_batch_back_once(database: PostgresDatabase) -> None:
    made = await frozen(database)
    await Hand(database, "lost").claim()
    await lease_over(made)
    assert await recovering.recover(database) == 0


async def test_f62_a_stopped_run_with_a_lost_worker_ends_with_every_row_accounted_for(
    database: PostgresDatabase,
) -> None:
    made = await frozen(database)
    batch, recipients = await Hand(database, "lost").claim()
    await Hand(database, "lost").intend(batch, recipients[:1])
    await made.stop()
    await settling.close_runs(database)
    assert (await made.rows())["b@x.example"] == ("pending", None), "the lost worker may still hold it"
    await lease_over(made)
    assert await settling.close_runs(database) == 1
    assert await made.rows() == {
        "a@x.example": ("unknown", "worker_lost"),
        "b@x.example": ("cancelled", "run_stopped"),
        "c@x.example": ("cancelled", "run_stopped"),
    }


async def test_deliveries_that_no_batch_holds_are_adopted(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink:
        made = await stage.build(database, PEOPLE, port=sink.port)
        await made.start()
        await snapshot.take_slice(database)
        await made.execute("DELETE FROM batch")
        async with working(database, database_url):
            await made.finished()
    assert sorted(sink.recipients()) == PEOPLE


async def test_f21_f22_while_the_database_is_away_nothing_new_goes_out_and_nothing_known_is_forgotten(
    database: PostgresDatabase, database_url: str
) -> None:
    # The test asks over the one connection that is spared: one that was ended while idle is told as `Unavailable` to
    # its next user. Workers insist, a test would fail.
    async with Sink() as sink, opened(database_url, max_size=1) as spared:
        made = await stage.build(spared, [f"p{n}@x.example" for n in range(900)], port=sink.port)
        async with working(database, database_url):
            await made.start()
            for cut in range(1, 6):
                await sink.wait_accepted(100 * cut)
                await made.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            await made.finished()
        assert len(sink.recipients()) == len(set(sink.recipients())) == 900
        assert set((await made.rows()).values()) == {("sent", None)}


async def test_every_transition_the_statements_make_is_in_the_table(
    database: PostgresDatabase, database_url: str
) -> None:
    """A trigger notes every change of state while deliveries of all fates go through; the table must allow each."""
    people = ["plain@x.example", "550_5.1.1-rcpt@x.example", "4xx-rcpt@x.example", "cut-after-dot@x.example"]
    async with Sink() as sink:
        made = await stage.build(database, [*people, "late@x.example"], port=sink.port)
        await made.execute("CREATE TABLE seen (before text, after text)")
        await made.execute(
            "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN IF OLD.state <> NEW.state THEN INSERT INTO seen VALUES (OLD.state, NEW.state); END IF; "
            "RETURN NEW; END$$"
        )
        await made.execute("CREATE TRIGGER see AFTER UPDATE ON delivery FOR EACH ROW EXECUTE FUNCTION see()")
        await made.start()
        await snapshot.take_slice(database)
        hand = Hand(database, "hand")
        batch, recipients = await hand.claim()
        await hand.intend(batch, recipients[-1:])
        await lease_over(made)
        await hand.turn(batch, Turn(attempted=[Attempted(recipients[-1].seq, Outcome.sent("250"))]))
        async with working(database, database_url):
            await sink.wait_accepted(2)
            async with database.reading() as tx:
                while await tx.connection.fetchval("SELECT count(*) FROM delivery WHERE state = 'sending'"):
                    pass
            await made.stop()
            await made.finished()
        async with database.reading() as tx:
            seen = {(row["before"], row["after"]) for row in await tx.connection.fetch("SELECT * FROM seen")}
    allowed = {(before.value, after.value) for before, afters in TRANSITIONS.items() for after in afters}
    assert seen <= allowed
    assert len(seen) >= 6


async def test_t23_whoever_cannot_be_rendered_is_skipped_with_the_reason_and_the_rest_goes_out(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        email = EmailContent(subject="Hello", html="<p>{{ 10 / (contact.attributes.parts | length) }}</p>")
        made = await stage.build(database, PEOPLE, port=sink.port, email=email)
        await made.execute(
            "UPDATE contact SET attributes = jsonb_build_object('parts', CASE WHEN email = 'b@x.example' "
            "THEN '[]'::jsonb ELSE '[1, 2]'::jsonb END) WHERE account_id = $1",
            made.account_id,
        )
        await made.start()
        async with working(database, database_url):
            await made.finished()
    assert sorted(sink.recipients()) == ["a@x.example", "c@x.example"]
    assert (await made.rows())["b@x.example"] == ("skipped", "render_failed")
