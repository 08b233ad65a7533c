"""Whether requests can be served: the database answers and has the schema of this program.

Asked for at most once a second however often the question comes, because anyone may ask it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from clarion.bootstrap import check_ready
from clarion.domain.errors import ClarionError
from clarion.settings import Settings

_HOLDS_S: Final = 1.0


class Readiness:
    """The latest answer, and when it was found."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asking = asyncio.Lock()
        self._found_at = float("-inf")
        self._refusal: ClarionError | None = None

    async def check(self) -> None:
        """Returns when requests can be served, else raises `Unavailable` or `SchemaError`."""
        async with self._asking:
            if time.monotonic() - self._found_at > _HOLDS_S:
                self._refusal = await self._ask()
                self._found_at = time.monotonic()
        if self._refusal:
            raise self._refusal

    async def _ask(self) -> ClarionError | None:
        try:
            await check_ready(self._settings)
        except ClarionError as error:
            return error
        return None
