"""The way out of one channel: a window of messages in, one outcome each back.

A channel holds no database, retries nothing and decides no policy: it turns what the other side said into an
`Outcome`. Every channel passes `tests/conformance`. Where to read next: `adapters/channels/smtp`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar, runtime_checkable

from clarion.domain.outcome import Outcome
from clarion.domain.sender import Sender
from clarion.rendering.message import WireMessage

M = TypeVar("M", bound=WireMessage)


class Window(Generic[M]):
    """Messages whose intent is committed and that go on the wire together; collects their outcomes.

    One that `is_urgent` goes before every message that waits in the same channel and is not.

    The channel calls `settle` once per message, in any order. The sending stage waits with `wait`, takes what has
    come with `drain`, and may come back for stragglers: a slow answer never holds up the rest.
    """

    __slots__ = ("__weakref__", "_enough", "_fresh", "_left", "_open", "is_urgent", "messages")

    def __init__(self, messages: Sequence[M], *, is_urgent: bool = False) -> None:
        self.messages = messages
        self.is_urgent = is_urgent
        self._open = set(range(len(messages)))
        self._fresh: list[tuple[int, Outcome]] = []
        self._left = 0
        self._enough = asyncio.Event()

    def settle(self, index: int, outcome: Outcome) -> None:
        """Reports what became of message `index`; a second report for it is ignored."""
        if index in self._open:
            self._open.discard(index)
            self._fresh.append((index, outcome))
            if len(self._open) <= self._left:
                self._enough.set()

    def drain(self) -> list[tuple[int, Outcome]]:
        """Takes the outcomes that came since the last call, as (index, outcome)."""
        fresh, self._fresh = self._fresh, []
        return fresh

    @property
    def open(self) -> int:
        """How many messages have no outcome yet."""
        return len(self._open)

    async def wait(self, patience_s: float, *, left: int = 0) -> bool:
        """Waits until no more than `left` messages have no outcome, at most `patience_s`; tells whether that is so."""
        if len(self._open) > left:
            self._left = left
            self._enough.clear()
            try:
                async with asyncio.timeout(patience_s):
                    await self._enough.wait()
            except TimeoutError:
                return False
        return True


class Channel(Protocol[M]):
    """One sender's way out for its kind of message. Safe to use from one event loop."""

    def send(self, window: Window[M]) -> None:
        """Queues a window and returns at once; each message's outcome arrives through `window.settle`.

        Every message settles: sent, failed, retry or unknown. `unknown` only when its last byte was written.
        """
        ...

    async def probe(self) -> Outcome:
        """Connects, greets, secures and logs in, then leaves; `sent` means it all worked, `reply` says how it went."""
        ...

    async def aclose(self) -> None:
        """Lets messages on the wire finish, then says goodbye on every connection."""
        ...


@runtime_checkable
class Staying(Protocol):
    """What a channel is besides when news comes over its own connection, and so only while there is one."""

    def stay(self) -> None:
        """Connects, and connects again whenever the connection is lost, until `aclose`. Safe to repeat."""
        ...


class Prober(Protocol):
    """Asks a sender whether it can be reached, for whoever is about to start something over it."""

    async def probe(self, sender: Sender, sealed_secrets: bytes | None) -> Outcome:
        """Connects, greets, secures and logs in, unless that worked a moment ago; `sent` means it answers.

        Raises:
            Unavailable: no configured key opens the seal on the sender's secrets.
        """
        ...
