"""Asks a sender whether it answers, for whoever is about to start a campaign.

One question at a time per sender, whoever asks; a good answer is remembered for half a minute, a bad one not at all.
Owns no rule about what follows. Where to read next: `application.way_out`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from clarion.adapters.channels.registry import ChannelRegistry
from clarion.domain.ids import Id
from clarion.domain.outcome import Outcome, Verdict
from clarion.domain.sender import Sender

REMEMBERED_S: Final = 30.0
"""How long a sender that answered is taken for one that answers."""
_REMEMBERED: Final = 1_000
_Key = tuple[Id, datetime]


class RelayProber:
    """Implements `application.ports.channel.Prober`. Use from one event loop; `patience_s` of 0 asks nobody."""

    def __init__(
        self, channels: ChannelRegistry, *, patience_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._channels = channels
        self._patience_s = patience_s
        self._clock = clock
        self._good_until: dict[_Key, float] = {}
        self._asking: dict[_Key, asyncio.Task[Outcome]] = {}

    async def probe(self, sender: Sender, sealed_secrets: bytes | None) -> Outcome:
        """Connects, greets, secures and logs in, unless that worked a moment ago; `sent` means that it answers.

        Raises:
            Unavailable: no configured key opens the seal on the sender's secrets.
        """
        key = (sender.id, sender.updated_at)
        if not self._patience_s or self._clock() < self._good_until.get(key, 0.0):
            return Outcome.sent("taken for good")
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.ensure_future(self._ask(key, sender, sealed_secrets))
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        # Whoever asked first may leave; the others still want to know.
        return await asyncio.shield(asking)

    async def _ask(self, key: _Key, sender: Sender, sealed_secrets: bytes | None) -> Outcome:
        outcome = await self._channels.probe(sender, sealed_secrets, self._patience_s)
        if outcome.verdict is Verdict.SENT:
            if len(self._good_until) >= _REMEMBERED:
                self._good_until.clear()
            self._good_until[key] = self._clock() + REMEMBERED_S
        return outcome
