"""Imports on a real database: what is merged, what is refused, and that nothing is ever half visible."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from tests.support.people import (
    all_contacts,
    imported,
    new_account,
    read_import,
    rejections,
    save,
    until_waiting,
    upload,
)

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import contacts, groups, imports
from clarion.application.contacts import ContactDraft
from clarion.domain.contact import Contact
from clarion.domain.contact_import import CHUNK_LIMIT, ImportFormat, ImportState
from clarion.domain.errors import Conflict, Invalid, NotFound, TooLarge
from clarion.domain.ids import Id, new_id
from clarion.pipeline.importing import merge_next, sweep_abandoned

NDJSON = ImportFormat.NDJSON


def as_json_lines(*records: object) -> bytes:
    return b"\n".join(msgspec.json.encode(record) for record in records)


async def by_email(database: PostgresDatabase, account_id: Id) -> dict[str | None, Contact]:
    return {contact.email: contact for contact in await all_contacts(database, account_id)}


async def test_a_csv_becomes_contacts_with_fields_and_attributes(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    body = (
        b"E-mail,First Name,last_name,External ID,Phone,Language,Time Zone,Consent Email,City,Favourite Colour\r\n"
        b'Ada@Mail.Example,Ada,"O\'Hara, ""the first""",7,+1 202 555 0123,en-GB,Europe/London,yes,"New\r\nYork",\r\n'
        b"\r\n"
        b"bob@mail.example,,,,,,,no,Aachen,green\r\n"
    )
    done = await imported(database, account_id, body, group="Everyone")
    assert (done.state, done.rows_read, done.rows_created, done.rows_rejected) == (ImportState.COMPLETED, 2, 2, 0)
    people = await by_email(database, account_id)
    ada, bob = people["Ada@mail.example"], people["bob@mail.example"]
    assert (ada.first_name, ada.last_name, ada.external_id, ada.phone) == (
        "Ada",
        'O\'Hara, "the first"',
        "7",
        "+12025550123",
    )
    assert (ada.language, ada.timezone, ada.consent.email) == ("en-GB", "Europe/London", True)
    assert ada.attributes == {"City": "New\r\nYork"}
    assert (bob.first_name, bob.consent.email) == (None, False)
    assert bob.attributes == {"City": "Aachen", "Favourite Colour": "green"}
    assert done.group_id is not None
    async with database.reading() as session:
        group = await groups.get_group(session, account_id=account_id, group_id=done.group_id)
        assert (group.name, group.members) == ("Everyone", 2)
        assert await session.connection.fetchval("SELECT count(*) FROM import_chunk") == 0


async def test_json_lines_carry_types_null_clears_and_consent_is_per_channel(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await save(
        database, account_id, email="a@b.example", first_name="A", last_name="B", attributes={"keep": 1, "drop": 2}
    )
    body = as_json_lines(
        {
            "email": "a@b.example",
            "firstName": None,
            "attributes": {"drop": None, "list": [1, {"x": True}]},
            "plan": "team",
            "consent": {"email": True, "sms": False},
        },
        {"externalId": "x1", "consentPush": True},
    )
    done = await imported(database, account_id, body, format_=NDJSON)
    assert (done.rows_read, done.rows_created, done.rows_updated) == (2, 1, 1)
    person = (await by_email(database, account_id))["a@b.example"]
    assert (person.first_name, person.last_name) == (None, "B")
    assert person.attributes == {"keep": 1, "list": [1, {"x": True}], "plan": "team"}
    assert (person.consent.email, person.consent.sms, person.consent.push) == (True, False, None)


async def test_an_empty_cell_leaves_what_is_stored(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await save(database, account_id, email="a@b.example", first_name="Ada", attributes={"city": "Como"})
    done = await imported(database, account_id, b"email,first name,city,plan\na@b.example,,  ,team\n")
    assert done.rows_updated == 1
    [person] = await all_contacts(database, account_id)
    assert (person.first_name, person.attributes["plan"]) == ("Ada", "team")


async def test_the_last_row_of_a_contact_wins_and_counts_as_an_update(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    body = b"email,first name,city\na@b.example,One,Como\nA@B.example,Two,\na@b.example,,Faro\n"
    done = await imported(database, account_id, body, group="G")
    assert (done.rows_read, done.rows_created, done.rows_updated, done.rows_rejected) == (3, 1, 2, 0)
    [person] = await all_contacts(database, account_id)
    assert (person.first_name, person.attributes) == ("Two", {"city": "Faro"})


async def test_a_second_import_of_the_same_file_changes_no_row(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    body = b"email,first name,city\n" + b"".join(b"p%d@mail.example,N%d,Como\n" % (n, n) for n in range(50))
    await imported(database, account_id, body, group="G")
    before = await all_contacts(database, account_id)
    done = await imported(database, account_id, body, group="G")
    assert (done.rows_created, done.rows_updated) == (0, 50)
    assert await all_contacts(database, account_id) == before


async def test_an_address_of_another_contact_refuses_the_row(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await save(database, account_id, external_id="one", email="one@mail.example")
    await save(database, account_id, phone="+12025550123")
    body = (
        b"external id,email,phone\n"
        b"two,one@mail.example,\n"
        b"one,,+12025550123\n"
        b"three,three@mail.example,\n"
        b"four,three@mail.example,\n"
    )
    import_id = await upload(database, account_id, body)
    assert await merge_next(database)
    done = await read_import(database, account_id, import_id)
    assert (done.rows_read, done.rows_created, done.rows_rejected) == (4, 1, 3)
    refused = await rejections(database, account_id, import_id)
    assert [(one.row_no, one.field, one.rule) for one in refused] == [
        (1, "email", "taken"),
        (2, "phone", "taken"),
        (4, "email", "taken"),
    ]


async def test_contacts_of_one_file_may_exchange_addresses(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await save(database, account_id, external_id="a", email="x@mail.example", first_name="A")
    await save(database, account_id, external_id="b", email="y@mail.example", phone="+12025550123")
    body = b"external id,email\na,free@mail.example\nb,x@mail.example\na,y@mail.example\nc,free@mail.example\n"
    done = await imported(database, account_id, body)
    assert (done.rows_created, done.rows_updated, done.rows_rejected) == (1, 3, 0)
    held = {one.external_id: (one.email, one.phone) for one in await all_contacts(database, account_id)}
    assert held == {
        "a": ("y@mail.example", None),
        "b": ("x@mail.example", "+12025550123"),
        "c": ("free@mail.example", None),
    }


async def test_attributes_that_grow_too_large_refuse_the_row(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await save(database, account_id, email="a@b.example", attributes={"a": "x" * 40_000})
    body = as_json_lines({"email": "a@b.example", "b": "x" * 40_000}, {"email": "a@b.example", "attributes": None})
    done = await imported(database, account_id, body, format_=NDJSON)
    assert (done.rows_rejected, done.rows_updated) == (1, 1)
    [person] = await all_contacts(database, account_id)
    assert person.attributes == {}


async def test_an_import_shows_its_progress_and_nothing_else_until_it_completes(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    body = b"email\n" + b"".join(b"p%d@mail.example\n" % n for n in range(25_000))
    import_id = await upload(database, account_id, body)
    async with database.transaction() as tx:
        # Not yet committed, so that the import waits for it late in the file.
        await contacts.save_contact(tx, account_id=account_id, draft=ContactDraft(email="p22000@mail.example"))
        merging = asyncio.create_task(merge_next(database))
        await until_waiting(database, merging)
        meanwhile = await read_import(database, account_id, import_id)
        assert await all_contacts(database, account_id) == []
    assert await merging
    assert meanwhile.state is ImportState.MERGING
    assert 0 < meanwhile.rows_read < 25_000
    assert (await read_import(database, account_id, import_id)).rows_read == 25_000
    assert len(await all_contacts(database, account_id)) == 25_000


async def test_two_workers_merge_the_imports_of_an_account_one_by_one_in_order(database: PostgresDatabase) -> None:
    account_id, other_id = await new_account(database), await new_account(database)
    for n in range(6):
        await upload(database, account_id, b"email,n\na@b.example,%d\n" % n)
    await upload(database, other_id, b"email,n\na@b.example,other\n")

    async def worker() -> None:
        while await merge_next(database):
            pass

    await asyncio.gather(worker(), worker())
    await worker()
    [person] = await all_contacts(database, account_id)
    assert person.attributes == {"n": "5"}
    assert [one.attributes for one in await all_contacts(database, other_id)] == [{"n": "other"}]


async def test_an_address_saved_while_an_import_merges_is_merged_into(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await upload(database, account_id, b"email,city\n" + b"".join(b"p%d@mail.example,Como\n" % n for n in range(3_000)))
    async with database.transaction() as tx:
        # Saved, but not yet committed when the import looks who is there.
        early, _ = await contacts.save_contact(
            tx, account_id=account_id, draft=ContactDraft(email="p77@mail.example", first_name="Early")
        )
        merging = asyncio.create_task(merge_next(database))
        await until_waiting(database, merging)
    assert await merging
    person = (await by_email(database, account_id))["p77@mail.example"]
    assert (person.id, person.first_name, person.attributes) == (early.id, "Early", {"city": "Como"})
    [done] = await listed(database, account_id)
    assert (done.state, done.rows_created, done.rows_updated) == (ImportState.COMPLETED, 2_999, 1)


async def listed(database: PostgresDatabase, account_id: Id) -> list[Any]:
    async with database.reading() as session:
        return list(await imports.list_imports(session, account_id=account_id, after=None, limit=100))


async def test_a_silent_upload_is_given_up_and_its_pieces_dropped(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    async with database.transaction() as tx:
        opened = await imports.open_import(tx, account_id=account_id, format_=ImportFormat.CSV)
        await imports.append_chunk(tx, import_id=opened.id, no=0, body=b"email\n")
    assert await sweep_abandoned(database) == 0
    async with database.reading() as session:
        await session.connection.execute(
            "UPDATE contact_import SET created_at = now() - interval '1 hour', received_at = now() - interval '1 hour'"
        )
    assert await sweep_abandoned(database) == 1
    done = await read_import(database, account_id, opened.id)
    assert (done.state, "send it again" in str(done.problem)) == (ImportState.FAILED, True)
    async with database.transaction() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM import_chunk") == 0
        with pytest.raises(Conflict):
            await imports.append_chunk(tx, import_id=opened.id, no=1, body=b"x")
        with pytest.raises(Conflict):
            await imports.finish_receiving(tx, account_id=account_id, import_id=opened.id)


async def test_an_upload_says_what_is_wrong_with_it(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    async with database.transaction() as tx:
        with pytest.raises(Invalid):
            await imports.open_import(tx, account_id=account_id, format_=NDJSON, group_name="a\0b")
        opened = await imports.open_import(tx, account_id=account_id, format_=NDJSON)
        with pytest.raises(TooLarge):
            await imports.append_chunk(tx, import_id=opened.id, no=0, body=b"x" * (CHUNK_LIMIT + 1))
        empty = await imports.finish_receiving(tx, account_id=account_id, import_id=opened.id)
        assert (empty.state, empty.problem) == (ImportState.FAILED, "The file is empty")
        other = await imports.open_import(tx, account_id=account_id, format_=NDJSON)
        await imports.abandon(tx, import_id=other.id, problem="The upload was cut off")
        await imports.abandon(tx, import_id=other.id, problem="again")
    assert (await read_import(database, account_id, other.id)).problem == "The upload was cut off"


async def test_t40_another_accounts_import_is_answered_like_an_unknown_one(database: PostgresDatabase) -> None:
    mine, theirs = await new_account(database), await new_account(database)
    foreign = await imported(database, theirs, b"email\nbroken\n")
    async with database.transaction() as tx:
        for import_id in (foreign.id, new_id()):
            with pytest.raises(NotFound, match="No such import"):
                await imports.get_import(tx, account_id=mine, import_id=import_id)
            with pytest.raises(NotFound, match="No such import"):
                await imports.list_rejections(tx, account_id=mine, import_id=import_id, after_row=0, limit=1)
    assert await listed(database, mine) == []
