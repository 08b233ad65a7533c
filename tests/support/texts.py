"""Short ways to write a text message, name a centre on loopback, and send through a channel in a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.support.patience import PATIENCE_S

from clarion.adapters.channels.ground import Ground
from clarion.adapters.channels.smpp import SmppChannel, Timers
from clarion.application.ports.channel import Window
from clarion.application.ports.receipts import Inbound, News, Receipt
from clarion.domain.errors import Unavailable
from clarion.domain.ids import Id
from clarion.domain.outcome import Outcome
from clarion.domain.providers.provider import Security
from clarion.domain.providers.smpp import SmppBind
from clarion.rendering.sms import WireSms
from clarion.rendering.sms_encoding import encoding_of, split

SENDER_ID = Id(bytes(12))
PATIENT = Timers(first_pause=0.02, longest_pause=0.1, tick=0.02, rest=0.05, unreachable=20.0)
"""Nobody is slow but the machine; a story about a timer makes that one short."""


class Tray:
    """An inbox in memory. While `is_shut` it stores nothing."""

    def __init__(self) -> None:
        self.news: list[News] = []
        self.groups: list[int] = []
        self.is_shut = False
        self.came = asyncio.Event()

    async def put(self, news: Sequence[News]) -> None:
        """Keeps news."""
        if self.is_shut:
            raise Unavailable("the tray is shut")
        self.news += news
        self.groups.append(len(news))
        self.came.set()

    @property
    def receipts(self) -> list[Receipt]:
        """The receipts that came."""
        return [one for one in self.news if isinstance(one, Receipt)]

    @property
    def inbound(self) -> list[Inbound]:
        """What people wrote."""
        return [one for one in self.news if isinstance(one, Inbound)]

    async def until(self, count: int) -> None:
        """Waits until so much has come."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.news) < count:
                self.came.clear()
                await self.came.wait()


def sms(to: str, text: str = "Hello", *, from_: str = "Clarion", key: str = "0" * 24 + "-1") -> WireSms:
    """A text message to one number."""
    encoding = encoding_of(text)
    return WireSms(to, from_, text, encoding, split(text, encoding), key)


def account(port: int, **settings: object) -> SmppBind:
    """An account at a centre on this machine, without TLS unless told."""
    return SmppBind(
        **{"host": "127.0.0.1", "port": port, "security": Security.NONE, "system_id": "clarion", **settings}  # type: ignore[arg-type]
    )


@asynccontextmanager
async def smpp(
    port: int, tray: Tray | None = None, timers: Timers = PATIENT, *, password: str = "secret", **settings: object
) -> AsyncIterator[SmppChannel]:
    """An SMPP channel to loopback, closed at the end."""
    ground = Ground(sender_id=SENDER_ID, helo_name="clarion.test", inbox=tray or Tray(), callback_url="")
    channel = SmppChannel(account(port, **settings), password=password, ground=ground, timers=timers)
    try:
        yield channel
    finally:
        await channel.aclose()


async def sent_through(channel: SmppChannel, messages: Sequence[WireSms]) -> list[Outcome]:
    """Sends one window and gives its outcomes in the order of its messages; fails when one is missing or doubled."""
    window = Window(messages)
    channel.send(window)
    complete = await window.wait(PATIENCE_S)
    outcomes = dict(window.drain())
    assert complete, f"{window.open} of {len(messages)} messages have no outcome"
    return [outcomes[index] for index in range(len(messages))]


def number(n: int, start: str = "+49151") -> str:
    """A number of thirteen digits and its plus."""
    return f"{start}{n:07d}"
