"""Who may call a hook: the senders whose providers make calls, remembered for a moment, and how often they may.

Reads no call; that is each provider's `Callbacks`. Where to read next: `callbacks`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from clarion.application.ports import Database
from clarion.application.ports.receipts import Callbacks
from clarion.domain.errors import NotFound
from clarion.domain.ids import Id
from clarion.domain.providers.provider import ProviderName
from clarion.domain.sender import Sender
from clarion.entrypoints.http.security import Pace

REMEMBERED_S: Final = 2.0
"""How long a sender is not read again: so long an old secret is still taken after a change."""
_REMEMBERED: Final = 10_000
_NOBODY: Final = Id(bytes(12))


class Caller(NamedTuple):
    """A sender whose provider may call, and what reads its calls."""

    account_id: Id
    sender_id: Id
    provider: ProviderName
    callbacks: Callbacks


class Callers:
    """The senders that were called lately. One in a process, used from one event loop."""

    def __init__(
        self, database: Database, callbacks_of: Callable[[Sender, bytes | None], Callbacks | None], pace: Pace
    ) -> None:
        self._database = database
        self._callbacks_of = callbacks_of
        self._pace = pace
        self._known: dict[Id, tuple[Caller | None, float]] = {}

    async def find(self, sender_id: Id | None) -> Caller:
        """The sender that is called.

        Raises:
            NotFound: there is no such sender, or its provider makes no calls.
            RateLimited: it is called too often; calls for senders that are none are counted together.
            Unavailable: the database does not answer, or no configured key opens its secrets.
        """
        known, until = self._known.get(sender_id or _NOBODY, (None, 0.0))
        self._pace.take(_NOBODY if known is None else known.sender_id)
        if sender_id is not None and time.monotonic() >= until:
            known = await self._read(sender_id)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[sender_id] = known, time.monotonic() + REMEMBERED_S
        if known is None:
            raise NotFound("hook")
        return known

    async def find_by_number(self, account_sid: str, number: str) -> Caller:
        """The sender that has this number at Twilio. What names it is not proved by anything yet.

        Raises:
            NotFound: there is none.
            RateLimited, Unavailable: as `find` does.
        """
        self._pace.take(_NOBODY)
        async with self._database.reading() as tx:
            sender_id = await tx.senders.of_twilio(account_sid, number)
        if sender_id is None:
            raise NotFound("hook")
        return await self.find(sender_id)

    async def _read(self, sender_id: Id) -> Caller | None:
        async with self._database.reading() as tx:
            found = await tx.senders.find_anywhere(sender_id)
        if found is None:
            return None
        account_id, sender, sealed = found
        callbacks = self._callbacks_of(sender, sealed)
        return None if callbacks is None else Caller(account_id, sender_id, sender.provider.name, callbacks)
