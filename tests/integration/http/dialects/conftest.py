"""What several tests of dialects share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.integration.http.conftest import Caller
from tests.integration.http.dialects.textit_scene import Workspace, client_with


@pytest.fixture
async def workspace(caller: Caller, base_url: str) -> AsyncIterator[Workspace]:
    """A TextIt workspace of the test's own."""
    async with client_with(base_url, caller.text) as http:
        yield Workspace(http)


@pytest.fixture
async def strange_workspace(stranger: Caller, base_url: str) -> AsyncIterator[Workspace]:
    """Another one, whose objects nobody else sees."""
    async with client_with(base_url, stranger.text) as http:
        yield Workspace(http)
