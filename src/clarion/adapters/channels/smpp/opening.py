"""From nothing to a session that may carry messages: connect, secure, bind; and a visit that only asks if it works.

Owns the login: the password leaves here and nowhere else, and with `tls` only inside of it. Where to read next: `bind`.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

from clarion.adapters.channels.opening import OpeningFailed, connect, tls_context
from clarion.adapters.channels.smpp.bind import Bind, Owner
from clarion.adapters.channels.smpp.connection import Connection
from clarion.adapters.channels.smpp.dispatch import Dispatch
from clarion.adapters.channels.smpp.incoming import Desk
from clarion.adapters.channels.smpp.pdu import bind_body
from clarion.adapters.channels.smpp.slowing import Slowing
from clarion.adapters.channels.smpp.statuses import ALREADY_BOUND, name_of
from clarion.adapters.channels.smpp.timers import Timers
from clarion.domain.outcome import Outcome, Reason
from clarion.domain.providers.provider import Security
from clarion.domain.providers.smpp import SmppBind


class Opener:
    """Opens sessions of one account; what the centre tells over them goes to `desk`."""

    def __init__(self, account: SmppBind, password: str, desk: Desk, timers: Timers) -> None:
        self._account = account
        self._password = password
        self._desk = desk
        self._timers = timers
        self._tls: ssl.SSLContext | None = None

    async def open(self, owner: Owner) -> Bind:
        """A bound session whose messages come from `owner`. Raises: OpeningFailed; nothing is left open then."""
        try:
            body = bind_body(self._account.system_id, self._password, self._account.system_type)
        except ValueError as fault:
            raise OpeningFailed(Outcome.retry(Reason.AUTH_FAILED, f"SMPP cannot say the login: {fault}")) from None
        if self._tls is None and self._account.security is not Security.NONE:
            self._tls = tls_context(self._account.ca_file)
        bind = Bind(owner, self._desk, self._timers)
        connection = await connect(
            lambda: Connection(bind),
            self._account.host,
            self._account.port,
            tls=self._tls,
            connect_s=self._timers.connect,
            handshake_s=self._timers.handshake,
        )
        await bind.log_in(connection, body)
        return bind

    async def visit(self) -> Outcome:
        """Binds and unbinds; `sent` means that it worked, or that our sessions leave no room for it."""
        visitor = _Visitor()
        try:
            bind = await self.open(visitor)
        except OpeningFailed as failure:
            is_ours = failure.outcome.reply == name_of(ALREADY_BOUND)
            return Outcome.sent("ready; the centre says that we are bound already") if is_ours else failure.outcome
        bind.retire()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timers.leave):
                await visitor.left.wait()
        bind.abandon("the visit is over")
        return Outcome.sent("bound as a transceiver")


class _Visitor:
    """The owner of a session that carries no message."""

    def __init__(self) -> None:
        self.slowing = Slowing(1)
        self.left = asyncio.Event()

    def take(self) -> Dispatch | None:
        return None

    def name_of(self, given: str) -> str:
        return given

    def answered(self, dispatch: Dispatch) -> None: ...

    def hold_up(self) -> None: ...

    def ended(self, bind: Bind) -> None:  # noqa: ARG002 - the protocol's
        self.left.set()
