"""Accounts and keys on a real database."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from tests.support.people import new_account

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import access
from clarion.domain.access import ALL_PERMISSIONS, Permission
from clarion.domain.errors import Invalid, NotFound, Unauthenticated
from clarion.domain.ids import new_id


async def test_a_new_account_comes_with_a_key_that_may_do_everything(database: PostgresDatabase) -> None:
    async with database.transaction() as tx:
        account, key, secret = await access.create_account(tx, name="  Northwind  ")
    async with database.reading() as session:
        principal = await access.authenticate(session, presented=secret)
    assert account.name == "Northwind"
    assert (principal.key_id, principal.account_id) == (key.id, account.id)
    assert principal.permissions == ALL_PERMISSIONS


async def test_t44_a_key_has_256_random_bits_and_is_stored_only_as_a_digest(database: PostgresDatabase) -> None:
    async with database.transaction() as tx:
        _, key, secret = await access.create_account(tx, name="Northwind")
        stored = await tx.connection.fetchrow("SELECT * FROM api_key")
    assert re.fullmatch(rf"clarion_{key.id.hex()}_[A-Za-z0-9_-]{{43}}", secret)
    assert stored is not None
    random_part = secret[-43:]
    assert random_part not in str(dict(stored))
    assert random_part.encode() not in stored["secret_hash"]
    assert "secret" not in repr(key)


@pytest.mark.parametrize("end", ["revoked", "expired"])
async def test_t44_a_revoked_or_expired_key_is_refused_at_once(database: PostgresDatabase, end: str) -> None:
    async with database.transaction() as tx:
        account, key, secret = await access.create_account(tx, name="Northwind")
        if end == "revoked":
            await access.revoke_key(tx, account_id=account.id, key_id=key.id)
        else:
            await tx.connection.execute("UPDATE api_key SET expires_at = now() - interval '1 second'")
    async with database.reading() as session:
        with pytest.raises(Unauthenticated):
            await access.authenticate(session, presented=secret)


async def test_t44_last_use_is_noted_at_most_once_a_minute(database: PostgresDatabase) -> None:
    async with database.transaction() as tx:
        account, _, secret = await access.create_account(tx, name="Northwind")
    noted = []
    for _ in range(3):
        async with database.transaction() as tx:
            await access.authenticate(tx, presented=secret)
        async with database.reading() as session:
            [key] = await access.list_keys(session, account_id=account.id, after=None, limit=10)
            noted.append(key.last_used_at)
    assert noted[0] is not None
    assert noted[0] == noted[1] == noted[2]


async def test_t45_wrong_unknown_and_malformed_keys_are_refused_alike(database: PostgresDatabase) -> None:
    async with database.transaction() as tx:
        _, _, secret = await access.create_account(tx, name="Northwind")
    other = "A" if secret[-1] != "A" else "B"
    unknown = f"clarion_{new_id().hex()}_{secret[-43:]}"
    said = set()
    for presented in (secret[:-1] + other, unknown, "", "clarion_", "x" * 10_000, secret + "\n", "\ud800", "clarion_é"):
        async with database.reading() as session:
            with pytest.raises(Unauthenticated) as refused:
                await access.authenticate(session, presented=presented)
        said.add(str(refused.value))
    assert len(said) == 1


async def test_t40_another_accounts_key_cannot_be_revoked_or_listed(database: PostgresDatabase) -> None:
    mine, theirs = await new_account(database), await new_account(database)
    async with database.transaction() as tx:
        key, _ = await access.create_key(tx, account_id=theirs, name="x", permissions=[Permission.CONTACTS_READ])
        for key_id in (key.id, new_id()):
            with pytest.raises(NotFound, match="No such key"):
                await access.revoke_key(tx, account_id=mine, key_id=key_id)
        listed = await access.list_keys(tx, account_id=mine, after=None, limit=100)
    assert key.id not in {one.id for one in listed}


async def test_a_second_revocation_keeps_the_first_time(database: PostgresDatabase) -> None:
    async with database.transaction() as tx:
        account, key, _ = await access.create_account(tx, name="Northwind")
    times = []
    for _ in range(2):
        async with database.transaction() as tx:
            await access.revoke_key(tx, account_id=account.id, key_id=key.id)
            [one] = await access.list_keys(tx, account_id=account.id, after=None, limit=1)
            times.append(one.revoked_at)
    assert times[0] is not None
    assert times[0] == times[1]


async def test_a_key_carries_exactly_the_permissions_it_was_given(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    async with database.transaction() as tx:
        _, secret = await access.create_key(
            tx,
            account_id=account_id,
            name="reader",
            permissions=[Permission.CONTACTS_READ],
            expires_at=datetime.now(UTC) + timedelta(hours=1),
        )
        principal = await access.authenticate(tx, presented=secret)
    assert principal.may(Permission.CONTACTS_READ)
    assert not principal.may(Permission.CONTACTS_WRITE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"name": "a\0b"},
        {"name": "x" * 201},
        {"permissions": []},
        {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)},
    ],
)
async def test_a_key_that_breaks_a_rule_is_not_made(database: PostgresDatabase, wrong: dict[str, object]) -> None:
    account_id = await new_account(database)
    good: dict[str, object] = {"name": "x", "permissions": [Permission.CONTACTS_READ]}
    async with database.transaction() as tx:
        with pytest.raises(Invalid):
            await access.create_key(tx, account_id=account_id, **(good | wrong))  # type: ignore[arg-type]
        assert len(await access.list_keys(tx, account_id=account_id, after=None, limit=10)) == 1


async def test_keys_are_listed_page_by_page(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    async with database.transaction() as tx:
        for n in range(5):
            await access.create_key(tx, account_id=account_id, name=str(n), permissions=[Permission.KEYS_WRITE])
    seen, after = [], None
    async with database.reading() as session:
        while page := await access.list_keys(session, account_id=account_id, after=after, limit=2):
            seen += [key.name for key in page]
            after = page[-1].id
    assert seen == ["first key", "0", "1", "2", "3", "4"]


async def test_f14_an_account_that_was_not_committed_is_not_there(database: PostgresDatabase) -> None:
    transaction = database.transaction()
    tx = await transaction.__aenter__()
    account, _, secret = await access.create_account(tx, name="Northwind")
    await transaction.__aexit__(asyncio.CancelledError, asyncio.CancelledError(), None)
    async with database.reading() as session:
        assert await session.accounts.find(account.id) is None
        with pytest.raises(Unauthenticated):
            await access.authenticate(session, presented=secret)


async def test_a_secret_of_another_length_never_reaches_the_database(database: PostgresDatabase) -> None:
    async with database.transaction() as tx:
        account, _, _ = await access.create_account(tx, name="Northwind")
        with pytest.raises(asyncpg.CheckViolationError):
            await tx.keys.insert(
                new_id(),
                account_id=account.id,
                name="x",
                secret_hash=b"plain",
                permissions=frozenset(),
                expires_at=None,
            )
