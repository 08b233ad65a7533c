"""Contacts on a real database: one identity, one person."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from msgspec import UNSET
from tests.support.people import all_contacts, new_account, save, until_waiting

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import contacts, groups
from clarion.application.contacts import ContactDraft
from clarion.domain.errors import Conflict, Invalid, NotFound
from clarion.domain.ids import new_id

FULL_WIDTH = "+" + "".join(chr(0xFF10 + int(digit)) for digit in "12025550123")


async def test_a_contact_keeps_what_it_was_given(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    saved = await save(
        database,
        account_id,
        external_id="crm-1",
        email="Ada@Mail.Example",
        phone="+1 (202) 555-0123",
        first_name="Ada",
        last_name="O'Hara <3",
        language="pt-BR",
        timezone="Europe/Lisbon",
        attributes={"city": "Porto", "score": 7.5, "tags": ["a", {"b": None}], "none": None},
        consent_email=True,
        consent_sms=False,
    )
    async with database.reading() as session:
        read = await contacts.get_contact(session, account_id=account_id, contact_id=saved.id)
    assert read == saved
    assert (read.email, read.email_key) == ("Ada@mail.example", "ada@mail.example")
    assert (read.phone, read.language, read.timezone) == ("+12025550123", "pt-BR", "Europe/Lisbon")
    assert read.attributes == {"city": "Porto", "score": 7.5, "tags": ["a", {"b": None}]}
    assert (read.consent.email, read.consent.sms, read.consent.push) == (True, False, None)


@pytest.mark.parametrize(
    "identity", [{"external_id": "crm-1"}, {"email": "ADA@mail.EXAMPLE"}, {"phone": "+12025550123"}]
)
async def test_any_identity_finds_the_same_contact_again(database: PostgresDatabase, identity: dict[str, str]) -> None:
    account_id = await new_account(database)
    first = await save(
        database, account_id, external_id="crm-1", email="ada@mail.example", phone="+12025550123", first_name="Ada"
    )
    second = await save(database, account_id, **identity, last_name="Hara")
    assert second.id == first.id
    assert (second.first_name, second.last_name) == ("Ada", "Hara")
    assert second.updated_at > first.updated_at


async def test_unset_leaves_null_clears_and_attributes_are_merged(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await save(database, account_id, email="a@b.example", first_name="A", last_name="B", attributes={"x": 1, "y": 2})
    after = await save(
        database, account_id, email="a@b.example", first_name=None, attributes={"y": None, "z": {"deep": True}}
    )
    assert (after.first_name, after.last_name, after.attributes) == (None, "B", {"x": 1, "z": {"deep": True}})
    after = await save(database, account_id, email="a@b.example", attributes=None)
    assert after.attributes == {}


async def test_a_contact_gains_an_external_id_but_never_changes_hands(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    first = await save(database, account_id, email="a@b.example")
    named = await save(database, account_id, external_id="one", email="a@b.example")
    assert named.id == first.id
    with pytest.raises(Conflict, match="email address") as refused:
        await save(database, account_id, external_id="two", email="a@b.example")
    assert refused.value.code == "CONTACT_ADDRESS_TAKEN"
    assert len(await all_contacts(database, account_id)) == 1


async def test_identities_of_two_contacts_in_one_draft_are_a_conflict(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await save(database, account_id, email="a@b.example")
    await save(database, account_id, phone="+12025550123")
    with pytest.raises(Conflict, match="phone number"):
        await save(database, account_id, email="a@b.example", phone="+12025550123")


async def test_an_address_can_move_by_contact_id_when_it_is_free(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    first = await save(database, account_id, email="a@b.example")
    other = await save(database, account_id, email="c@d.example")
    moved = await save(database, account_id, contact_id=first.id, email="new@b.example")
    assert (moved.id, moved.email) == (first.id, "new@b.example")
    with pytest.raises(Conflict):
        await save(database, account_id, contact_id=other.id, email="NEW@b.example")
    again = await save(database, account_id, email="a@b.example")
    assert again.id not in (first.id, other.id)


async def test_a_contact_without_any_identity_is_refused(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    with pytest.raises(Invalid, match="needs an externalId, an email, a phone or an identity"):
        await save(database, account_id, first_name="Nobody")
    saved = await save(database, account_id, email="a@b.example")
    with pytest.raises(Invalid):
        await save(database, account_id, contact_id=saved.id, email=None)


async def test_every_broken_rule_is_told_at_once(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    with pytest.raises(Invalid) as refused:
        await save(
            database,
            account_id,
            external_id="",
            email="a b@c.example",
            phone="12345",
            first_name="x" * 201,
            last_name="two\nlines",
            language="english!",
            timezone="Mars/Olympus",
            attributes={"": 1},
        )
    fields = {problem.field for problem in refused.value.problems}
    assert fields == {
        "externalId", "email", "phone", "firstName", "lastName", "language", "timezone", "attributes",
    }  # fmt: skip
    assert await all_contacts(database, account_id) == []


@pytest.mark.parametrize("field", ["external_id", "first_name", "last_name", "email", "phone", "language", "timezone"])
@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\0", "\udfff"], ids=repr)
async def test_t60_t61_nul_and_lone_surrogates_are_refused_in_every_field(
    database: PostgresDatabase, field: str, text: str
) -> None:
    account_id = await new_account(database)
    good = {} if field == "external_id" else {"external_id": "x"}
    with pytest.raises(Invalid):
        await save(database, account_id, **good, **{field: text})


@pytest.mark.parametrize(
    "phone",
    ["+1;ext=5", "+1202555012a", FULL_WIDTH, "+1234567890123456", "2025550123", "+", "++12025550123",
     "+12025550123 x5", "tel:+12025550123", "+999999999999", "+12025550123\n"],
)  # fmt: skip
async def test_t74_a_phone_number_is_e164_in_ascii_or_refused(database: PostgresDatabase, phone: str) -> None:
    account_id = await new_account(database)
    with pytest.raises(Invalid) as refused:
        await save(database, account_id, phone=phone)
    assert refused.value.problems[0].field == "phone"


@pytest.mark.parametrize(
    "variant", ["KELVIN@mail.example", "\u212aelvin@mail.example", "kelvin@MAIL.example", " kelvin@mail.example "]
)
async def test_t08_t10_variants_of_an_address_are_one_contact(database: PostgresDatabase, variant: str) -> None:
    account_id = await new_account(database)
    first = await save(database, account_id, email="kelvin@mail.example")
    second = await save(database, account_id, email=variant)
    assert second.id == first.id


async def test_t40_another_accounts_contact_is_answered_like_an_unknown_one(database: PostgresDatabase) -> None:
    mine, theirs = await new_account(database), await new_account(database)
    contact = await save(database, theirs, email="a@b.example")
    async with database.transaction() as tx:
        for contact_id in (contact.id, new_id()):
            with pytest.raises(NotFound, match="No such contact"):
                await contacts.get_contact(tx, account_id=mine, contact_id=contact_id)
            with pytest.raises(NotFound, match="No such contact"):
                await contacts.delete_contact(tx, account_id=mine, contact_id=contact_id)
            draft = ContactDraft(contact_id=contact_id, first_name="x")
            with pytest.raises(NotFound, match="No such contact"):
                await contacts.save_contact(tx, account_id=mine, draft=draft)
    assert await save(database, mine, email="a@b.example") != contact
    assert await all_contacts(database, theirs) == [contact]


async def test_a_deleted_contact_leaves_a_row_without_personal_data(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    contact = await save(
        database, account_id, email="a@b.example", phone="+12025550123", external_id="crm-1", first_name="Ada",
        last_name="H", language="en", timezone="UTC", attributes={"secret": "x"}, consent_email=True,
    )  # fmt: skip
    async with database.transaction() as tx:
        group = await groups.create_group(tx, account_id=account_id, name="All")
        await groups.add_members(tx, account_id=account_id, group_id=group.id, contact_ids=[contact.id])
        await contacts.delete_contact(tx, account_id=account_id, contact_id=contact.id)
        row = await tx.connection.fetchrow("SELECT * FROM contact WHERE id = $1", contact.id)
        kept = await tx.connection.fetchval("SELECT count(*) FROM group_member_removed")
        with pytest.raises(NotFound):
            await contacts.delete_contact(tx, account_id=account_id, contact_id=contact.id)
    assert row is not None
    left = {name for name, value in row.items() if value not in (None, {})}
    assert left == {"id", "account_id", "status", "created_at", "updated_at", "deleted_at"}
    assert kept == 1
    assert await all_contacts(database, account_id) == []
    assert (await save(database, account_id, email="a@b.example")).id != contact.id


async def test_a_list_is_read_page_by_page_and_filtered(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    saved = [await save(database, account_id, email=f"p{n}@mail.example", external_id=f"x{n}") for n in range(5)]
    seen, after = [], None
    async with database.reading() as session:
        while page := await contacts.list_contacts(session, account_id=account_id, after=after, limit=2):
            seen += page
            after = page[-1].id
        by_email = await contacts.list_contacts(
            session, account_id=account_id, after=None, limit=9, email=" P3@MAIL.example"
        )
        by_id = await contacts.list_contacts(session, account_id=account_id, after=None, limit=9, external_id="x2")
        odd = await contacts.list_contacts(session, account_id=account_id, after=None, limit=9, external_id="\0")
        with pytest.raises(NotFound):
            await contacts.list_contacts(session, account_id=account_id, after=None, limit=9, group_id=new_id())
    assert seen == saved
    assert (by_email, by_id, odd) == ([saved[3]], [saved[2]], [])


async def test_f16_who_saves_what_another_is_saving_finds_it(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    async with database.transaction() as tx:
        draft = ContactDraft(email="a@b.example", first_name="Ada")
        first, _ = await contacts.save_contact(tx, account_id=account_id, draft=draft)
        second = asyncio.create_task(save(database, account_id, email="a@b.example", last_name="Lovelace"))
        await until_waiting(database, second)
    found = await second
    assert (found.id, found.first_name, found.last_name) == (first.id, "Ada", "Lovelace")
    assert await all_contacts(database, account_id) == [found]


async def test_a_transaction_goes_on_after_a_conflict(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    holder = await save(database, account_id, email="a@b.example")
    other = await save(database, account_id, email="c@d.example")
    async with database.transaction() as tx:
        draft = ContactDraft(contact_id=other.id, email="a@b.example")
        with pytest.raises(Conflict):
            await contacts.save_contact(tx, account_id=account_id, draft=draft)
        twin = dataclasses.replace(holder, id=new_id())
        with pytest.raises(Conflict, match="email address"):
            await tx.contacts.insert(account_id, twin)
        contact, created = await contacts.save_contact(
            tx, account_id=account_id, draft=ContactDraft(email="e@f.example", phone=UNSET)
        )
    assert created
    assert contact in await all_contacts(database, account_id)
