"""What bulk work does while a call's message is under way in the same worker."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.patience import PATIENCE_S

from clarion.pipeline import precedence as under_test
from clarion.pipeline.precedence import Precedence


@pytest.fixture(autouse=True)
def _a_moment_ago_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """What began before the machine stood still for a moment is fresh all the same."""
    monkeypatch.setattr(under_test, "_FRESH_S", PATIENCE_S)


async def test_bulk_work_waits_for_nobody_when_no_call_is_under_way() -> None:
    precedence = Precedence()
    assert await precedence.give_way(10.0) == 10.0
    with precedence.taken():
        pass
    assert await precedence.give_way(10.0) == 10.0


async def test_bulk_work_stands_aside_until_every_message_of_a_call_is_through() -> None:
    precedence, seen = Precedence(), list[str]()

    async def bulk() -> None:
        await precedence.give_way(60.0)
        seen.append("bulk")

    with precedence.taken():
        waiting = asyncio.create_task(bulk())
        with precedence.taken():
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        seen.append("call")
    await waiting
    assert seen == ["call", "bulk"]


async def test_bulk_work_stands_aside_no_longer_than_it_has_patience() -> None:
    precedence = Precedence()
    with precedence.taken():
        left = await precedence.give_way(0.01)
        assert left <= 0
        assert await precedence.give_way(left) == left
