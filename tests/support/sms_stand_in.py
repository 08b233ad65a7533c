"""What stand-ins for SMS providers share: a server on loopback that records what it takes, and misbehaves when asked.

What happens to a message is asked for by its number (`number`), so that a script needs no second way in. Every message
is recorded at the moment of effect. The providers themselves are `sms_providers` and `sms_batch_providers`.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web
from tests.support.allowance import Allowance

from clarion.domain.providers.provider import Provider


class Fate(StrEnum):
    """What a provider does with a message, by the two digits behind +491512."""

    TAKEN = "00"
    WRONG_NUMBER = "91"
    THROTTLED = "92"
    CUT = "93"
    """The request is read and acted on, and the connection is cut before an answer."""
    ERROR = "94"
    """500, after the request was read."""
    NONSENSE = "95"
    """Success, with somebody else's page."""
    SILENT = "96"
    OPTED_OUT = "97"
    CUT_ONCE = "98"
    """Like `CUT`, the first time only."""


def number(fate: Fate, name: int = 1) -> str:
    """A number that asks for a fate."""
    return f"+491512{fate}{name:05}"


def fate_of(to: str) -> Fate:
    """What happens to messages for a number: they are taken, unless it asks for something else."""
    match = re.fullmatch(r"\+?491512(9[1-8])\d{5}", to)
    return Fate(match[1]) if match else Fate.TAKEN


@dataclass(frozen=True, slots=True)
class Taken:
    """One message that a provider took responsibility for."""

    to: str
    text: str
    key: str
    name: str


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Cut(Exception):
    """Ends the connection without an answer."""


@dataclass
class StandIn:
    """A provider on loopback. `is_expired` refuses every credential; `retry_after` comes with 429."""

    is_expired: bool = False
    retry_after: str = ""
    taken: list[Taken] = field(default_factory=list)
    requests: int = 0
    at_once: int = 0
    most_at_once: int = 0
    held: asyncio.Event | None = None
    """While it is there and not set, no request is answered."""
    allowance: Allowance = field(default_factory=Allowance)
    """What is beyond it has the fate `THROTTLED`."""
    callback_urls: list[str] = field(default_factory=list)
    url: str = ""
    tls: ssl.SSLContext | None = None
    _runner: web.AppRunner | None = None
    _cut: set[str] = field(default_factory=set)

    @property
    def provider(self) -> Provider:
        """The settings of a sender here."""
        raise AssertionError

    @property
    def secrets(self) -> Mapping[str, str]:
        """Its secrets."""
        raise AssertionError

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=4_000_000)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stops listening and cuts every connection."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(request.method, request.path, request.headers, await request.read())
        self.requests += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.held is not None:
                await self.held.wait()
            if self.is_expired or not self.is_authentic(asked):
                return self.unauthorized()
            return await self.act(asked)
        except Cut:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        finally:
            self.at_once -= 1

    def is_authentic(self, asked: Asked) -> bool:
        """Whether the request is signed as the provider documents it."""
        raise AssertionError(asked)

    def unauthorized(self) -> web.Response:
        """What a bad credential is told."""
        return web.json_response({"title": "Unauthorized"}, status=401)

    async def act(self, asked: Asked) -> web.StreamResponse:
        """Does what the request asks for."""
        raise AssertionError(asked)

    def fate(self, to: str) -> Fate:
        """What happens to one message for a number; asked once for each message."""
        return Fate.THROTTLED if self.allowance.is_used_up() else fate_of(to)

    def throttled(self, body: Mapping[str, Any]) -> web.Response:
        """429, with what `retry_after` says."""
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        return web.json_response(body, status=429, headers=headers)

    def take(self, to: str, text: str, key: str) -> Taken:
        """Takes a message, or raises what its number asks for after having taken it."""
        taken = Taken(to, text, key, self.new_name())
        self.taken.append(taken)
        fate = fate_of(to)
        if fate is Fate.CUT or (fate is Fate.CUT_ONCE and to not in self._cut):
            self._cut.add(to)
            raise Cut
        return taken

    def new_name(self) -> str:
        """An id as this provider writes it."""
        return str(uuid.uuid4())

    async def odd(self, fate: Fate) -> web.StreamResponse | None:
        """What happens to any request of these fates, whoever the provider is."""
        match fate:
            case Fate.ERROR:
                return web.Response(status=500, text="<h1>Internal error</h1>")
            case Fate.NONSENSE:
                return web.Response(status=200, text="<h1>It works!</h1>", content_type="text/html")
            case Fate.SILENT:
                await asyncio.Event().wait()
        return None
