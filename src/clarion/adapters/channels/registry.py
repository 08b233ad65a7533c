"""The open ways out of one process: one channel per sender, kept while its configuration stays the same.

Opens the seal on a sender's secrets only to hand them to the channel that logs in with them. Which provider has which
channel is `providers`; each kind is a package beside this module.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import msgspec

from clarion.adapters.channels.ground import Ground
from clarion.adapters.channels.providers import CALLBACKS, open_channel
from clarion.application.ports.channel import Channel, Staying
from clarion.application.ports.receipts import Callbacks, Inbox
from clarion.application.ports.senders import Sealer
from clarion.domain.errors import Unavailable
from clarion.domain.ids import Id
from clarion.domain.outcome import Outcome, Reason
from clarion.domain.providers import ProviderName
from clarion.domain.sender import Sender

_KEPT: Final = 500
"""Senders whose channels one process keeps open."""
_PROBE_S: Final = 15.0


class ChannelRegistry:
    """Channels by sender, opened at first use and replaced when the sender was changed.

    `public_url` is where providers can reach this installation, None when they cannot.
    """

    def __init__(self, sealer: Sealer, inbox: Inbox, *, helo_name: str, public_url: str | None) -> None:
        self._sealer = sealer
        self._inbox = inbox
        self._helo_name = helo_name
        self._public_url = public_url
        self._open: dict[Id, tuple[datetime, Channel[Any]]] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def of(self, sender: Sender, sealed_secrets: bytes | None) -> Channel[Any]:
        """The channel of this sender as it is configured now.

        Raises:
            Unavailable: no configured key opens the seal on its secrets.
        """
        kept = self._open.pop(sender.id, None)
        if kept is not None and kept[0] == sender.updated_at:
            self._open[sender.id] = kept
            return kept[1]
        if kept is not None:
            self._leave(kept[1])
        if len(self._open) >= _KEPT:
            self._leave(self._open.pop(next(iter(self._open)))[1])
        channel = self.fresh(sender, sealed_secrets)
        self._open[sender.id] = (sender.updated_at, channel)
        return channel

    def stand(self, found: Sequence[tuple[Sender, bytes | None]]) -> None:
        """Keeps the connections open over which news of these senders comes, and ends those of senders that are gone.

        One whose secrets no key opens is passed over: whoever sends by it is told.
        """
        staying = {sender.id for sender, _ in found}
        for sender, sealed_secrets in found:
            with suppress(Unavailable):
                channel = self.of(sender, sealed_secrets)
                if isinstance(channel, Staying):
                    channel.stay()
        for sender_id, (_, channel) in list(self._open.items()):
            if isinstance(channel, Staying) and sender_id not in staying:
                del self._open[sender_id]
                self._leave(channel)

    def fresh(self, sender: Sender, sealed_secrets: bytes | None) -> Channel[Any]:
        """A channel of its own that the caller closes: for a probe or a few test messages."""
        return open_channel(sender.provider, self._secrets(sender, sealed_secrets), self._ground(sender))

    def callbacks(self, sender: Sender, sealed_secrets: bytes | None) -> Callbacks | None:
        """What reads the calls of this sender's provider; None for one that makes no calls.

        Raises:
            Unavailable: no configured key opens the seal on its secrets.
        """
        reader = CALLBACKS.get(sender.provider.name)
        if reader is None:
            return None
        return reader(sender.provider, self._secrets(sender, sealed_secrets), self._ground(sender))

    async def probe(self, sender: Sender, sealed_secrets: bytes | None, patience_s: float = _PROBE_S) -> Outcome:
        """Asks whether the sender answers now, over a connection of its own; `sent` means it does.

        Raises:
            Unavailable: no configured key opens the seal on its secrets.
        """
        channel = self.fresh(sender, sealed_secrets)
        try:
            async with asyncio.timeout(patience_s):
                return await channel.probe()
        except TimeoutError:
            return Outcome.retry(Reason.CONNECTION_FAILED, f"no answer within {patience_s:g} s")
        finally:
            await channel.aclose()

    def _secrets(self, sender: Sender, sealed: bytes | None) -> Mapping[str, str]:
        """The opened secrets by name. What is sealed for SMTP is the password itself."""
        if not sealed:
            return {}
        opened = self._sealer.open(sealed)
        if sender.provider.name is ProviderName.SMTP:
            return {"password": opened.decode()}
        return msgspec.json.decode(opened, type=dict[str, str])

    def _ground(self, sender: Sender) -> Ground:
        url = f"{self._public_url}/hooks/{sender.id.hex()}" if self._public_url else ""
        return Ground(sender_id=sender.id, helo_name=self._helo_name, inbox=self._inbox, callback_url=url)

    def _leave(self, channel: Channel[Any]) -> None:
        leaving = asyncio.ensure_future(channel.aclose())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def aclose(self) -> None:
        """Lets what is on the wire finish and closes every connection."""
        for _, channel in self._open.values():
            self._leave(channel)
        self._open.clear()
        await asyncio.gather(*self._leaving, return_exceptions=True)
