"""A message centre that is not ours, one for the tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.support.smpp_server.centre import Centre


@pytest.fixture(scope="module")
async def _server() -> AsyncIterator[Centre]:
    async with Centre() as server:
        yield server


@pytest.fixture
async def centre(_server: Centre) -> Centre:
    await _server.ask("reset")
    return _server
