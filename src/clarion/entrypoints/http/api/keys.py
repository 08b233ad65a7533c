"""API keys: making, listing and ending them.

A key's text is in the answer that makes it and nowhere else. Read `security` for how keys are checked.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from clarion.application.access import NAME_LIMIT, create_key, list_keys, revoke_key
from clarion.application.ports import Transaction
from clarion.domain.access import ApiKey, Permission
from clarion.domain.errors import Forbidden
from clarion.entrypoints.http.api.paging import HexId, Page, PageQuery, after_id, page
from clarion.entrypoints.http.operation import Call, Nothing, operation
from clarion.entrypoints.http.requests import as_utc

OwnerEmail = Annotated[
    str,
    Meta(max_length=320, description="The address of whoever answers for the key.", examples=["ada@lovelace.example"]),
]
Moment = Annotated[datetime, Meta(tz=True)]


class KeyInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A new key. It may do at most what the key that makes it may do."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT, examples=["nightly sync"])]
    permissions: Annotated[list[Permission], Meta(min_length=1, max_length=len(Permission))]
    expires_at: Moment | None = None
    owner_email: OwnerEmail | None = None


class KeyView(msgspec.Struct, rename="camel"):
    """A key without its secret."""

    id: HexId
    name: str
    permissions: list[Permission]
    owner_email: str | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> KeyView:
        """The key as callers see it."""
        return cls(**_shown(key))


class NewKeyView(KeyView, rename="camel"):
    """A new key with its text, which is shown this once."""

    key: str

    @classmethod
    def made(cls, key: ApiKey, text: str) -> NewKeyView:
        """The key and its text."""
        return cls(**_shown(key), key=text)


class KeyRevoked(msgspec.Struct, rename="camel"):
    """Which key was ended."""

    id: HexId
    revoked: bool = True


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id.hex(),
        "name": key.name,
        "permissions": sorted(key.permissions),
        "owner_email": key.owner_email,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }


@operation(
    name="createKey", method="POST", path="/keys", tag="keys", permission=Permission.KEYS_WRITE,
    summary="Create an API key", description="The key's text is in this answer and nowhere else, ever.",
    body=KeyInput, data=NewKeyView, status=201, is_secret=True,
)  # fmt: skip
async def create(tx: Transaction, call: Call[KeyInput, Nothing]) -> NewKeyView:
    """Makes a key with no more permissions than the caller has."""
    wanted = frozenset(call.body.permissions)
    if excess := wanted - call.principal.permissions:
        raise Forbidden(f"This API key cannot give what it lacks: {', '.join(sorted(excess))}")
    expires_at = as_utc("expiresAt", call.body.expires_at) if call.body.expires_at else None
    key, text = await create_key(
        tx,
        account_id=call.account_id,
        name=call.body.name,
        permissions=wanted,
        expires_at=expires_at,
        owner_email=call.body.owner_email,
    )
    return NewKeyView.made(key, text)


@operation(
    name="listKeys", method="GET", path="/keys", tag="keys", permission=Permission.KEYS_WRITE,
    summary="List API keys", description="Ended ones too; never a secret.", query=PageQuery, data=Page[KeyView],
)  # fmt: skip
async def list_all(tx: Transaction, call: Call[Nothing, PageQuery]) -> Page[KeyView]:
    """Reads one page."""
    keys = await list_keys(tx, account_id=call.account_id, after=after_id(call), limit=call.query.limit + 1)
    return page(call, keys, KeyView.of, lambda key: key.id)


@operation(
    name="revokeKey", method="DELETE", path="/keys/{keyId}", tag="keys", permission=Permission.KEYS_WRITE,
    summary="Revoke an API key", description="It stops working within five seconds everywhere.", data=KeyRevoked,
)  # fmt: skip
async def revoke(tx: Transaction, call: Call[Nothing, Nothing]) -> KeyRevoked:
    """Ends a key."""
    key_id = call.id("keyId", "key")
    await revoke_key(tx, account_id=call.account_id, key_id=key_id)
    call.edge.doorkeeper.forget(key_id)
    return KeyRevoked(key_id.hex())


ROUTES = [create, list_all, revoke]
