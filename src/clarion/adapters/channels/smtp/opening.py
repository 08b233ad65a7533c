"""From nothing to a connection that may carry messages: connect, greeting, EHLO, STARTTLS, AUTH.

Owns the rules of secrecy: when a relay is to be reached over TLS nothing is said without it, certificates are always
verified, and a password travels only inside TLS or to this very machine. Never falls back to plaintext. Where next:
`exchange` takes over.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from base64 import b64encode
from collections import deque
from typing import Final

from clarion.adapters.channels.opening import OpeningFailed, connect
from clarion.adapters.channels.smtp.capabilities import NOTHING, Capabilities, read_capabilities
from clarion.adapters.channels.smtp.connection import Connection
from clarion.adapters.channels.smtp.outcomes import Phase, refused_opening
from clarion.adapters.channels.smtp.replies import GarbledReply, Reply, parse_reply
from clarion.adapters.channels.smtp.timeouts import Timeouts
from clarion.domain.outcome import Outcome, Reason
from clarion.domain.providers.provider import Security
from clarion.domain.providers.smtp import SmtpRelay


class Dialogue:
    """The part of a conversation that goes question by question. A connection's listener."""

    __slots__ = ("_lost", "_replies", "_waiter", "connection")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._replies: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._lost: str | None = None
        connection.listener = self

    def on_replies(self, replies: list[bytes]) -> None:
        """Keeps replies for whoever asks next."""
        self._replies.extend(replies)
        self._wake()

    def on_lost(self, why: str) -> None:
        """Fails the question that is open."""
        self._lost = self._lost or why
        self._wake()

    def on_writable(self) -> None:
        """Nothing written here is ever large."""

    @property
    def quiet(self) -> bool:
        """True when the server has said nothing beyond what was asked."""
        return not self._replies and self.connection.quiet

    async def ask(self, command: bytes, patience_s: float) -> Reply:
        """Sends a command (none for the greeting) and waits for its whole reply.

        Raises: OpeningFailed when the connection breaks or the patience ends.
        """
        if command:
            self.connection.transport.write(command)
        try:
            async with asyncio.timeout(patience_s):
                while not self._replies and self._lost is None:
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
        except TimeoutError:
            if not self._replies:  # an answer may come together with the end, when this process stood still
                raise OpeningFailed(
                    Outcome.retry(Reason.CONNECTION_FAILED, f"the server did not answer within {patience_s:g} s")
                ) from None
        if not self._replies:
            raise OpeningFailed(Outcome.retry(Reason.CONNECTION_FAILED, self._lost or ""))
        try:
            return parse_reply(self._replies.popleft())
        except GarbledReply as fault:
            raise OpeningFailed(Outcome.retry(Reason.CONNECTION_FAILED, str(fault))) from None

    def conclude(self) -> None:
        """Makes sure that nothing is left over when the messages take the connection.

        Raises: OpeningFailed when the server said more than it was asked, or has gone.
        """
        if self._lost is not None or not self.quiet:
            raise OpeningFailed(Outcome.retry(Reason.CONNECTION_FAILED, self._lost or "the server spoke out of turn"))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def open_connection(
    relay: SmtpRelay, *, helo_name: str, timeouts: Timeouts, tls: ssl.SSLContext | None
) -> tuple[Connection, Capabilities]:
    """A connection that is greeted, secured and logged in, with what the server can do.

    Raises: OpeningFailed; nothing is left open then.
    """
    dialogue = await _connect(relay, timeouts, tls)
    connection = dialogue.connection
    try:
        _demand(Phase.GREETING, await dialogue.ask(b"", timeouts.greeting), 220)
        can = await _greet(dialogue, helo_name, timeouts)
        if relay.security is Security.STARTTLS and tls is not None:
            await _secure(dialogue, relay, can, timeouts, tls)
            can = await _greet(dialogue, helo_name, timeouts)
        if relay.username is not None:
            await _log_in(dialogue, relay, can, timeouts)
        dialogue.conclude()
    except BaseException:
        connection.transport.abort()
        raise
    return connection, can


async def _connect(relay: SmtpRelay, timeouts: Timeouts, tls: ssl.SSLContext | None) -> Dialogue:
    # Listening from the first byte: the greeting may arrive before `connect` returns.
    dialogue = Dialogue(Connection(asyncio.get_running_loop()))
    await connect(
        lambda: dialogue.connection,
        relay.host,
        relay.port,
        tls=tls if relay.security is Security.TLS else None,
        connect_s=timeouts.connect,
        handshake_s=timeouts.handshake,
    )
    return dialogue


async def _greet(dialogue: Dialogue, helo_name: str, timeouts: Timeouts) -> Capabilities:
    name = helo_name.encode("ascii")
    asked_at = time.monotonic()
    reply = await dialogue.ask(b"EHLO " + name + b"\r\n", timeouts.command)
    dialogue.connection.round_trip_s = time.monotonic() - asked_at
    if reply.code == 250:
        return read_capabilities(reply)
    if reply.code >= 500:
        # RFC 5321 §3.2: a server that does not know EHLO is greeted the old way.
        _demand(Phase.EHLO, await dialogue.ask(b"HELO " + name + b"\r\n", timeouts.command), 250)
        return NOTHING
    _demand(Phase.EHLO, reply, 250)
    return NOTHING


async def _secure(
    dialogue: Dialogue, relay: SmtpRelay, can: Capabilities, timeouts: Timeouts, tls: ssl.SSLContext
) -> None:
    if not can.starttls:
        raise OpeningFailed(Outcome.retry(Reason.TLS_FAILED, "the server does not offer STARTTLS; nothing was sent"))
    _demand(Phase.STARTTLS, await dialogue.ask(b"STARTTLS\r\n", timeouts.command), 220)
    if not dialogue.quiet:
        # Said in plaintext by whoever sits in between, to be believed as if it came through TLS.
        raise OpeningFailed(Outcome.retry(Reason.TLS_FAILED, "plaintext after STARTTLS; nothing was sent"))
    connection = dialogue.connection
    loop = asyncio.get_running_loop()
    try:
        secured = await loop.start_tls(
            connection.transport,
            connection,
            tls,
            server_hostname=relay.host,
            ssl_handshake_timeout=timeouts.handshake,
        )
    except (OSError, TimeoutError) as fault:
        raise OpeningFailed(Outcome.retry(Reason.TLS_FAILED, f"TLS: {fault or 'handshake broken off'}")) from None
    if secured is None:
        raise OpeningFailed(Outcome.retry(Reason.TLS_FAILED, "TLS: handshake broken off"))
    connection.transport = secured


async def _log_in(dialogue: Dialogue, relay: SmtpRelay, can: Capabilities, timeouts: Timeouts) -> None:
    if relay.security is Security.NONE and not _is_loopback(dialogue.connection):
        raise OpeningFailed(Outcome.retry(Reason.AUTH_FAILED, "no login without TLS; the password was not sent"))
    name = (relay.username or "").encode()
    word = (relay.password or "").encode()
    if "PLAIN" in can.auth:
        steps = [b"AUTH PLAIN " + b64encode(b"\0" + name + b"\0" + word)]
    elif "LOGIN" in can.auth:
        steps = [b"AUTH LOGIN", b64encode(name), b64encode(word)]
    else:
        raise OpeningFailed(Outcome.retry(Reason.AUTH_FAILED, "the server offers neither AUTH PLAIN nor AUTH LOGIN"))
    for step in steps[:-1]:
        _demand(Phase.AUTH, await dialogue.ask(step + b"\r\n", timeouts.command), 334)
    _demand(Phase.AUTH, await dialogue.ask(steps[-1] + b"\r\n", timeouts.command), 235)


def _is_loopback(connection: Connection) -> bool:
    peer = connection.transport.get_extra_info("peername")
    try:
        return ipaddress.ip_address(str(peer[0]).partition("%")[0]).is_loopback
    except (TypeError, IndexError, ValueError):
        return False


def _demand(phase: Phase, reply: Reply, code: int) -> None:
    if reply.code != code:
        raise OpeningFailed(refused_opening(phase, reply))


GOODBYE: Final = b"QUIT\r\n"


async def say_goodbye(connection: Connection, timeouts: Timeouts) -> None:
    """Leaves a connection that carries no message politely, and closes it whatever the answer."""
    try:
        await Dialogue(connection).ask(GOODBYE, timeouts.leave)
    except OpeningFailed:
        pass
    finally:
        connection.transport.abort()
