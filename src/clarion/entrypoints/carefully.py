"""One step of a loop that must never end by accident: what goes wrong in it is told and rested after.

Nothing else is here. Its users are `worker` and `crew`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from clarion.domain.errors import Unavailable
from clarion.telemetry import Event, logger

TROUBLE_S: Final = 2.0
"""How long a loop rests after something unforeseen."""


async def carefully(step: Callable[[], Awaitable[None]]) -> None:
    """Takes one loop's step; what goes wrong in it is never the end of the loop."""
    try:
        await step()
    except Unavailable as error:
        logger().warning(Event.DATABASE_DOWN, loop=step.__name__, problem=str(error))
        await asyncio.sleep(TROUBLE_S)
    except Exception:  # noqa: BLE001 - the edge of the worker: told, rested after, never the end of a loop
        logger().exception(Event.TASK_FAILED, loop=step.__name__)
        await asyncio.sleep(TROUBLE_S)
