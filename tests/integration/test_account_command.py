"""`clarion account`: an account is made, shown and set, gets further keys, and mistakes are one sentence."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from tests.conftest import TEST_KEY
from typer.testing import CliRunner, Result

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application.access import authenticate, list_keys
from clarion.domain.errors import Invalid, NotFound
from clarion.entrypoints.cli import app


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a command that works on a fresh database."""
    return {
        "CLARION_DATA_DIR": str(tmp_path / "data"),
        "CLARION_DATABASE_URL": database_url,
        "CLARION_SECRET_KEY": TEST_KEY,
    }


def account(place: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(app, ["account", *arguments], env=place)


def test_an_account_is_made_listed_set_and_shown(place: dict[str, str]) -> None:
    made = account(place, "create", "Acme", "--owner-email", "ada@mail.example")
    found = re.fullmatch(r"account  ([0-9a-f]{24})\nkey      clarion_\w{24}_[\w-]{43}\n", made.stdout)
    assert found
    assert account(place, "list").stdout == f"{found[1]}  Acme\n"
    changed = account(
        place, "set", found[1], "--timezone", "Africa/Nairobi", "--languages", "eng,swa", "--sandbox", "prod"
    )
    assert "timezone     Africa/Nairobi\n" in changed.stdout
    assert "languages    eng,swa\n" in changed.stdout
    assert "weight       3\n" in account(place, "set", found[1], "--weight", "3").stdout
    limited = account(place, "set", found[1], "--rate-per-second", "50", "--domain-rate", "Mail.example=20").stdout
    assert "rate         50/s\ndomain rates mail.example=20/s\n" in limited
    unlimited = account(place, "set", found[1], "--rate-per-second", "0", "--domain-rate", "").stdout
    assert "rate         -\ndomain rates -\n" in unlimited
    cleared = account(place, "set", found[1], "--sandbox", "")
    assert "sandbox      -\n" in cleared.stdout
    assert account(place, "show", found[1]).stdout == cleared.stdout


async def test_whoever_lost_a_key_makes_another_that_may_do_as_much(
    place: dict[str, str], database: PostgresDatabase
) -> None:
    _, made, _, first = (await asyncio.to_thread(account, place, "create", "Acme")).stdout.split()
    said = ("key", made, "--name", "after the move", "--owner-email", "ada@mail.example")
    _, second = (await asyncio.to_thread(account, place, *said)).stdout.split()
    async with database.transaction() as tx:
        of_first, of_second = [await authenticate(tx, presented=key) for key in (first, second)]
        named = [key.name for key in await list_keys(tx, account_id=of_first.account_id, after=None, limit=9)]
    assert of_second.account_id.hex() == made
    assert of_second.permissions == of_first.permissions
    assert of_second.owner_email == "ada@mail.example"
    assert named == ["first key", "after the move"]


@pytest.mark.parametrize("which", ["nonsense", "0" * 24])
def test_an_unknown_account_is_told(place: dict[str, str], which: str) -> None:
    for command in ("show", "key"):
        assert isinstance(account(place, command, which).exception, NotFound)


def test_a_wrong_setting_is_told(place: dict[str, str]) -> None:
    made = account(place, "create", "Acme").stdout.split()[1]
    assert isinstance(account(place, "set", made, "--timezone", "Mars/Phobos").exception, Invalid)
    assert isinstance(account(place, "set", made, "--domain-rate", "nowhere=1").exception, Invalid)
    assert isinstance(account(place, "key", made, "--owner-email", "ada").exception, Invalid)
    assert account(place, "set", made, "--domain-rate", "mail.example").exit_code == 2
    assert account(place, "set", made, "--date-style", "backwards").exit_code == 2
