"""The open ways out of one process: one channel per sender, kept while its configuration stays the same.

Opens the seal on a password only to hand it to the channel that logs in with it. Each kind of channel is beside this
module.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Final

from clarion.adapters.channels.smtp.channel import SmtpChannel
from clarion.application.ports.channel import Channel
from clarion.application.ports.senders import Sealer
from clarion.domain.ids import Id
from clarion.domain.outcome import Outcome, Reason
from clarion.domain.sender import Sender

_KEPT: Final = 500
"""Senders whose channels one process keeps open."""
_PROBE_S: Final = 15.0


class ChannelRegistry:
    """Channels by sender, opened at first use and replaced when the sender was changed."""

    def __init__(self, sealer: Sealer, *, helo_name: str) -> None:
        self._sealer = sealer
        self._helo_name = helo_name
        self._open: dict[Id, tuple[datetime, Channel]] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def of(self, sender: Sender, sealed_password: bytes | None) -> Channel:
        """The channel of this sender as it is configured now.

        Raises:
            Unavailable: no configured key opens the seal on its password.
        """
        kept = self._open.pop(sender.id, None)
        if kept is not None and kept[0] == sender.updated_at:
            self._open[sender.id] = kept
            return kept[1]
        if kept is not None:
            self._leave(kept[1])
        if len(self._open) >= _KEPT:
            self._leave(self._open.pop(next(iter(self._open)))[1])
        channel = self.fresh(sender, sealed_password)
        self._open[sender.id] = (sender.updated_at, channel)
        return channel

    def fresh(self, sender: Sender, sealed_password: bytes | None) -> Channel:
        """A channel of its own that the caller closes: for a probe or a few test messages."""
        password = self._sealer.open(sealed_password).decode() if sealed_password else None
        return SmtpChannel(replace(sender.relay, password=password), helo_name=self._helo_name)

    async def probe(self, sender: Sender, sealed_password: bytes | None) -> Outcome:
        """Asks whether the sender answers now, over a connection of its own; `sent` means it does."""
        channel = self.fresh(sender, sealed_password)
        try:
            async with asyncio.timeout(_PROBE_S):
                return await channel.probe()
        except TimeoutError:
            return Outcome.retry(Reason.CONNECTION_FAILED, f"no answer within {_PROBE_S:g} s")
        finally:
            await channel.aclose()

    def _leave(self, channel: Channel) -> None:
        leaving = asyncio.ensure_future(channel.aclose())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def aclose(self) -> None:
        """Lets what is on the wire finish and closes every connection."""
        for _, channel in self._open.values():
            self._leave(channel)
        self._open.clear()
        await asyncio.gather(*self._leaving, return_exceptions=True)
