"""One TCP or TLS connection to a centre: bytes in, whole PDUs out.

Knows no session: it hands units to its listener. Where to read next: `opening`, `bind`.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from clarion.adapters.channels.smpp.pdu import GENERIC_NACK, Pdu, Reader, unit
from clarion.adapters.channels.smpp.statuses import INVALID_COMMAND_LENGTH


class Listener(Protocol):
    """Who talks over a connection."""

    def on_units(self, units: list[Pdu]) -> None:
        """Takes whole PDUs in order."""
        ...

    def on_lost(self, why: str) -> None:
        """The connection is gone, or is given up because of `why`."""
        ...

    def on_writable(self) -> None:
        """Enough of what was written has left the buffer."""
        ...


class Connection(asyncio.Protocol):
    """A connection's two ends of bytes."""

    transport: asyncio.Transport

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._reader = Reader()
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - asyncio's contract
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:  # noqa: D102 - asyncio's contract
        units, fault = self._reader.feed(data)
        if units:
            self._listener.on_units(units)
        if fault is not None:
            self.transport.write(unit(GENERIC_NACK, 0, status=INVALID_COMMAND_LENGTH))
            self.give_up(f"the centre sent what is no SMPP: {fault}")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102 - asyncio's contract
        self._listener.on_lost(f"the connection broke: {exc}" if exc else "the centre closed the connection")

    def pause_writing(self) -> None:  # noqa: D102 - asyncio's contract
        self.paused = True

    def resume_writing(self) -> None:  # noqa: D102 - asyncio's contract
        self.paused = False
        self._listener.on_writable()

    def give_up(self, why: str) -> None:
        """Drops the connection without a word and tells the listener."""
        self.transport.abort()
        self._listener.on_lost(why)
