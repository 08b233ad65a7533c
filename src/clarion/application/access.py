"""Accounts and API keys: making them, recognising them and the tokens that stand for them, ending them.

A key is `clarion_<24 hex digits of its id>_<43 characters of base64url>`: 256 random bits, shown once and stored as
their SHA-256 digest. That many random bits need no slow hash; a slow one would only be a way to exhaust the server.
Where to read next: `access_tokens`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from clarion.application.access_tokens import TOKEN_PREFIX, AccessTokens
from clarion.application.ports import Transaction
from clarion.domain.access import ALL_PERMISSIONS, Account, ApiKey, Permission, Principal
from clarion.domain.errors import Invalid, NotFound, Problem, Unauthenticated
from clarion.domain.ids import Id, new_id, parse_id
from clarion.rendering.addresses import AddressFault, parse_email

NAME_LIMIT: Final = 200
"""Characters of an account's or a key's name."""
KEY_PREFIX: Final = "clarion_"
"""What secret scanners may look for."""

_PRESENTED = re.compile(r"clarion_([0-9a-f]{24})_([A-Za-z0-9_-]{43})", re.ASCII)
_NOT_VALID: Final = "This API key is not valid"
_NOBODY: Final = hashlib.sha256(b"").digest()


async def create_account(tx: Transaction, *, name: str, owner_email: str | None = None) -> tuple[Account, ApiKey, str]:
    """Makes an account and its first key, which may do everything; the text is the key's only showing.

    Runs in the caller's transaction.

    Raises:
        Invalid: the name is blank, too long or has control characters, or the owner's address is none.
    """
    account = await tx.accounts.insert(new_id(), checked_name(name))
    key, secret = await create_key(
        tx, account_id=account.id, name="first key", permissions=ALL_PERMISSIONS, owner_email=owner_email
    )
    return account, key, secret


async def create_key(
    tx: Transaction,
    *,
    account_id: Id,
    name: str,
    permissions: Collection[Permission],
    expires_at: datetime | None = None,
    owner_email: str | None = None,
) -> tuple[ApiKey, str]:
    """Makes a key of the account; the text is its only showing. Runs in the caller's transaction.

    Raises:
        Invalid: the name breaks a rule, no permission is given, it would already have expired, or the address of its
            owner is none.
        NotFound: there is no such account.
    """
    name = checked_name(name)
    if not permissions:
        raise Invalid(Problem("permissions", "minItems", "must name at least one permission"))
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise Invalid(Problem("expiresAt", "future", "must be in the future"))
    owner = None if owner_email is None else _checked_owner(owner_email)
    if await tx.accounts.find(account_id) is None:
        raise NotFound("account")
    key_id, secret = new_id(), secrets.token_urlsafe(32)
    key = await tx.keys.insert(
        key_id,
        account_id=account_id,
        name=name,
        secret_hash=_digest(secret),
        permissions=frozenset(permissions),
        expires_at=expires_at,
        owner_email=owner,
    )
    return key, key_text(key_id.hex(), secret)


def key_text(key_id: str, secret: str) -> str:
    """A key as it is presented, from its id and its secret."""
    return f"{KEY_PREFIX}{key_id}_{secret}"


async def list_keys(tx: Transaction, *, account_id: Id, after: Id | None, limit: int) -> list[ApiKey]:
    """Reads up to `limit` keys with ids above `after`, ended ones too. Secrets are not among what can be read."""
    return await tx.keys.list_after(account_id, after, limit)


async def revoke_key(tx: Transaction, *, account_id: Id, key_id: Id) -> None:
    """Ends a key for the next request that presents it. Safe to repeat because the first time is kept.

    Raises:
        NotFound: it is unknown or another account's.
    """
    if not await tx.keys.revoke(account_id, key_id):
        raise NotFound("key")


async def authenticate(
    tx: Transaction, *, presented: str, tokens: AccessTokens | None = None, now: datetime | None = None
) -> Principal:
    """Recognises a key, or a token that stands for one and has not ended by `now`, and notes the key's use.

    A key is found by its public id and its secret compared in constant time. Keep no answer longer than five seconds:
    that is how soon a revocation must hold.

    Raises:
        Unauthenticated: it is malformed, unknown, wrong, expired or revoked; the caller is not told which.
    """
    if tokens is not None and presented.startswith(TOKEN_PREFIX):
        return await _authenticate_token(tx, tokens.read(presented), now or datetime.now(UTC))
    match = _PRESENTED.fullmatch(presented)
    key_id = parse_id(match[1]) if match else None
    found = await tx.keys.find_usable(key_id) if key_id else None
    # An unknown key is compared too, with a digest that no secret has, so that it takes as long to refuse.
    right = hmac.compare_digest(_digest(match[2] if match else presented), found[1] if found else _NOBODY)
    if not found or not right:
        raise Unauthenticated(_NOT_VALID)
    return await _admitted(tx, found[0])


def joined(key_id: str, secret: str) -> str:
    """The text of the key that an id and a secret in two texts make; the secret may be the whole text of the key.

    A whole text of another key makes one that nobody has.
    """
    begin = key_text(key_id, "")
    return key_text(key_id, secret.removeprefix(begin))


async def _authenticate_token(tx: Transaction, read: tuple[Id, datetime] | None, now: datetime) -> Principal:
    found = await tx.keys.find_usable(read[0]) if read and read[1] > now else None
    if read is None or found is None:
        raise Unauthenticated(_NOT_VALID)
    principal = await _admitted(tx, found[0])
    ends_at = min(read[1], principal.expires_at) if principal.expires_at else read[1]
    return dataclasses.replace(principal, expires_at=ends_at)


async def _admitted(tx: Transaction, key: ApiKey) -> Principal:
    await tx.keys.touch(key.id)
    return Principal(key.id, key.account_id, key.permissions, key.expires_at, key.owner_email)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def checked_name(name: str) -> str:
    """The name of an account or a key without spaces around it.

    Raises:
        Invalid: it is blank, too long or has control characters.
    """
    text = name.strip()
    if not text or len(text) > NAME_LIMIT or not text.isprintable():
        raise Invalid(Problem("name", "pattern", f"must have 1 to {NAME_LIMIT} printable characters"))
    return text


def _checked_owner(address: str) -> str:
    """The canonical key of the owner's address."""
    parsed = parse_email(address)
    if isinstance(parsed, AddressFault):
        raise Invalid(Problem("ownerEmail", parsed.rule, parsed.message))
    return parsed.key
