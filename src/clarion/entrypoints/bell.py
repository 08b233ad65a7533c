"""The bell: the wake-up call that tells a waiting process to look for work now.

What rings it is an adapter (`adapters/queue`). Its users are `worker` and `scheduler`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Protocol

IDLE_S: Final = 1.0
"""How long an idle loop waits when nobody rings: the bound on what a lost announcement costs."""


class Bell(Protocol):
    """Tells that there may be work. A ring may be lost, doubled or needless; nothing depends on it but speed."""

    async def wait(self, timeout_s: float) -> Collection[str]:
        """Waits for a ring at most `timeout_s`; gives the lanes it was rung for, or "" for anything."""
        ...
