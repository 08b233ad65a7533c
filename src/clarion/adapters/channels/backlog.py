"""The messages of one channel that no connection has taken yet: urgent windows first, then the oldest.

Owns the order in which messages are handed out and what becomes of those nobody could take. Never makes an object or
a future per message: a window is a list and a cursor.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, TypeVar
from weakref import WeakKeyDictionary

from clarion.application.ports.channel import Window
from clarion.domain.outcome import Outcome, Reason
from clarion.rendering.message import WireMessage

M = TypeVar("M", bound=WireMessage)

HOPELESS: Final = frozenset({Reason.AUTH_FAILED, Reason.TLS_FAILED})
"""Waiting does not mend these: whoever waits is told at once."""
_CLOSING: Final = Outcome.retry(Reason.CONNECTION_LOST, "not sent: the channel is closing")


class Backlog(Generic[M]):
    """A queue of windows, handed out message by message, with room in front for those given back."""

    __slots__ = ("_is_closed", "_moved", "_returned", "_urgent", "_windows", "size")

    def __init__(self) -> None:
        self._windows: deque[tuple[Window[M], float, list[int]]] = deque()
        self._urgent: deque[tuple[Window[M], float, list[int]]] = deque()
        self._returned: deque[tuple[Window[M], int, float]] = deque()
        self._moved: WeakKeyDictionary[Window[M], set[int]] = WeakKeyDictionary()
        self._is_closed = False
        self.size = 0
        """Messages waiting."""

    @property
    def has_returned(self) -> bool:
        """Whether the next message is one that was given back."""
        return bool(self._returned)

    def put(self, window: Window[M], now: float) -> None:
        """Queues a window behind the others of its kind; once closed, settles it instead."""
        count = len(window.messages)
        if self._is_closed:
            for index in range(count):
                window.settle(index, _CLOSING)
        elif count:
            (self._urgent if window.is_urgent else self._windows).append((window, now, [0]))
            self.size += count

    def take(self) -> tuple[Window[M], int] | None:
        """Hands out the next message, as its window and its place there."""
        if self._returned:
            self.size -= 1
            window, index, _ = self._returned.popleft()
            return window, index
        windows = self._urgent or self._windows
        if not windows:
            return None
        window, _, cursor = windows[0]
        index = cursor[0]
        cursor[0] = index + 1
        if cursor[0] == len(window.messages):
            windows.popleft()
        self.size -= 1
        return window, index

    def give_back(self, window: Window[M], index: int, now: float) -> bool:
        """Puts a message in front again; False the second time, lest it go round for ever, and once closed."""
        moved = self._moved.setdefault(window, set())
        if self._is_closed or index in moved:
            return False
        moved.add(index)
        self._returned.append((window, index, now))
        self.size += 1
        return True

    def close(self) -> None:
        """Settles whatever waits or is put here from now on as not sent. Safe to repeat."""
        self._is_closed = True
        self.settle_all(_CLOSING)

    def settle_all(self, outcome: Outcome) -> None:
        """Settles every waiting message."""
        self.settle_before(float("inf"), outcome)

    def settle_before(self, moment: float, outcome: Outcome) -> None:
        """Settles every waiting message that was queued at `moment` or earlier."""
        kept = deque(item for item in self._returned if item[2] > moment)
        for window, index, queued_at in self._returned:
            if queued_at <= moment:
                window.settle(index, outcome)
                self.size -= 1
        self._returned = kept
        for windows in (self._urgent, self._windows):
            while windows and windows[0][1] <= moment:
                window, _, cursor = windows.popleft()
                for index in range(cursor[0], len(window.messages)):
                    window.settle(index, outcome)
                    self.size -= 1
