"""Who may come in: the API key of a request, its pace, its permission and its account, checked in that order.

The native API reads a key from a header and nowhere else; a dialect finds it where its vendor has it and asks in the
same steps. Recognised keys are remembered for less than the five seconds within which a revocation must hold. Read
`application.access` for what a key is.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from clarion.application.access import authenticate, joined
from clarion.application.access_tokens import AccessTokens
from clarion.application.ports import Database
from clarion.domain.access import Permission, Principal
from clarion.domain.errors import Forbidden, RateLimited, Unauthenticated
from clarion.domain.ids import Id
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.trace import note_principal

REMEMBERED_S: Final = 4.0
_REMEMBERED_KEYS: Final = 10_000
BURST_S: Final = 2
"""A key may save up this many seconds of its rate."""


def _now() -> datetime:
    return datetime.now(UTC)


class Pace:
    """A token bucket per API key, or per account for all its keys together, in this process."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._clock = clock
        self._buckets: dict[Id, tuple[float, float]] = {}

    def take(self, whose: Id) -> None:
        """Counts one request of this key or account. Raises `RateLimited` when it has used up its pace."""
        now = self._clock()
        tokens, seen = self._buckets.get(whose, (self._full, now))
        tokens = min(self._full, tokens + (now - seen) * self._rate)
        if tokens < 1:
            raise RateLimited(max(1, math.ceil((1 - tokens) / self._rate)))
        if len(self._buckets) >= _REMEMBERED_KEYS:
            self._forget_idle(now)
        self._buckets[whose] = (tokens - 1, now)

    @property
    def _full(self) -> float:
        return float(self._rate * BURST_S)

    def _forget_idle(self, now: float) -> None:
        self._buckets = {key: kept for key, kept in self._buckets.items() if now - kept[1] < BURST_S}


class Doorkeeper:
    """Recognises keys and refuses what they may not do."""

    def __init__(
        self,
        database: Database,
        pace: Pace,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], datetime] = _now,
        *,
        tokens: AccessTokens | None = None,
    ) -> None:
        self._database = database
        self._pace = pace
        self._tokens = tokens
        self._clock = clock
        self._today = today
        self._known: dict[bytes, tuple[Principal, float]] = {}

    async def admit(self, request: Incoming, permission: Permission) -> Principal:
        """Lets a request in, or raises `Unauthenticated`, `RateLimited` or `Forbidden`.

        An account that is not the key's own is refused in one way, whether it exists or not.
        """
        principal = await self.recognise(request)
        self.pace(principal)
        if not principal.may(permission):
            raise Forbidden(f"This API key lacks the permission {permission}")
        if request.path_params["accountGroupId"] != principal.account_id.hex():
            raise Forbidden("This API key has no access to that account group")
        return principal

    async def recognise(self, request: Incoming) -> Principal:
        """Whose key this request carries. Raises `Unauthenticated`."""
        return await self.recognise_presented(_presented(request))

    async def recognise_presented(self, presented: str) -> Principal:
        """Whose key, or whose token, this text is; for routes that get it elsewhere. Raises `Unauthenticated`."""
        principal = await self._recognise(presented)
        note_principal(principal)
        return principal

    async def _recognise(self, presented: str) -> Principal:
        name = hashlib.sha256(presented.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(name)
        if known and self._clock() < known[1] and not self._has_expired(known[0]):
            return known[0]
        asked_at = self._clock()
        async with self._database.transaction() as tx:
            principal = await authenticate(tx, presented=presented, tokens=self._tokens, now=self._today())
        if len(self._known) >= _REMEMBERED_KEYS:
            self._known.clear()
        self._known[name] = (principal, asked_at + REMEMBERED_S)
        return principal

    async def recognise_pair(self, key_id: str, secret: str) -> Principal:
        """Whose key has this id and this secret (or whole text). Raises `Unauthenticated`."""
        return await self.recognise_presented(joined(key_id, secret))

    def pace(self, principal: Principal, *, by_account: bool = False) -> None:
        """Counts one request of the key, or of its account whatever the key. Raises `RateLimited`."""
        self._pace.take(principal.account_id if by_account else principal.key_id)

    def issue_token(self, principal: Principal, lifetime_s: int) -> tuple[str, datetime]:
        """A short-lived token that stands for the principal's key, and when it ends."""
        if self._tokens is None:
            raise RuntimeError("this doorkeeper was given no keys to sign tokens with")
        return self._tokens.issue(principal, timedelta(seconds=lifetime_s), self._today())

    def _has_expired(self, principal: Principal) -> bool:
        return principal.expires_at is not None and principal.expires_at <= self._today()

    def forget(self, key_id: Id) -> None:
        """Forgets a key that was just revoked here, so that its end holds at once in this process."""
        self._known = {name: kept for name, kept in self._known.items() if kept[0].key_id != key_id}


def _presented(request: Incoming) -> str:
    found = set(filter(None, (_bearer(request), request.headers.get("x-api-key", "").strip())))
    if len(found) != 1:
        raise Unauthenticated("Send one API key, as `Authorization: Bearer …` or `X-API-Key: …`")
    return found.pop()


def _bearer(request: Incoming) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
