"""A workspace for tests of the TextIt dialect: a client with its token, and shorthand for what most tests need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from tests.support.patience import PATIENCE_S

NOBODY = "0199f1a2-b3c4-7d5e-8f60-718293a4b5c6"
"""A UUID of nothing here."""


@dataclass(frozen=True)
class Workspace:
    """A caller of this API."""

    http: httpx.AsyncClient

    async def get(self, noun: str, **query: Any) -> httpx.Response:
        return await self.http.get(f"/api/v2/{noun}.json", params=query)

    async def post(self, noun: str, body: Mapping[str, Any], **query: Any) -> httpx.Response:
        return await self.http.post(f"/api/v2/{noun}.json", json=dict(body), params=query)

    async def delete(self, noun: str, **query: Any) -> httpx.Response:
        return await self.http.delete(f"/api/v2/{noun}.json", params=query)

    async def rows(self, noun: str, **query: Any) -> list[dict[str, Any]]:
        """The first page of a list."""
        response = await self.get(noun, **query)
        assert response.status_code == 200, response.text
        rows: list[dict[str, Any]] = response.json()["results"]
        return rows

    async def made(self, noun: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What a body makes."""
        response = await self.post(noun, body)
        assert response.status_code == 201, response.text
        found: dict[str, Any] = response.json()
        return found

    async def refused(self, noun: str, body: Mapping[str, Any], **query: Any) -> Any:
        """What is said of a body that breaks a rule."""
        response = await self.post(noun, body, **query)
        assert response.status_code == 400, response.text
        return response.json()


def client_with(base_url: str, token: str, **headers: str) -> httpx.AsyncClient:
    """A client that presents a token as the vendor's do."""
    dressed = {"Authorization": f"Token {token}", "Accept": "application/json", **headers}
    return httpx.AsyncClient(base_url=base_url, headers=dressed, timeout=PATIENCE_S)
