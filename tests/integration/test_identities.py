"""Identities in namespaces: every name a contact goes by finds it, and each belongs to one contact."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.database import StatementLog
from tests.support.people import all_contacts, imported, new_account, rejections, save

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import contacts
from clarion.application.contact_rules import Refusal
from clarion.application.identities import IDENTITIES_LIMIT, canonical, resolve
from clarion.domain.contact import Contact, Identity
from clarion.domain.errors import Conflict, Invalid
from clarion.domain.ids import Id


async def found(database: PostgresDatabase, account_id: Id, namespace: str, value: str) -> Contact | None:
    identity = canonical(namespace, value)
    assert isinstance(identity, Identity)
    async with database.reading() as tx:
        return (await resolve(tx, account_id=account_id, pairs=[identity])).get(identity)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (("Email", " Ada@MAIL.example "), ("email", "ada@mail.example")),
        (("mailto", "ada@mail.example"), ("email", "ada@mail.example")),
        (("tel", "+1 (202) 555-0123"), ("phone", "+12025550123")),
        (("externalId", "A-1"), ("external_id", "A-1")),
        (("ECID", " 0042 "), ("ecid", "0042")),
        (("crm.id-2_x", "a:b"), ("crm.id-2_x", "a:b")),
    ],
)
def test_an_identity_has_one_canonical_form(given: tuple[str, str], kept: tuple[str, str]) -> None:
    assert canonical(*given) == kept


@pytest.mark.parametrize(
    ("namespace", "value", "rule"),
    [
        ("", "x", "namespace"),
        ("crm id", "x", "namespace"),
        ("a:b", "x", "namespace"),
        ("n" * 65, "x", "namespace"),
        ("\u212a", "x", "namespace"),
        ("crm\0", "x", "namespace"),
        ("crm", "", "minLength"),
        ("crm", "x" * 256, "maxLength"),
        ("crm", "a\0b", "characters"),
        ("crm", "\ud800", "characters"),
        ("phone", "12345", "phone"),
    ],
)
def test_what_cannot_be_an_identity_is_refused_with_its_rule(namespace: str, value: str, rule: str) -> None:
    refused = canonical(namespace, value)
    assert isinstance(refused, Refusal)
    assert refused.rule == rule


def test_an_address_that_is_none_is_no_identity() -> None:
    assert isinstance(canonical("email", "nobody"), Refusal)


async def test_every_identity_finds_its_contact(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    ada = await save(
        database, account_id, email="Ada@mail.example", phone="+12025550123", external_id="7",
        identities=[("ECID", "42"), ("telegram", "900"), ("mailto", "second@mail.example")],
    )  # fmt: skip
    assert ada.identities == (("ecid", "42"), ("telegram", "900"), ("email", "second@mail.example"))
    for namespace, value in (
        ("email", "ADA@mail.example"), ("phone", "+12025550123"), ("external_id", "7"), ("ecid", "42"),
        ("telegram", "900"), ("email", "second@mail.example"),
    ):  # fmt: skip
        assert await found(database, account_id, namespace, value) == ada
    assert await found(database, account_id, "ecid", "43") is None
    assert await found(database, await new_account(database), "ecid", "42") is None


async def test_hundreds_of_identities_are_resolved_by_one_statement(
    database: PostgresDatabase, statement_log: StatementLog
) -> None:
    account_id = await new_account(database)
    saved = [
        await save(
            database, account_id, **({"email": f"p{n}@x.example"} if n % 2 else {"identities": [("crm", str(n))]})
        )
        for n in range(300)
    ]
    pairs = [("email", f"p{n}@x.example") if n % 2 else ("crm", str(n)) for n in range(600)]
    statement_log.clear()
    async with database.reading() as tx:
        resolved = await resolve(tx, account_id=account_id, pairs=pairs)
    assert statement_log.count == 1
    assert resolved == dict(zip(pairs, saved, strict=False))


async def test_a_contact_is_made_and_found_again_by_a_further_identity_alone(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    first = await save(database, account_id, identities=[("crmid", "C-1")])
    again = await save(database, account_id, identities=[("CRMID", "C-1")], first_name="Ada", email="a@b.example")
    assert (again.id, again.email) == (first.id, "a@b.example")
    assert len(await all_contacts(database, account_id)) == 1


async def test_identities_given_replace_those_stored_and_unset_leaves_them(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await save(database, account_id, email="a@b.example", identities=[("crm", "1"), ("tg", "2")])
    untouched = await save(database, account_id, email="a@b.example", first_name="Ada")
    replaced = await save(database, account_id, email="a@b.example", identities=[("tg", "3"), ("tg", "2"), ("tg", "3")])
    cleared = await save(database, account_id, email="a@b.example", identities=None)
    assert untouched.identities == (("crm", "1"), ("tg", "2"))
    assert replaced.identities == (("tg", "3"), ("tg", "2"))
    assert cleared.identities == ()
    assert await all_contacts(database, account_id) == [cleared]
    assert await found(database, account_id, "tg", "2") is None


async def test_an_identity_of_another_contact_is_a_conflict_and_changes_nothing(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    ada = await save(
        database, account_id, email="ada@x.example", identities=[("crm", "1"), ("email", "ada2@x.example")]
    )
    bob = await save(database, account_id, email="bob@x.example")
    for taken in (
        {"identities": [("crm", "1")]},
        {"identities": [("email", "ada@x.example")]},
        {"email": "ada2@x.example"},
    ):
        with pytest.raises(Conflict) as refused:
            await save(database, account_id, contact_id=bob.id, **taken)
        assert refused.value.code == "CONTACT_ADDRESS_TAKEN"
    with pytest.raises(Conflict, match="identity"):
        await save(database, account_id, email="bob@x.example", identities=[("crm", "1")])
    assert await all_contacts(database, account_id) == [ada, bob]
    elsewhere = await save(database, await new_account(database), email="x@y.example", identities=[("crm", "1")])
    assert elsewhere.identities == (("crm", "1"),)


async def test_who_is_found_by_a_second_address_keeps_the_first(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    ada = await save(database, account_id, email="ada@x.example", identities=[("email", "ada2@x.example")])
    same = await save(database, account_id, email="ADA2@x.example", first_name="Ada")
    assert (same.id, same.email, same.identities) == (ada.id, "ada@x.example", (("email", "ada2@x.example"),))


async def test_a_second_address_becomes_the_first_when_the_contact_is_named(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    ada = await save(database, account_id, email="ada@x.example", identities=[("email", "ada2@x.example")])
    moved = await save(database, account_id, contact_id=ada.id, email="ada2@x.example")
    assert (moved.email, moved.identities) == ("ada2@x.example", ())


async def test_a_contacts_own_address_does_not_stand_among_the_further_ones(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    ada = await save(
        database, account_id, email="ada@x.example", identities=[("mailto", "Ada@x.example"), ("crm", "1")]
    )
    assert ada.identities == (("crm", "1"),)


async def test_erasing_a_contact_frees_its_identities(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    gone = await save(database, account_id, email="a@b.example", identities=[("crm", "1")])
    async with database.transaction() as tx:
        await contacts.delete_contact(tx, account_id=account_id, contact_id=gone.id)
        assert await tx.connection.fetchval("SELECT count(*) FROM contact_identity") == 0
    assert await found(database, account_id, "crm", "1") is None
    assert (await save(database, account_id, identities=[("crm", "1")])).id != gone.id


@pytest.mark.parametrize(
    ("identities", "field", "rule"),
    [
        ([("crm", "1"), ("no good", "2")], "identities[1]", "namespace"),
        ([("phone", "12")], "identities[0]", "phone"),
        ([("crm", str(n)) for n in range(IDENTITIES_LIMIT + 1)], "identities", "maxItems"),
    ],
)
async def test_a_broken_identity_is_named_and_nothing_is_stored(
    database: PostgresDatabase, identities: list[tuple[str, str]], field: str, rule: str
) -> None:
    account_id = await new_account(database)
    with pytest.raises(Invalid) as refused:
        await save(database, account_id, email="a@b.example", identities=identities)
    assert [(problem.field, problem.rule) for problem in refused.value.problems] == [(field, rule)]
    assert await all_contacts(database, account_id) == []


async def test_twenty_simultaneous_saves_of_one_identity_make_one_contact(database: PostgresDatabase) -> None:
    account_id = await new_account(database)

    async def one(n: int) -> str:
        try:
            await save(database, account_id, identities=[("crm", "1")], first_name=f"N{n}")
        except Conflict:
            return "conflict"
        return "saved"

    assert "saved" in await asyncio.gather(*map(one, range(20)))
    assert len(await all_contacts(database, account_id)) == 1


async def test_an_import_refuses_a_row_whose_address_is_a_second_one_of_somebody(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    ada = await save(database, account_id, email="ada@x.example", identities=[("email", "ada2@x.example")])
    done = await imported(database, account_id, b"email\nnew@x.example\nADA2@x.example\nada@x.example\n")
    assert (done.rows_created, done.rows_updated, done.rows_rejected) == (1, 1, 1)
    [refused] = await rejections(database, account_id, done.id)
    assert (refused.row_no, refused.field, refused.rule) == (2, "email", "taken")
    people = await all_contacts(database, account_id)
    assert [one.email for one in people] == ["ada@x.example", "new@x.example"]
    assert people[0].identities == ada.identities
