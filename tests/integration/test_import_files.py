"""Files of imports as people send them: every common shape is read, every broken one is named."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

import msgspec
import pytest
from tests.support.people import all_contacts, imported, new_account, read_import, rejections, upload

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import groups
from clarion.domain.contact import Contact
from clarion.domain.contact_import import CHUNK_LIMIT, ImportFormat, ImportState
from clarion.domain.ids import Id
from clarion.pipeline.importing import merge_next

NDJSON = ImportFormat.NDJSON


def as_json_lines(*records: object) -> bytes:
    return b"\n".join(msgspec.json.encode(record) for record in records)


async def by_email(database: PostgresDatabase, account_id: Id) -> dict[str | None, Contact]:
    return {contact.email: contact for contact in await all_contacts(database, account_id)}


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


@pytest.mark.parametrize(
    "line",
    [
        b'{"email": "a@b.example", "email": "c@d.example"}',
        b'{"email": "a@b.example", "attributes": {"city": "Como", "city": "Lugano"}}',
        b'{"email": "a@b.example", "list": [[{"x": 1, "\\u0078": 2}]]}',
    ],
)
async def test_t62_a_json_line_with_a_key_twice_is_refused(database: PostgresDatabase, line: bytes) -> None:
    account_id = await new_account(database)
    good = (
        b'{"email": "good@mail.example", "web": "https://a.example:80/{\\"x\\": 1, \\"x\\": 2}", "n": {"x": {"x": 1}}}'
    )
    done = await imported(database, account_id, b"\n".join([line, good]), format_=NDJSON)
    assert (done.rows_read, done.rows_created, done.rows_rejected) == (2, 1, 1)
    async with database.reading() as tx:
        assert "twice" in str(await tx.connection.fetchval("SELECT message FROM import_rejection"))


async def test_t68_a_json_line_without_an_end_fails_the_import(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    done = await imported(database, account_id, [b'{"x": "', *[b"x" * CHUNK_LIMIT] * 3], format_=NDJSON)
    assert done.state is ImportState.FAILED
    assert "longer than 1 MB" in str(done.problem)
