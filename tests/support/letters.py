"""Short ways to write a wire email, name a relay on loopback, and send through a channel in a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

from tests.support.patience import PATIENCE_S

from clarion.adapters.channels.smtp import SmtpChannel, Timeouts
from clarion.application.ports.channel import Channel, Window
from clarion.domain.outcome import Outcome
from clarion.domain.providers.provider import Security
from clarion.domain.providers.smtp import SmtpRelay
from clarion.rendering.email import WireEmail
from clarion.rendering.message import WireMessage

M = TypeVar("M", bound=WireMessage)

BRISK = Timeouts(
    connect=PATIENCE_S,
    handshake=PATIENCE_S,
    greeting=0.3,
    command=0.3,
    data=0.3,
    block=0.3,
    dot=0.6,
    lend=0.05,
    leave=0.3,
    idle=0.3,
    unreachable=1.0,
    stalled=5.0,
    first_pause=0.02,
    longest_pause=0.1,
    drain=2.0,
    tick=0.02,
)
"""RFC 5321's minutes played in tenths of a second; unreachable leaves room for a second try on a busy machine."""

UNHURRIED = replace(
    BRISK,
    greeting=PATIENCE_S,
    command=PATIENCE_S,
    data=PATIENCE_S,
    block=PATIENCE_S,
    dot=PATIENCE_S,
    leave=PATIENCE_S,
    idle=PATIENCE_S,
    unreachable=PATIENCE_S,
    stalled=PATIENCE_S,
    drain=PATIENCE_S,
)
"""For who counts connections, asks once, or is not about time: an opening that stood still is begun once more else."""

MESSAGE = b"Subject: hello\r\n\r\nDear reader,\r\n..and so on\r\n"


def email(to: str, data: bytes = MESSAGE, *, mail_from: str = "news@shop.test", is_8bit: bool = False) -> WireEmail:
    """A wire email to one address."""
    return WireEmail(mail_from, to, data, is_8bit, not (to + mail_from).isascii(), f"<{to}>")


def loopback(port: int, **settings: object) -> SmtpRelay:
    """A relay on this machine, without TLS unless told."""
    return SmtpRelay(**{"host": "127.0.0.1", "port": port, "security": Security.NONE, **settings})  # type: ignore[arg-type]


@asynccontextmanager
async def smtp(port: int, timeouts: Timeouts = BRISK, **settings: object) -> AsyncIterator[SmtpChannel]:
    """An SMTP channel to loopback, closed at the end."""
    channel = SmtpChannel(loopback(port, **settings), helo_name="clarion.test", timeouts=timeouts)
    try:
        yield channel
    finally:
        await channel.aclose()


async def sent_through(channel: Channel[M], messages: Sequence[M]) -> list[Outcome]:
    """Sends one window and gives its outcomes in the order of its messages; fails when one is missing or doubled."""
    window = Window(messages)
    channel.send(window)
    complete = await window.wait(PATIENCE_S)
    outcomes = dict(window.drain())
    assert complete, f"{window.open} of {len(messages)} messages have no outcome; settled: {sorted(outcomes)}"
    return [outcomes[index] for index in range(len(messages))]


async def sent_to(channel: Channel[WireEmail], *addresses: str) -> list[Outcome]:
    """Sends a short message to each address."""
    return await sent_through(channel, [email(address) for address in addresses])
