"""Accounts and API keys: making them, recognising them, ending them.

A key is `clarion_<24 hex digits of its id>_<43 characters of base64url>`: 256 random bits, shown once and stored as
their SHA-256 digest. That many random bits need no slow hash; a slow one would only be a way to exhaust the server.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from clarion.application.ports import Transaction
from clarion.domain.access import ALL_PERMISSIONS, Account, ApiKey, Permission, Principal
from clarion.domain.errors import Invalid, NotFound, Problem, Unauthenticated
from clarion.domain.ids import Id, new_id, parse_id

NAME_LIMIT: Final = 200
"""Characters of an account's or a key's name."""
KEY_PREFIX: Final = "clarion_"
"""What secret scanners may look for."""

_PRESENTED = re.compile(r"clarion_([0-9a-f]{24})_([A-Za-z0-9_-]{43})", re.ASCII)
_NOBODY: Final = hashlib.sha256(b"").digest()


async def create_account(tx: Transaction, *, name: str) -> tuple[Account, ApiKey, str]:
    """Makes an account and its first key, which may do everything; the text is the key's only showing.

    Runs in the caller's transaction.

    Raises:
        Invalid: the name is blank, too long or has control characters.
    """
    account = await tx.accounts.insert(new_id(), _checked_name(name))
    key, secret = await create_key(tx, account_id=account.id, name="first key", permissions=ALL_PERMISSIONS)
    return account, key, secret


async def create_key(
    tx: Transaction,
    *,
    account_id: Id,
    name: str,
    permissions: Collection[Permission],
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Makes a key of the account; the text is its only showing. Runs in the caller's transaction.

    Raises:
        Invalid: the name breaks a rule, no permission is given, or it would already have expired.
        NotFound: there is no such account.
    """
    name = _checked_name(name)
    if not permissions:
        raise Invalid(Problem("permissions", "minItems", "must name at least one permission"))
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise Invalid(Problem("expiresAt", "future", "must be in the future"))
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
    )
    return key, f"{KEY_PREFIX}{key_id.hex()}_{secret}"


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


async def authenticate(tx: Transaction, *, presented: str) -> Principal:
    """Recognises a key by its public id and its secret, compared in constant time, and notes its use.

    Keep no answer longer than five seconds: that is how soon a revocation must hold.

    Raises:
        Unauthenticated: it is malformed, unknown, wrong, expired or revoked; the caller is not told which.
    """
    match = _PRESENTED.fullmatch(presented)
    key_id = parse_id(match[1]) if match else None
    found = await tx.keys.find_usable(key_id) if key_id else None
    # An unknown key is compared too, with a digest that no secret has, so that it takes as long to refuse.
    right = hmac.compare_digest(_digest(match[2] if match else presented), found[1] if found else _NOBODY)
    if not found or not right:
        raise Unauthenticated("This API key is not valid")
    key = found[0]
    await tx.keys.touch(key.id)
    return Principal(key.id, key.account_id, key.permissions, key.expires_at)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _checked_name(name: str) -> str:
    text = name.strip()
    if not text or len(text) > NAME_LIMIT or not text.isprintable():
        raise Invalid(Problem("name", "pattern", f"must have 1 to {NAME_LIMIT} printable characters"))
    return text
