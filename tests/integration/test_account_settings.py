"""What an account says of itself: what may be set, what is refused, and that nothing else moves."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.people import new_account

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application.account_settings import AccountDraft, get_account, update_account
from clarion.domain.access import Account, DateStyle
from clarion.domain.errors import Invalid, NotFound
from clarion.domain.ids import Id, new_id


async def change(database: PostgresDatabase, account_id: Id, **given: Any) -> Account:
    async with database.transaction() as tx:
        return await update_account(tx, account_id=account_id, draft=AccountDraft(**given))


async def test_a_new_account_is_in_utc_and_english(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    async with database.reading() as tx:
        account = await get_account(tx, account_id=account_id)
    assert (account.timezone, account.country, account.languages) == ("UTC", None, ("eng",))
    assert (account.date_style, account.instance, account.organisation, account.sandbox) == (
        DateStyle.DAY_FIRST, None, None, None,
    )  # fmt: skip


async def test_settings_are_kept_in_their_canonical_form_and_cleared_by_none(database: PostgresDatabase) -> None:
    account_id, other = await new_account(database), await new_account(database)
    changed = await change(
        database, account_id, name=" Acme ", timezone="Africa/Nairobi", country="ke", languages=["ENG", "swa", "eng"],
        date_style=DateStyle.MONTH_FIRST, instance="Acme.Campaigns.example", organisation="A1B2@Acme", sandbox="prod",
    )  # fmt: skip
    assert (changed.name, changed.timezone, changed.country) == ("Acme", "Africa/Nairobi", "KE")
    assert (changed.languages, changed.date_style) == (("eng", "swa"), DateStyle.MONTH_FIRST)
    assert (changed.instance, changed.organisation, changed.sandbox) == ("acme.campaigns.example", "A1B2@Acme", "prod")
    cleared = await change(database, account_id, country=None, instance=None, organisation=None, sandbox=None)
    assert (cleared.country, cleared.instance, cleared.organisation, cleared.sandbox) == (None,) * 4
    assert (cleared.name, cleared.languages) == ("Acme", ("eng", "swa"))
    async with database.reading() as tx:
        assert await get_account(tx, account_id=account_id) == cleared
        assert (await get_account(tx, account_id=other)).timezone == "UTC"


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("timezone", "Mars/Phobos", "timezone"),
        ("timezone", "", "timezone"),
        ("country", "XX", "country"),
        ("country", "Kenya", "country"),
        ("languages", [], "minItems"),
        ("languages", ["english"], "language"),
        ("languages", ["e\0g"], "language"),
        ("languages", [f"{a}{b}a" for a in "abcdefgh" for b in "abcdefgh"], "maxItems"),
        ("instance", "not a host", "hostname"),
        ("instance", "a\0b", "hostname"),
        ("organisation", "a\ud800b", "characters"),
        ("sandbox", "x" * 256, "maxLength"),
        ("name", " ", "pattern"),
        ("weight", 0, "range"),
        ("weight", 101, "range"),
    ],
)
async def test_a_setting_that_breaks_its_rule_changes_nothing(
    database: PostgresDatabase, field: str, value: object, rule: str
) -> None:
    account_id = await new_account(database)
    with pytest.raises(Invalid) as refused:
        await change(database, account_id, **{"sandbox": "prod", field: value})
    assert [(problem.field, problem.rule) for problem in refused.value.problems] == [(field, rule)]
    async with database.reading() as tx:
        assert (await get_account(tx, account_id=account_id)).sandbox is None


async def test_every_broken_setting_is_told_at_once(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    with pytest.raises(Invalid) as refused:
        await change(database, account_id, name="", timezone="x", country="x", languages=["x"], instance="x y")
    assert {problem.field for problem in refused.value.problems} == {
        "name", "timezone", "country", "languages", "instance",
    }  # fmt: skip


async def test_an_unknown_account_has_no_settings(database: PostgresDatabase) -> None:
    with pytest.raises(NotFound):
        await change(database, new_id(), name="Nobody")
