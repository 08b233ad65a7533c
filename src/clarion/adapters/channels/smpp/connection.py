"""One TCP or TLS connection to a centre: bytes in, whole PDUs out; and how one is made.

Owns the rules of secrecy: with `tls` nothing is said outside of it and certificates are always verified. Knows no
session: it hands units to its listener. Where to read next: `bind`.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Protocol, cast

from clarion.adapters.channels.smpp.pdu import GENERIC_NACK, Pdu, Reader, unit
from clarion.adapters.channels.smpp.statuses import INVALID_COMMAND_LENGTH
from clarion.adapters.channels.smpp.timers import Timers
from clarion.domain.outcome import Outcome, Reason
from clarion.domain.providers.provider import Security
from clarion.domain.providers.smpp import SmppBind


class OpeningFailed(Exception):
    """No bind; `outcome` says why, for every message that waits for one."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reply)
        self.outcome = outcome


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


def tls_context(bind: SmppBind) -> ssl.SSLContext | None:
    """The TLS settings of a centre, or None when it is reached without. Reads the CA file; call it once.

    Raises: OpeningFailed when the CA file cannot be read.
    """
    if bind.security is Security.NONE:
        return None
    try:
        context = ssl.create_default_context(cafile=bind.ca_file)
    except OSError as fault:
        raise OpeningFailed(Outcome.retry(Reason.TLS_FAILED, f"CA file {bind.ca_file}: {fault}")) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def connect(bind: SmppBind, listener: Listener, timers: Timers, tls: ssl.SSLContext | None) -> Connection:
    """A connection whose units go to `listener` from the first byte. Raises: OpeningFailed; none is open then."""
    patience_s = timers.connect + (timers.handshake if tls else 0)
    try:
        async with asyncio.timeout(patience_s):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(listener),
                bind.host,
                bind.port,
                ssl=tls,
                server_hostname=bind.host if tls else None,
                ssl_handshake_timeout=timers.handshake if tls else None,
            )
    except TimeoutError:
        reason, words = Reason.CONNECTION_FAILED, f"no connection within {patience_s:g} s"
    except ssl.SSLError as fault:
        reason, words = Reason.TLS_FAILED, f"TLS: {fault}"
    except (OSError, UnicodeError) as fault:
        reason, words = Reason.CONNECTION_FAILED, f"no connection: {fault}"
    else:
        return connection
    raise OpeningFailed(Outcome.retry(reason, words))
