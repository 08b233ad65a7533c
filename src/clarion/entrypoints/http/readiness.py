"""Whether requests can be served (the database answers and has the schema of this program), and whether it is held.

Asked for at most once a second however often the question comes, because anyone may ask it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from clarion.application.ports import Database
from clarion.application.ports.home import Held
from clarion.bootstrap import check_ready
from clarion.domain.errors import ClarionError
from clarion.settings import Settings

_HOLDS_S: Final = 1.0


class Readiness:
    """The latest answer, and when it was found."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._asking = asyncio.Lock()
        self._found_at = float("-inf")
        self._refusal: ClarionError | None = None
        self._held: Held | None = None

    async def check(self) -> Held | None:
        """Returns when requests can be served, else raises `Unavailable` or `SchemaError`.

        Tells since when nothing is sent, because the database was restored; None when it is not held.
        """
        async with self._asking:
            if time.monotonic() - self._found_at > _HOLDS_S:
                self._refusal = await self._ask()
                self._found_at = time.monotonic()
        if self._refusal:
            raise self._refusal
        return self._held

    async def _ask(self) -> ClarionError | None:
        try:
            await check_ready(self._settings)
            async with self._database.reading() as tx:
                self._held = await tx.home.held()
        except ClarionError as error:
            return error
        return None
