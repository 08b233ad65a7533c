"""So many messages a second: what a stand-in takes of them before it says that we are too fast.

Reads the clock of the running loop; owns no answer. Where to read next: `tests/conformance/far_sides`.
"""

from __future__ import annotations

import asyncio


class Allowance:
    """`per_second`, that many at once; None is without limit. `refused` counts those beyond it.

    Its time begins with the first refusal: who sends more than it allows is refused once, however slow the machine is.
    """

    def __init__(self, per_second: float | None = None) -> None:
        self.per_second = per_second
        self.refused = 0
        self._left = per_second or 0.0
        self._at: float | None = None

    def is_used_up(self) -> bool:
        """Whether one message more is too fast; asked once for each."""
        if self.per_second is None:
            return False
        now = asyncio.get_running_loop().time()
        if self._at is not None:
            self._left = min(self.per_second, self._left + (now - self._at) * self.per_second)
            self._at = now
        if self._left < 1:
            self._at = now
            self.refused += 1
            return True
        self._left -= 1
        return False
