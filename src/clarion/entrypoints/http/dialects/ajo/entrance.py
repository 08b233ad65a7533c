"""Who may come in: the token, the client it belongs to, the organisation and the sandbox, in the order Adobe checks.

A token is one that `tokens` gave, or a key of ours itself; the client id is the key's id. Where to read next: `routes`.
"""

from __future__ import annotations

import time
from typing import Final

from clarion.domain.access import Account, Permission, Principal
from clarion.domain.errors import Forbidden, Invalid, NotFound, Problem, Unauthenticated
from clarion.domain.ids import Id
from clarion.entrypoints.http.dialects.ajo.errors import BadApiKey
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.security import REMEMBERED_S

_REMEMBERED_ACCOUNTS: Final = 10_000
_NAMES: Final = ("x-gw-ims-org-id", "x-sandbox-name")


async def admit(request: Incoming, permission: Permission, missing: str) -> Principal:
    """Lets a request in and counts it.

    `missing` is what an account is told not to have whose organisation or sandbox is another one than named.

    Raises:
        Unauthenticated: there is no good token.
        BadApiKey: the client id is missing or another one's.
        Invalid: the organisation or the sandbox is not named.
        Forbidden: the key lacks the permission.
        RateLimited: the key has used up its pace.
        NotFound: the account is not the one that is named.
    """
    edge: Edge = request.app.state.edge
    headers = request.headers
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("Oauth token is missing")
    principal = await edge.doorkeeper.recognise_presented(token.strip())
    if headers.get("x-api-key", "").strip().lower() != principal.key_id.hex():
        raise BadApiKey("Api Key is invalid")
    named = [headers.get(name, "").strip() for name in _NAMES]
    if not all(named):
        raise Invalid.of(
            Problem(f"header.{name}", "required", "is required")
            for name, value in zip(_NAMES, named, strict=True)
            if not value
        )
    if not principal.may(permission):
        raise Forbidden(f"The client lacks the permission {permission}")
    edge.doorkeeper.pace(principal)
    account = await _account(request, edge, principal.account_id)
    if [account.organisation or named[0], account.sandbox or named[1]] != named:
        raise NotFound(missing)
    return principal


async def _account(request: Incoming, edge: Edge, account_id: Id) -> Account:
    """The account, as it was less than five seconds ago."""
    state = request.app.state
    if "ajo_accounts" not in state:
        state.ajo_accounts = {}
    remembered: dict[Id, tuple[Account, float]] = state.ajo_accounts
    known = remembered.get(account_id)
    now = time.monotonic()
    if known and now < known[1]:
        return known[0]
    async with edge.database.reading() as tx:
        account = await tx.accounts.find(account_id)
    if account is None:
        raise Unauthenticated("The account is gone")
    if len(remembered) >= _REMEMBERED_ACCOUNTS:
        remembered.clear()
    remembered[account_id] = (account, now + REMEMBERED_S)
    return account
