"""What a test knows of one far side: a channel, a stand-in or real server behind a line, and whom to write to for what.

Values only; who opens which is `far_sides`. Where to read next: `test_channels`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from tests.support.allowance import Allowance
from tests.support.apns_server import ApnsServer
from tests.support.patience import PATIENCE_S
from tests.support.proxy import Proxy
from tests.support.sms_providers import BRISK
from tests.support.sms_stand_in import StandIn

from clarion.application.ports.channel import Channel

HTTP_PATIENT: Final = replace(
    BRISK, **dict.fromkeys(("connect", "write", "answer", "idle", "stalled", "drain"), PATIENCE_S)
)
"""Nobody is slow but the machine."""

Maker = Callable[[int], Any]
"""Makes a message from a number; another number is another recipient."""


@dataclass(frozen=True, slots=True)
class FarSide:
    """A channel under test and the other side of it.

    `refused` is refused for good, `deferred` for now, `unanswered` taken without an answer, `silent` never answered,
    though the connection stays. `too_fast` counts how often the other side said that we are. `keys` are the delivery
    ids that it was told, as it was told them by `key_of`; empty where the protocol has no place for one.
    `tells_broken_off`: the protocol tells a message that did not come in full from one that may have.
    """

    channel: Channel[Any]
    line: Proxy
    good: Maker
    refused: Maker
    deferred: Maker
    unanswered: Maker
    silent: Maker
    address: Callable[[Any], str]
    arrived: Callable[[], Awaitable[list[str]]]
    too_fast: Callable[[], Awaitable[int]]
    tells_broken_off: bool = False
    keys: Callable[[], Sequence[str]] | None = None
    key_of: Callable[[str], str] = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a far side is to be. `alone`: one message a request; `stranger`: with a credential that is not taken.

    With `per_second` it takes so many messages a second, and says of the others that we are too fast.
    """

    alone: bool = False
    stranger: bool = False
    per_second: int | None = None


Opener = Callable[[Wish], AbstractAsyncContextManager[FarSide]]


@asynccontextmanager
async def behind(server: StandIn | ApnsServer) -> AsyncIterator[Proxy]:
    """A line to a stand-in, which is known by the line's address from now on."""
    port = urlsplit(server.url).port
    assert port is not None
    async with Proxy(port) as line:
        server.url = server.url.replace(f":{port}", f":{line.port}")
        yield line


def pause(wish: Wish) -> str:
    """What `Retry-After` says, where there is one."""
    return "1" if wish.per_second else ""


def refused_by(allowance: Allowance) -> Callable[[], Awaitable[int]]:
    """How often a stand-in said that we are too fast."""

    async def too_fast() -> int:
        return allowance.refused

    return too_fast
