"""Short-lived tokens, pairs and owners of keys on a real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import access
from clarion.application.access_tokens import AccessTokens
from clarion.domain.access import Permission
from clarion.domain.errors import Invalid, RateLimited, Unauthenticated
from clarion.domain.ids import new_id
from clarion.entrypoints.http.security import Doorkeeper, Pace

TOKENS = AccessTokens({1: bytes(32)}, 1)
HOUR = timedelta(hours=1)


async def test_a_token_does_what_its_key_may_until_the_key_is_revoked(database: PostgresDatabase) -> None:
    async with database.transaction() as tx:
        account, key, secret = await access.create_account(tx, name="Northwind", owner_email="Ada@MAIL.example")
        principal = await access.authenticate(tx, presented=secret)
        text, ends_at = TOKENS.issue(principal, HOUR)
        by_token = await access.authenticate(tx, presented=text, tokens=TOKENS)
        assert secret[-43:] not in text
        assert (by_token.key_id, by_token.permissions) == (key.id, principal.permissions)
        assert (by_token.expires_at, by_token.owner_email) == (ends_at, "ada@mail.example")
        await access.revoke_key(tx, account_id=account.id, key_id=key.id)
        with pytest.raises(Unauthenticated):
            await access.authenticate(tx, presented=text, tokens=TOKENS)


async def test_an_ended_forged_or_unreadable_token_is_refused_like_a_wrong_key(database: PostgresDatabase) -> None:
    async with database.transaction() as tx:
        _, _, secret = await access.create_account(tx, name="Northwind")
        principal = await access.authenticate(tx, presented=secret)
        ended, _ = TOKENS.issue(principal, HOUR, datetime.now(UTC) - 2 * HOUR)
        forged, _ = AccessTokens({1: b"x" * 32}, 1).issue(principal, HOUR)
        good, _ = TOKENS.issue(principal, HOUR)
        said = set()
        for text, tokens in ((ended, TOKENS), (forged, TOKENS), (good[:-1], TOKENS), (good, None)):
            with pytest.raises(Unauthenticated) as refused:
                await access.authenticate(tx, presented=text, tokens=tokens)
            said.add(str(refused.value))
    assert len(said) == 1


async def test_an_id_and_a_secret_are_recognised_as_a_pair(database: PostgresDatabase) -> None:
    async with database.transaction() as tx:
        account, key, secret = await access.create_account(tx, name="Northwind")
        _, other = await access.create_key(tx, account_id=account.id, name="b", permissions=[Permission.CONTACTS_READ])
        for half in (secret[-43:], secret):
            principal = await access.authenticate(tx, presented=access.joined(key.id.hex(), half))
            assert principal.key_id == key.id
        mine, unknown = key.id.hex(), new_id().hex()
        for key_id, half in (
            (mine, other),
            (mine, other[-43:]),
            (mine, secret + "x"),
            (mine.upper(), secret[-43:]),
            (unknown, secret),
            (unknown, secret[-43:]),
            ("", ""),
            ("\0", "\ud800"),
        ):
            with pytest.raises(Unauthenticated):
                await access.authenticate(tx, presented=access.joined(key_id, half))


async def test_the_owner_of_a_key_is_kept_by_the_canonical_address(database: PostgresDatabase) -> None:
    async with database.transaction() as tx:
        account, _, _ = await access.create_account(tx, name="Northwind")
        key, text = await access.create_key(
            tx,
            account_id=account.id,
            name="x",
            permissions=[Permission.CONTACTS_READ],
            owner_email=" Ada@MAIL.example ",
        )
        first, listed = await access.list_keys(tx, account_id=account.id, after=None, limit=9)
        principal = await access.authenticate(tx, presented=text)
        with pytest.raises(Invalid) as refused:
            await access.create_key(
                tx, account_id=account.id, name="x", permissions=[Permission.CONTACTS_READ], owner_email="nobody"
            )
    assert (key.owner_email, listed.owner_email, principal.owner_email) == ("ada@mail.example",) * 3
    assert first.owner_email is None
    assert refused.value.problems[0].field == "ownerEmail"


async def test_the_door_takes_a_token_until_it_ends_and_forgets_it_with_its_key(database: PostgresDatabase) -> None:
    now = datetime.now(UTC)
    async with database.transaction() as tx:
        account, key, secret = await access.create_account(tx, name="Northwind")
    door = Doorkeeper(database, Pace(1000), clock=lambda: 1.0, today=lambda: now, tokens=TOKENS)
    principal = await door.recognise_pair(key.id.hex(), secret)
    token, ends_at = door.issue_token(principal, 3600)
    assert (await door.recognise_presented(token)).key_id == key.id
    again, same_end = door.issue_token(await door.recognise_presented(token), 86_400)
    assert same_end == ends_at  # a token does not outlive the one it was made with
    async with database.transaction() as tx:
        await access.revoke_key(tx, account_id=account.id, key_id=key.id)
    assert (await door.recognise_presented(token)).key_id == key.id  # remembered, for less than five seconds
    door.forget(key.id)
    for text in (token, again, secret):
        with pytest.raises(Unauthenticated):
            await door.recognise_presented(text)


async def test_a_remembered_token_ends_on_time(database: PostgresDatabase) -> None:
    now = datetime.now(UTC)
    async with database.transaction() as tx:
        _, _, secret = await access.create_account(tx, name="Northwind")
    door = Doorkeeper(database, Pace(1000), clock=lambda: 1.0, today=lambda: now, tokens=TOKENS)
    token, ends_at = door.issue_token(await door.recognise_presented(secret), 60)
    now = ends_at - timedelta(milliseconds=1)
    assert (await door.recognise_presented(token)).expires_at == ends_at
    now = ends_at
    with pytest.raises(Unauthenticated):
        await door.recognise_presented(token)


async def test_keys_of_one_account_share_its_pace_when_asked(database: PostgresDatabase) -> None:
    async with database.transaction() as tx:
        account, _, one = await access.create_account(tx, name="Northwind")
        _, two = await access.create_key(tx, account_id=account.id, name="b", permissions=[Permission.CONTACTS_READ])
    door = Doorkeeper(database, Pace(2, clock=lambda: 1.0))
    first, second = await door.recognise_presented(one), await door.recognise_presented(two)
    for principal in (first, second, first, second):
        door.pace(principal, by_account=True)
    with pytest.raises(RateLimited):
        door.pace(second, by_account=True)
    door.pace(second)  # its own pace is another one
