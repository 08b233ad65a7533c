"""Contacts by their last change, the notes about them, and notices to the account."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from tests.support.people import new_account, save

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import contacts, groups
from clarion.application.notes import NOTE_LIMIT, add_note, list_notes
from clarion.application.notices import MESSAGE_LIMIT, give_notice, list_notices
from clarion.domain.contact import Contact
from clarion.domain.errors import Invalid, NotFound
from clarion.domain.ids import Id, new_id


async def by_change(database: PostgresDatabase, account_id: Id, **asked: object) -> list[str | None]:
    async with database.reading() as tx:
        found = await contacts.list_contacts_by_change(tx, account_id=account_id, limit=99, **asked)  # type: ignore[arg-type]
    return [contact.external_id for contact in found]


async def four(database: PostgresDatabase) -> tuple[Id, list[Contact]]:
    """An account whose contacts 0 to 3 were changed in the order 1, 2, 3, 0; 2 and 3 at the same moment."""
    account_id = await new_account(database)
    for name in ("0", "1"):
        await save(database, account_id, external_id=name)
    async with database.transaction() as tx:
        for name in ("2", "3"):
            await contacts.save_contact(tx, account_id=account_id, draft=contacts.ContactDraft(external_id=name))
    await save(database, account_id, external_id="0", first_name="Ada")
    async with database.reading() as tx:
        return account_id, await contacts.list_contacts(tx, account_id=account_id, after=None, limit=9)


async def test_contacts_are_listed_by_their_last_change_either_way(database: PostgresDatabase) -> None:
    account_id, _ = await four(database)
    assert await by_change(database, account_id) == ["0", "3", "2", "1"]
    assert await by_change(database, account_id, is_newest_first=False) == ["1", "2", "3", "0"]
    assert await by_change(database, await new_account(database)) == []


@pytest.mark.parametrize("is_newest_first", [True, False])
async def test_pages_meet_without_gap_or_overlap_also_within_one_moment(
    database: PostgresDatabase, *, is_newest_first: bool
) -> None:
    account_id, _ = await four(database)
    seen: list[str | None] = []
    after: tuple[datetime, Id] | None = None
    async with database.reading() as tx:
        while page := await contacts.list_contacts_by_change(
            tx, account_id=account_id, after=after, limit=1, is_newest_first=is_newest_first
        ):
            seen.append(page[0].external_id)
            after = (page[0].updated_at, page[0].id)
    assert seen == (["0", "3", "2", "1"] if is_newest_first else ["1", "2", "3", "0"])


async def test_a_span_of_time_counts_its_ends_in(database: PostgresDatabase) -> None:
    account_id, [_, one, two, _] = await four(database)
    span = {"since": one.updated_at, "until": two.updated_at}
    assert await by_change(database, account_id, **span) == ["3", "2", "1"]
    assert await by_change(database, account_id, since=two.updated_at + timedelta(microseconds=1)) == ["0"]


async def test_only_the_contacts_asked_for_are_listed(database: PostgresDatabase) -> None:
    account_id, people = await four(database)
    async with database.transaction() as tx:
        group = await groups.create_group(tx, account_id=account_id, name="Two")
        ids = [people[1].id, people[3].id]
        await groups.add_members(tx, account_id=account_id, group_id=group.id, contact_ids=ids)
        await contacts.delete_contact(tx, account_id=account_id, contact_id=people[2].id)
        gone = await contacts.list_contacts_by_change(tx, account_id=account_id, limit=9, is_deleted=True)
    assert await by_change(database, account_id, group_id=group.id) == ["3", "1"]
    assert await by_change(database, account_id, contact_ids=[people[0].id, people[2].id]) == ["0"]
    assert [one.id for one in gone] == [people[2].id]
    assert (gone[0].external_id, gone[0].attributes) == (None, {})


async def test_a_list_by_change_reads_its_index(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    async with database.transaction() as tx:
        await tx.connection.execute(
            "INSERT INTO contact (id, account_id, external_id, updated_at)"
            " SELECT decode(lpad(to_hex(n), 24, '0'), 'hex'), $1, n::text, now() - n * interval '1 s'"
            " FROM generate_series(1, 5000) AS n",
            account_id,
        )
        await tx.connection.execute("ANALYZE contact")
        before = await tx.connection.fetchval("SELECT pg_stat_get_xact_numscans('contact_by_change'::regclass)")
        await contacts.list_contacts_by_change(tx, account_id=account_id, limit=9)
        await contacts.list_contacts_by_change(tx, account_id=account_id, limit=9, is_newest_first=False)
        after = await tx.connection.fetchval("SELECT pg_stat_get_xact_numscans('contact_by_change'::regclass)")
    assert after - before == 2


async def test_notes_are_read_with_their_contacts_and_erased_with_them(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    ada = await save(database, account_id, external_id="ada")
    bob = await save(database, account_id, external_id="bob")
    async with database.transaction() as tx:
        for text in (" called back ", "wants\nless"):
            await add_note(tx, account_id=account_id, contact_id=ada.id, text=text, created_by="ada@x.example")
    async with database.transaction() as tx:
        found = await list_notes(tx, account_id=account_id, contact_ids=[ada.id, bob.id])
        assert {key: [note.text for note in notes] for key, notes in found.items()} == {
            ada.id: ["called back", "wants\nless"]
        }
        assert found[ada.id][0].created_by == "ada@x.example"
        assert await list_notes(tx, account_id=await new_account(database), contact_ids=[ada.id]) == {}
        await contacts.delete_contact(tx, account_id=account_id, contact_id=ada.id)
        assert await tx.connection.fetchval("SELECT count(*) FROM contact_note") == 0


@pytest.mark.parametrize("text", ["", "  ", "x" * (NOTE_LIMIT + 1), "a\0b", "\ud800"])
async def test_a_note_that_cannot_be_kept_is_refused(database: PostgresDatabase, text: str) -> None:
    account_id = await new_account(database)
    ada = await save(database, account_id, external_id="ada")
    async with database.transaction() as tx:
        with pytest.raises(Invalid) as refused:
            await add_note(tx, account_id=account_id, contact_id=ada.id, text=text)
        assert refused.value.problems[0].field == "text"
        with pytest.raises(NotFound):
            await add_note(tx, account_id=account_id, contact_id=new_id(), text="x")


async def test_notices_are_the_accounts_own_and_the_newest_comes_last(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    async with database.transaction() as tx:
        for n in range(3):
            await give_notice(
                tx, account_id=account_id, campaign_id=None, kind="campaign_failed", message=f"{n}" + "x" * 2_000
            )
    async with database.reading() as tx:
        first = await list_notices(tx, account_id=account_id, after=None, limit=2)
        rest = await list_notices(tx, account_id=account_id, after=first[-1].id, limit=2)
        assert await list_notices(tx, account_id=await new_account(database), after=None, limit=9) == []
        assert await list_notices(tx, account_id=account_id, after=None, limit=9, campaign_id=new_id()) == []
    assert [notice.message[0] for notice in (*first, *rest)] == ["0", "1", "2"]
    assert {len(notice.message) for notice in first} == {MESSAGE_LIMIT}
