"""Loops that must never end by accident, and the signals that end a process on purpose.

What goes wrong in a loop's step is told and rested after. Its users are `worker`, `crew` and `scheduler`.
"""

from __future__ import annotations

import asyncio
import signal
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


async def keep_on(step: Callable[[], Awaitable[None]]) -> None:
    """Takes a loop's step for ever."""
    while True:
        await carefully(step)


def until_told(stopping: asyncio.Event) -> None:
    """Sets the event at SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
