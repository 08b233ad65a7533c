"""Precedence in one worker: what a call brought goes first, and bulk work stands aside for it, for a moment at most.

Both share one process and its event loop; every step of a call's message waits until the loop comes round. Decides
nothing about other processes. Where to read next: `sending`, which gives way between the messages it renders.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from clarion.pipeline.patience import set_within

STANDS_ASIDE_S: Final = 0.025
"""How long one window of bulk work waits at most: a window takes about 0.1 s."""
_FRESH_S: Final = 0.5
"""What is under way for longer waits for something else than this process."""


class Precedence:
    """Knows whether a call's message is under way in this worker. Use from one event loop."""

    __slots__ = ("_began", "_clear", "_under_way")

    def __init__(self) -> None:
        self._under_way = 0
        self._began = 0.0
        self._clear = asyncio.Event()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Marks a step of a call's message as under way."""
        self._under_way += 1
        self._began = time.monotonic()
        self._clear.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._clear.set()

    async def give_way(self, patience_s: float) -> float:
        """Lets everything else in this process have its turn; returns what is left of the patience.

        Waits that long at most while a call's message is under way that began a moment ago.
        """
        began = time.monotonic()
        if patience_s <= 0 or not self._under_way or began - self._began > _FRESH_S:
            await asyncio.sleep(0)
            return patience_s
        await set_within(self._clear, patience_s)
        return patience_s - (time.monotonic() - began)
