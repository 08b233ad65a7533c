"""Suppressions on a real database: one canonical key, whatever the spelling."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.support.database import StatementLog, opened
from tests.support.people import new_account, save

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import contacts, suppressions
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Invalid, NotFound
from clarion.domain.ids import Id, new_id
from clarion.domain.outcome import Reason
from clarion.domain.suppression import Suppression, SuppressionReason
from clarion.pipeline.gone import Gone, end_addresses

EMAIL = ChannelName.EMAIL
MANUAL, UNSUBSCRIBED, BOUNCED = (
    SuppressionReason.MANUAL,
    SuppressionReason.UNSUBSCRIBED,
    SuppressionReason.BOUNCED,
)


async def suppress(
    database: PostgresDatabase, account_id: Id, address: str, reason: SuppressionReason = MANUAL
) -> bool:
    async with database.transaction() as tx:
        return await suppressions.suppress(
            tx, account_id=account_id, channel=EMAIL, address=address, reason=reason, source="test"
        )


async def listed(database: PostgresDatabase, account_id: Id) -> list[Suppression]:
    async with database.reading() as session:
        return await suppressions.list_suppressions(session, account_id=account_id, after=None, limit=1000)


@pytest.mark.parametrize(
    "variant",
    ["ADA@mail.example", "ada@MAIL.EXAMPLE", "\u200bada@mail.example\u00a0", "Ada@Mail.Example\t"],
    ids=repr,
)
async def test_t10_a_variant_finds_and_lifts_the_same_suppression(database: PostgresDatabase, variant: str) -> None:
    account_id = await new_account(database)
    assert await suppress(database, account_id, "ada@mail.example")
    assert not await suppress(database, account_id, variant)
    async with database.transaction() as tx:
        found = await suppressions.find_suppression(tx, account_id=account_id, channel=EMAIL, address=variant)
        await suppressions.lift_suppression(tx, account_id=account_id, channel=EMAIL, address=variant)
    assert found.address_key == "ada@mail.example"
    assert await listed(database, account_id) == []


@pytest.mark.parametrize(
    ("stored", "variant"),
    [
        ("kelvin@mail.example", "\u212aelvin@mail.example"),
        ("stra\u00dfe@mail.example", "STRASSE@mail.example"),
        ("i@mail.example", "\u0130@mail.example"),
        ("a@b\u00fccher.example", "a@xn--bcher-kva.example"),
    ],
)
async def test_t10_letters_that_fold_together_stay_suppressed(
    database: PostgresDatabase, stored: str, variant: str
) -> None:
    account_id = await new_account(database)
    assert await suppress(database, account_id, stored)
    async with database.reading() as session:
        found = await suppressions.find_suppression(session, account_id=account_id, channel=EMAIL, address=variant)
    assert found.reason is MANUAL


async def test_a_stronger_reason_replaces_unsubscribed_and_never_the_other_way(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    changed = [
        await suppress(database, account_id, "a@b.example", reason)
        for reason in (UNSUBSCRIBED, UNSUBSCRIBED, BOUNCED, UNSUBSCRIBED, MANUAL)
    ]
    assert changed == [True, False, True, False, False]
    assert [one.reason for one in await listed(database, account_id)] == [BOUNCED]


@pytest.mark.parametrize(
    "address", ["", "nobody", "a@b", "a@b.example, c@d.example", "a\0@b.example", "\ud800@b.example"], ids=repr
)
async def test_t05_t06_t60_what_is_no_address_is_not_suppressed(database: PostgresDatabase, address: str) -> None:
    account_id = await new_account(database)
    with pytest.raises(Invalid):
        await suppress(database, account_id, address)
    async with database.transaction() as tx:
        with pytest.raises(NotFound):
            await suppressions.lift_suppression(tx, account_id=account_id, channel=EMAIL, address=address)
        with pytest.raises(NotFound):
            await suppressions.find_suppression(tx, account_id=account_id, channel=EMAIL, address=address)


async def test_what_ends_addresses_of_many_accounts_is_one_statement_and_the_stronger_reason_holds(
    database_url: str,
) -> None:
    log = StatementLog()
    async with opened(database_url, log) as database:
        accounts = [await new_account(database) for _ in range(4)]
        gone = [
            Gone(account_id, channel, new_id(), 1, f"{address}@gone.example", reason, "said")
            for account_id in accounts
            for channel in (EMAIL, ChannelName.SMS)
            for address in "ab"
            for reason in (Reason.UNSUBSCRIBED, Reason.ADDRESS_UNKNOWN)
        ]
        await end(database, gone[:1])
        log.clear()
        await end(database, gone)
        assert len([one for one in log.statements if one not in {"BEGIN;", "COMMIT;"}]) == 1
        for account_id in accounts:
            reasons = {(one.channel, one.address_key, one.reason) for one in await listed(database, account_id)}
            assert reasons == {(one.channel, one.address_key, BOUNCED) for one in gone}


async def end(database: PostgresDatabase, gone: list[Gone]) -> None:
    async with database.transaction() as tx:
        await end_addresses(tx, gone)


async def test_many_are_suppressed_together_or_not_at_all(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await suppress(database, account_id, "p1@mail.example")

    async def many(addresses: list[str]) -> int:
        async with database.transaction() as tx:
            return await suppressions.import_suppressions(
                tx, account_id=account_id, channel=EMAIL, addresses=addresses, reason=MANUAL
            )

    with pytest.raises(Invalid) as refused:
        await many(["p2@mail.example", "broken", "p3@mail.example"])
    assert [problem.field for problem in refused.value.problems] == ["addresses[1]"]
    assert len(await listed(database, account_id)) == 1
    assert await many(["P1@mail.example", "p2@mail.example", "P2@mail.example", "p3@mail.example"]) == 2
    assert len(await listed(database, account_id)) == 3
    with pytest.raises(Invalid, match="10000"):
        await many(["a@b.example"] * 10_001)


async def test_channels_are_kept_apart_and_listed_page_by_page(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    async with database.transaction() as tx:
        for channel, address in (
            (ChannelName.SMS, "+1 202 555 0123"),
            (ChannelName.PUSH, "token-1"),
            (EMAIL, "b@c.example"),
            (EMAIL, "a@b.example"),
        ):
            await suppressions.suppress(tx, account_id=account_id, channel=channel, address=address, reason=MANUAL)
        pages, after = [], None
        while page := await suppressions.list_suppressions(tx, account_id=account_id, after=after, limit=1):
            pages.append(page[0].address_key)
            after = (page[0].channel, page[0].address_key)
        only_sms = await suppressions.list_suppressions(
            tx, account_id=account_id, after=None, limit=9, channel=ChannelName.SMS
        )
    assert pages == ["a@b.example", "b@c.example", "token-1", "+12025550123"]
    assert [one.address_key for one in only_sms] == ["+12025550123"]


async def test_t40_suppressions_of_another_account_are_not_seen(database: PostgresDatabase) -> None:
    mine, theirs = await new_account(database), await new_account(database)
    await suppress(database, theirs, "a@b.example")
    assert await listed(database, mine) == []
    async with database.transaction() as tx:
        with pytest.raises(NotFound):
            await suppressions.lift_suppression(tx, account_id=mine, channel=EMAIL, address="a@b.example")
    assert len(await listed(database, theirs)) == 1


async def a_delivery(database: PostgresDatabase, account_id: Id, contact_id: Id, address: str | None) -> Id:
    """Stores the least of a run that a delivery needs."""
    campaign, revision, sender, run = new_id(), new_id(), new_id(), new_id()
    async with database.transaction() as tx:
        execute = tx.connection.execute
        await execute(
            "INSERT INTO sender (id, account_id, name, channel, provider, config, from_address)"
            " VALUES ($1, $2, 'x', 'email', 'smtp', '{}', 'a@b.example')",
            sender,
            account_id,
        )
        await execute(
            "INSERT INTO campaign (id, account_id, name, category) VALUES ($1, $2, 'x', 'marketing')",
            campaign,
            account_id,
        )
        await execute(
            "INSERT INTO message_revision (id, account_id, campaign_id) VALUES ($1, $2, $3)",
            revision,
            account_id,
            campaign,
        )
        await execute(
            "INSERT INTO run (id, account_id, campaign_id, ordinal, state, category, lane, revision_id, sender_id,"
            " group_ids, contact_ids, selected_count, deadline_at)"
            " VALUES ($1, $2, $3, 1, 'sending', 'marketing', 'bulk', $4, $5, '{}', '{}', 1, $6)",
            run,
            account_id,
            campaign,
            revision,
            sender,
            datetime(2099, 1, 1, tzinfo=UTC),
        )
        await execute(
            "INSERT INTO delivery (run_id, seq, contact_id, state, address) VALUES ($1, 1, $2, 'sent', $3)",
            run,
            contact_id,
            address,
        )
    return run


async def unsubscribe(database: PostgresDatabase, account_id: Id, run_id: Id, seq: int = 1) -> None:
    async with database.transaction() as tx:
        await suppressions.unsubscribe(tx, account_id=account_id, run_id=run_id, seq=seq)


async def test_f64_unsubscribing_suppresses_the_address_the_mail_went_to(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    contact = await save(database, account_id, email="old@mail.example")
    run_id = await a_delivery(database, account_id, contact.id, "Old@mail.example")
    await save(database, account_id, contact_id=contact.id, email="new@mail.example")
    for _ in range(2):
        await unsubscribe(database, account_id, run_id)
    [one] = await listed(database, account_id)
    assert (one.address_key, one.reason) == ("old@mail.example", UNSUBSCRIBED)
    assert one.source == f"unsubscribe link of {run_id.hex()}-1"


async def test_unsubscribing_before_the_address_is_noted_takes_the_contacts_own(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    contact = await save(database, account_id, email="a@b.example")
    await unsubscribe(database, account_id, await a_delivery(database, account_id, contact.id, None))
    assert [one.address_key for one in await listed(database, account_id)] == ["a@b.example"]


async def test_t27_a_delivery_of_another_account_or_none_unsubscribes_nobody(database: PostgresDatabase) -> None:
    mine, theirs = await new_account(database), await new_account(database)
    contact = await save(database, theirs, email="a@b.example")
    run_id = await a_delivery(database, theirs, contact.id, "a@b.example")
    for account_id, run, seq in ((mine, run_id, 1), (theirs, run_id, 2), (theirs, new_id(), 1)):
        with pytest.raises(NotFound):
            await unsubscribe(database, account_id, run, seq)
    assert await listed(database, theirs) == []


async def test_unsubscribing_an_erased_contact_is_answered_like_an_unknown_delivery(
    database: PostgresDatabase,
) -> None:
    account_id = await new_account(database)
    contact = await save(database, account_id, email="a@b.example")
    run_id = await a_delivery(database, account_id, contact.id, None)
    async with database.transaction() as tx:
        await contacts.delete_contact(tx, account_id=account_id, contact_id=contact.id)
    with pytest.raises(NotFound):
        await unsubscribe(database, account_id, run_id)
