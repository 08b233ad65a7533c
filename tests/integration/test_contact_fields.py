"""Typed contact fields: their life, and the contacts that are held to them, one by one and in imports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.people import all_contacts, imported, new_account, rejections, save

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import contact_fields, segments
from clarion.application.account_settings import AccountDraft, update_account
from clarion.application.segments import parse_rule
from clarion.domain.access import DateStyle
from clarion.domain.contact_field import ContactField, FieldType
from clarion.domain.contact_import import ImportFormat
from clarion.domain.errors import Conflict, Invalid, NotFound
from clarion.domain.ids import Id


async def field(database: PostgresDatabase, account_id: Id, name: str, type_: FieldType) -> ContactField:
    async with database.transaction() as tx:
        return await contact_fields.create_field(tx, account_id=account_id, name=name, type_=type_)


async def test_a_field_is_made_listed_changed_and_removed(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    made = await field(database, account_id, "  Joined On ", FieldType.DATETIME)
    other = await field(database, account_id, "Age", FieldType.NUMBER)
    assert (made.key, made.name, made.featured, made.priority) == ("joined_on", "Joined On", False, 0)
    async with database.transaction() as tx:
        assert await contact_fields.list_fields(tx, account_id=account_id) == [made, other]
        changed = await contact_fields.update_field(
            tx, account_id=account_id, key="joined_on", name="Member since", featured=True, priority=9
        )
        assert (changed.key, changed.name, changed.type) == ("joined_on", "Member since", FieldType.DATETIME)
        assert await contact_fields.get_field(tx, account_id=account_id, key="joined_on") == changed
        await contact_fields.delete_field(tx, account_id=account_id, key="joined_on")
        assert await contact_fields.list_fields(tx, account_id=account_id) == [other]


@pytest.mark.parametrize(
    "name", ["", "   ", "x" * 65, "a\0b", "two\nlines", "\ud800", "Has", "Email", "???", "1st", "语言"]
)
async def test_a_name_that_makes_no_key_makes_no_field(database: PostgresDatabase, name: str) -> None:
    account_id = await new_account(database)
    with pytest.raises(Invalid) as refused:
        await field(database, account_id, name, FieldType.TEXT)
    assert refused.value.problems[0].field == "name"


@pytest.mark.parametrize("name", ["Age", "AGE", "age!"])
async def test_two_fields_never_share_a_name_or_a_key(database: PostgresDatabase, name: str) -> None:
    account_id = await new_account(database)
    await field(database, account_id, "Age", FieldType.NUMBER)
    with pytest.raises(Conflict) as refused:
        await field(database, account_id, name, FieldType.TEXT)
    assert refused.value.code == "FIELD_TAKEN"
    await field(database, await new_account(database), name, FieldType.TEXT)


async def test_another_accounts_field_is_answered_like_an_unknown_one(database: PostgresDatabase) -> None:
    mine, theirs = await new_account(database), await new_account(database)
    await field(database, theirs, "Age", FieldType.NUMBER)
    async with database.transaction() as tx:
        for key in ("age", "no such", "\0", "\ud800"):
            with pytest.raises(NotFound):
                await contact_fields.get_field(tx, account_id=mine, key=key)
            with pytest.raises(NotFound):
                await contact_fields.delete_field(tx, account_id=mine, key=key)


async def test_an_account_has_at_most_250_fields(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    async with database.transaction() as tx:
        for n in range(250):
            await contact_fields.create_field(tx, account_id=account_id, name=f"Field {n}")
        with pytest.raises(Conflict) as refused:
            await contact_fields.create_field(tx, account_id=account_id, name="One more")
    assert refused.value.code == "FIELD_LIMIT"


async def test_a_field_that_a_segment_names_keeps_its_type_and_stays(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await field(database, account_id, "Age", FieldType.NUMBER)
    rule = parse_rule({"not": {"field": "attributes.age", "operator": "greaterThan", "value": 17}})
    async with database.transaction() as tx:
        await segments.create_segment(tx, account_id=account_id, name="Minors", rule=rule)
        for attempt in (
            contact_fields.delete_field(tx, account_id=account_id, key="age"),
            contact_fields.update_field(tx, account_id=account_id, key="age", type_=FieldType.TEXT),
        ):
            with pytest.raises(Conflict) as refused:
                await attempt
            assert refused.value.code == "FIELD_IN_USE"
        await contact_fields.update_field(tx, account_id=account_id, key="age", name="Years", type_=FieldType.NUMBER)


async def test_a_contact_takes_values_of_the_fields_type_only(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await field(database, account_id, "Age", FieldType.NUMBER)
    await field(database, account_id, "Born", FieldType.DATETIME)
    ada = await save(
        database, account_id, email="a@b.example",
        attributes={"age": 36, "born": "1815-12-10T00:00:00+00:00", "free": ["any", 1]},
    )  # fmt: skip
    assert ada.attributes == {"age": 36, "born": "1815-12-10T00:00:00Z", "free": ["any", 1]}
    with pytest.raises(Invalid) as refused:
        await save(
            database, account_id, email="a@b.example", phone="12", attributes={"age": "36", "born": "long ago", "x": 1}
        )
    problems = {(problem.field, problem.rule) for problem in refused.value.problems}
    assert problems == {("attributes.age", "type"), ("attributes.born", "type"), ("phone", "phone")}
    cleared = await save(database, account_id, email="a@b.example", attributes={"age": None})
    assert cleared.attributes == {"born": "1815-12-10T00:00:00Z", "free": ["any", 1]}
    elsewhere = await save(database, await new_account(database), email="a@b.example", attributes={"age": "36"})
    assert elsewhere.attributes == {"age": "36"}


async def _prepared(database: PostgresDatabase) -> Id:
    account_id = await new_account(database)
    for name, type_ in (("Age", FieldType.NUMBER), ("Joined On", FieldType.DATETIME), ("vip", FieldType.BOOLEAN)):
        await field(database, account_id, name, type_)
    draft = AccountDraft(timezone="Africa/Nairobi", date_style=DateStyle.MONTH_FIRST)
    async with database.transaction() as tx:
        await update_account(tx, account_id=account_id, draft=draft)
    return account_id


READ: Mapping[str, Any] = {"age": 36, "joined_on": "2026-02-28T21:00:00Z", "vip": True, "City": "Como"}


AS_CSV = b"""\
email,AGE,Joined-On,VIP,City
a@b.example,36,03/01/2026,yes,Como
b@b.example,old,,,
c@b.example,,13/01/2026,,
d@b.example,,,,
"""
AS_NDJSON = b"""\
{"email":"a@b.example","age":36,"joined_on":"03/01/2026","vip":"yes","City":"Como"}
{"email":"b@b.example","age":"old"}
{"email":"c@b.example","attributes":{"joined_on":5}}
{"email":"d@b.example","age":null}
"""


@pytest.mark.parametrize(("format_", "body"), [(ImportFormat.CSV, AS_CSV), (ImportFormat.NDJSON, AS_NDJSON)])
async def test_an_import_reads_typed_values_from_text_and_refuses_the_rest(
    database: PostgresDatabase, format_: ImportFormat, body: bytes
) -> None:
    account_id = await _prepared(database)
    done = await imported(database, account_id, body, format_=format_)
    assert (done.rows_created, done.rows_rejected) == (2, 2)
    first, last = await all_contacts(database, account_id)
    assert (first.attributes, last.attributes) == (READ, {})
    refused = await rejections(database, account_id, done.id)
    assert [(one.row_no, one.field, one.rule) for one in refused] == [
        (2, "attributes.age", "type"),
        (3, "attributes.joined_on", "type"),
    ]


async def test_two_columns_that_mean_one_field_break_the_file(database: PostgresDatabase) -> None:
    account_id = await _prepared(database)
    done = await imported(database, account_id, b"email,Joined On,joined_on\na@b.example,,\n")
    assert done.problem is not None
    assert "'Joined On' and 'joined_on' mean the same" in done.problem
