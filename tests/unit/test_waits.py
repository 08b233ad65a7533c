"""Waits that are cancelled at the very moment they are over: they end as cancelled, or a stop would be forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.support.patience import PATIENCE_S

from clarion.adapters.queue.postgres import WorkSignal
from clarion.application.ports.channel import Window
from clarion.domain.outcome import Outcome
from clarion.pipeline.patience import set_within
from clarion.rendering.email import WireEmail


def event() -> tuple[Awaitable[object], Callable[[], None]]:
    waited = asyncio.Event()
    return set_within(waited, PATIENCE_S), waited.set


def window() -> tuple[Awaitable[object], Callable[[], None]]:
    sent = Window([WireEmail("s@x.example", "r@x.example", b"", False, False, "<1@x.example>")])  # noqa: FBT003
    return sent.wait(PATIENCE_S), lambda: sent.settle(0, Outcome.sent("250 ok"))


def work_signal() -> tuple[Awaitable[object], Callable[[], None]]:
    signal = WorkSignal("postgresql://nowhere.example")
    return signal.wait(PATIENCE_S), signal.set


@pytest.mark.parametrize("make", [event, window, work_signal])
@pytest.mark.parametrize("turns", range(4))
async def test_f59_a_wait_cancelled_as_it_ends_never_swallows_the_cancellation(
    make: Callable[[], tuple[Awaitable[object], Callable[[], None]]], turns: int
) -> None:
    waiting, end = make()
    waiter = asyncio.ensure_future(waiting)
    await asyncio.sleep(0)
    end()
    for _ in range(turns):
        await asyncio.sleep(0)
    is_in_time = waiter.cancel()
    result = (await asyncio.gather(waiter, return_exceptions=True))[0]
    assert isinstance(result, asyncio.CancelledError) if is_in_time else result
