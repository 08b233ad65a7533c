"""One TCP (or TLS) connection: bytes in, whole replies out, and when the other side last answered.

Knows neither commands nor messages: it hands replies to its listener, first the opening dialogue, then the exchange of
messages. Where next: `opening`, `exchange`.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from clarion.adapters.channels.smtp.replies import GarbledReply, ReplyReader


class Listener(Protocol):
    """Who is talking over a connection at the moment."""

    def on_replies(self, replies: list[bytes]) -> None:
        """Takes whole raw replies in order. May raise GarbledReply."""
        ...

    def on_lost(self, why: str) -> None:
        """The connection is gone, or is to be given up because of `why`."""
        ...

    def on_writable(self) -> None:
        """Everything written so far has left the buffer, or enough of it."""
        ...


class Connection(asyncio.Protocol):
    """A connection's two ends of bytes. `answered_at` is the loop time of the last whole reply or fresh start.

    `round_trip_s` is how long the last EHLO took.
    """

    __slots__ = ("_loop", "_reader", "answered_at", "listener", "paused", "round_trip_s", "transport")

    listener: Listener
    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reader = ReplyReader()
        self.answered_at = loop.time()
        self.paused = False
        self.round_trip_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - asyncio's contract
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:  # noqa: D102 - asyncio's contract
        try:
            replies = self._reader.feed(data)
            if replies:
                # Only a whole reply counts: a byte now and then does not keep a deadline away.
                self.answered_at = self._loop.time()
                self.listener.on_replies(replies)
            if self._reader.fault is not None:
                self.give_up(self._reader.fault)
        except GarbledReply as fault:
            self.give_up(str(fault))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102 - asyncio's contract
        self.listener.on_lost(f"the connection broke: {exc}" if exc else "the server closed the connection")

    def pause_writing(self) -> None:  # noqa: D102 - asyncio's contract
        self.paused = True

    def resume_writing(self) -> None:  # noqa: D102 - asyncio's contract
        self.paused = False
        self.listener.on_writable()

    @property
    def quiet(self) -> bool:
        """True when nothing of an unfinished reply has arrived."""
        return self._reader.empty

    def touch(self) -> None:
        """Starts the clock of the next answer."""
        self.answered_at = self._loop.time()

    def give_up(self, why: str) -> None:
        """Drops the connection without a word and tells the listener."""
        self.transport.abort()
        self.listener.on_lost(why)
