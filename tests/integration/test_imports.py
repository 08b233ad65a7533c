"""Imports on a real database: what is merged, what is refused, and that nothing is ever half visible."""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.support.people import all_contacts, imported, new_account, read_import, rejections, save, upload

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


CSV_SHAPES: dict[str, Callable[[str], bytes]] = {
    "comma and LF": lambda text: text.encode(),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "CR only": lambda text: text.replace("\n", "\r").encode(),
    "semicolon": lambda text: text.replace(",", ";").encode(),
    "tab": lambda text: text.replace(",", "\t").encode(),
    "UTF-8 with a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "UTF-16 little endian": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "UTF-16 big endian": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "no line end at the end": lambda text: text.rstrip("\n").encode(),
}


@pytest.mark.parametrize("shape", CSV_SHAPES)
@pytest.mark.parametrize("piece_bytes", [1, 7, 1_000_000])
async def test_t68_every_common_shape_of_csv_is_read_in_pieces_of_any_size(
    database: PostgresDatabase, shape: str, piece_bytes: int
) -> None:
    account_id = await new_account(database)
    text = 'email,first name,note\na@b.example,Zoë,"two\nlines"\nc@d.example,Łukasz,"say ""hi"""\n'
    body = CSV_SHAPES[shape](text)
    pieces = [body[start : start + piece_bytes] for start in range(0, len(body), piece_bytes)]
    done = await imported(database, account_id, pieces)
    assert (done.state, done.rows_created, done.rows_rejected) == (ImportState.COMPLETED, 2, 0), done.problem
    people = await by_email(database, account_id)
    assert people["a@b.example"].first_name == "Zoë"
    assert str(people["a@b.example"].attributes["note"]).split() == ["two", "lines"]
    assert people["c@d.example"].attributes["note"] == 'say "hi"'


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"\n\n", "empty"),
        (b"email,,city\n", "Column 2 has no name"),
        (b"email,Email\n", "mean the same"),
        (b"email,E-Mail Address\n", "mean the same"),
        (b"email,city,city\n", "mean the same"),
        (b"name,city\nAda,Como\n", "no email, phone or external id"),
        (b"email," + b",".join(b"c%d" % n for n in range(200)) + b"\n", "201 columns"),
        (b"email,ci\0ty\n", "NUL"),
        (b"email," + b"x" * 101 + b"\n", "attribute"),
        ("email\na@b.example\n".encode("utf-16-le"), "NUL"),
        (b"email,city\na@b.example,caf\xe9\n", "not UTF-8"),
        (codecs.BOM_UTF16_LE + b"e\0\x00", "not UTF-16"),
        (b'email,city\na@b.example,Como\nb@c.example,"open\n', "Row 2 opens a quote that is never closed"),
        (b'email,city\na@b.example,"' + b"x\n" * 800_000, "quote|longer|limit"),
    ],
    ids=lambda value: value[:24] if isinstance(value, bytes) else "",
)
async def test_t68_an_unreadable_file_fails_with_a_sentence_and_leaves_nothing(
    database: PostgresDatabase, body: bytes, says: str
) -> None:
    account_id = await new_account(database)
    pieces = [body[start : start + CHUNK_LIMIT] for start in range(0, len(body), CHUNK_LIMIT)]
    done = await imported(database, account_id, pieces, group="G")
    assert done.state is ImportState.FAILED
    assert (done.rows_created, done.rows_updated) == (0, 0)
    assert done.problem is not None
    assert re.search(says, done.problem), done.problem
    assert await all_contacts(database, account_id) == []
    async with database.reading() as session:
        assert await groups.list_groups(session, account_id=account_id, after=None, limit=1) == []
        assert await session.connection.fetchval("SELECT count(*) FROM import_chunk") == 0


async def test_t60_t68_a_bad_row_is_refused_by_number_field_and_rule_and_the_rest_goes_in(
    database: PostgresDatabase,
) -> None:
    account_id = await new_account(database)
    rows = [
        b"good@mail.example,Ada,Como",
        b"ragged@mail.example,Ada",
        b"more@mail.example,Ada,Como,again",
        b"not an address,Ada,Como",
        b"nul@mail.example,Ada,Co\0mo",
        b"nul@mail.example,A\0da,Como",
        b"long@mail.example,Ada," + b"x" * 65_537,
        b"huge@mail.example,Ada," + b"x" * 200_000,
        b"name@mail.example," + b"x" * 201 + b",Como",
        b",Ada,Como",
        b"=HYPERLINK(1),Ada,Como",
        b"last@mail.example,Ada,Como",
    ]
    import_id = await upload(database, account_id, b"email,first name,city\n" + b"\n".join(rows))
    assert await merge_next(database)
    done = await read_import(database, account_id, import_id)
    assert (done.rows_read, done.rows_created, done.rows_rejected) == (12, 2, 10)
    refused = [(one.row_no, one.field, one.rule) for one in await rejections(database, account_id, import_id)]
    assert [row_no for row_no, _, _ in refused] == list(range(2, 12))
    assert {row_no: field for row_no, field, _ in refused} == {
        2: "row", 3: "row", 4: "email", 5: "city", 6: "firstName", 7: "city", 8: "city", 9: "firstName", 10: "email",
        11: "email",
    }  # fmt: skip
    people = await by_email(database, account_id)
    assert set(people) == {"good@mail.example", "last@mail.example"}


@pytest.mark.parametrize(
    "line",
    [
        b"{", b"[1]", b"7", b'"x"', b'{"email": 7}', b'{"email": "a@b.example", "x": NaN}',
        b'{"email": "a@b.example", "x": 1e400}', b'{"email": "a@b.example", "x": ' + b"9" * 5000 + b"}",
        b'{"email": "a@b.example", "x": "\\u0000"}', b'{"email": "a@b.example", "x": "\\ud800"}',
        b'{"email": "a@b.example", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"email": "a@b.example", "attributes": []}', b'{"email": "a@b.example", "consent": {"email": "maybe"}}',
        b'{"email": "a@b.example", "firstName": ["x"]}', b'{"email": null}', b"{}", b"\xff\xfe",
        b'{"email": "a@b.example", "\\u0000": 1}', b'{"email": "a@b.example", "' + b"x" * 101 + b'": 1}',
    ],
    ids=lambda line: repr(line[:40]),
)  # fmt: skip
async def test_t60_t61_t62_t63_a_bad_json_line_is_refused_and_the_rest_goes_in(
    database: PostgresDatabase, line: bytes
) -> None:
    account_id = await new_account(database)
    good = as_json_lines({"email": "good@mail.example"})
    done = await imported(database, account_id, b"\n".join([good, line, b"  ", good]), format_=NDJSON)
    assert (done.state, done.rows_read, done.rows_created) == (ImportState.COMPLETED, 3, 1)
    assert (done.rows_updated, done.rows_rejected) == (1, 1)


async def test_t68_a_json_line_without_an_end_fails_the_import(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    done = await imported(database, account_id, [b'{"x": "', *[b"x" * CHUNK_LIMIT] * 3], format_=NDJSON)
    assert done.state is ImportState.FAILED
    assert "longer than 1 MB" in str(done.problem)


async def test_attributes_that_grow_too_large_refuse_the_row(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await save(database, account_id, email="a@b.example", attributes={"a": "x" * 40_000})
    body = as_json_lines({"email": "a@b.example", "b": "x" * 40_000}, {"email": "a@b.example", "attributes": None})
    done = await imported(database, account_id, body, format_=NDJSON)
    assert (done.rows_rejected, done.rows_updated) == (1, 1)
    [person] = await all_contacts(database, account_id)
    assert person.attributes == {}


async def test_nothing_is_visible_before_the_import_completes(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await upload(database, account_id, b"email\n" + b"".join(b"p%d@mail.example\n" % n for n in range(12_000)))
    seen: set[int] = set()

    async def watch() -> None:
        while True:
            async with database.reading() as session:
                seen.add(await session.connection.fetchval("SELECT count(*) FROM contact"))

    watching = asyncio.create_task(watch())
    await merge_next(database)
    watching.cancel()
    assert seen <= {0, 12_000}
    assert 0 in seen
    assert len(await all_contacts(database, account_id)) == 12_000


async def test_progress_is_shown_while_an_import_merges(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    import_id = await upload(
        database, account_id, b"email\n" + b"".join(b"p%d@mail.example\n" % n for n in range(45_000))
    )
    merging = asyncio.create_task(merge_next(database))
    shown = set()
    while not merging.done():
        now = await read_import(database, account_id, import_id)
        if now.state is ImportState.MERGING:
            shown.add(now.rows_read)
    assert await merging
    assert shown - {0}
    assert max(shown) < 45_000


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
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        while not merging.done() and not await tx.connection.fetchval(waiting):
            await asyncio.sleep(0)
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


MERGING_PROCESS = """
import asyncio, sys
from clarion.adapters.postgres.database import open_database
from clarion.pipeline import importing

async def main():
    database = await open_database(sys.argv[1], max_size=4)
    written = importing._Merge._write
    slices = 0

    async def write(self, *arguments):
        nonlocal slices
        await written(self, *arguments)
        slices += 1
        if slices == 2:
            print("half", flush=True)

    importing._Merge._write = write
    await importing.merge_next(database)

asyncio.run(main())
"""


async def killed_in_the_middle(url: str) -> None:
    """Runs a merge in a process of its own and kills it when two slices are written."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MERGING_PROCESS, url, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"half\n"
    os.kill(process.pid, signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL


async def test_f18_an_import_killed_twice_is_wholly_absent_and_then_whole(
    database: PostgresDatabase, database_url: str
) -> None:
    account_id = await new_account(database)
    await save(database, account_id, email="p7@mail.example", first_name="Before")
    addresses = [f"p{n}@mail.example" for n in range(30_000)]
    body = ("email,first name\n" + "".join(f"{address},After\n" for address in addresses)).encode()
    import_id = await upload(database, account_id, body, group="G")
    for _ in range(2):
        await killed_in_the_middle(database_url)
        assert [one.first_name for one in await all_contacts(database, account_id)] == ["Before"]
        async with database.reading() as session:
            assert await groups.list_groups(session, account_id=account_id, after=None, limit=1) == []
    while (await read_import(database, account_id, import_id)).state is ImportState.MERGING:
        await merge_next(database)  # the dead process's session may hold the claim for a moment
    people = await all_contacts(database, account_id)
    assert sorted(str(one.email) for one in people) == sorted(addresses)
    assert {one.first_name for one in people} == {"After"}
    done = await read_import(database, account_id, import_id)
    assert (done.rows_read, done.rows_created, done.rows_updated, done.tries) == (30_000, 29_999, 1, 3)
    async with database.reading() as session:
        assert (await groups.list_groups(session, account_id=account_id, after=None, limit=1))[0].members == 30_000


async def test_an_import_that_died_three_times_is_given_up(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    import_id = await upload(database, account_id, b"email\na@b.example\n")
    async with database.reading() as session:
        for _ in range(3):
            await session.imports.count_try(import_id)
    assert await merge_next(database)
    done = await read_import(database, account_id, import_id)
    assert (done.state, "3 tries" in str(done.problem)) == (ImportState.FAILED, True)
    assert not await merge_next(database)
