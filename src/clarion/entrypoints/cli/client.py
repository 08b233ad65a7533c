"""A small client of the native API, with the standard library only: what a script of yours might look like.

Speaks JSON over one connection per request and opens the envelope. It retries nothing and knows no use case; the demo
is written with it.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

TIMEOUT_S: Final = 60.0
READY_TIMEOUT_S: Final = 2.0


class RequestRefused(Exception):
    """The API answered with an error, or not with its envelope."""


@dataclass(frozen=True, slots=True)
class Client:
    """Requests of one account with one key. Answers are the `data` of the envelope."""

    base_url: str
    account_id: str
    key: str

    async def get(self, path: str) -> Any:  # noqa: ANN401 - JSON is whatever it is
        """Reads `path` below the account."""
        return await self._ask("GET", path, None, "")

    async def post(self, path: str, body: object = None) -> Any:  # noqa: ANN401 - see get
        """Posts JSON to `path` below the account; without a body, nothing."""
        return await self._ask("POST", path, None if body is None else json.dumps(body).encode(), "application/json")

    async def upload(self, path: str, body: bytes, content_type: str) -> Any:  # noqa: ANN401 - see get
        """Posts bytes of some other kind."""
        return await self._ask("POST", path, body, content_type)

    async def is_ready(self) -> bool:
        """Whether the server answers and can work; never raises."""
        try:
            status, _ = await asyncio.to_thread(self._exchange, "GET", "/health/ready", None, {}, READY_TIMEOUT_S)
        except (OSError, http.client.HTTPException):
            return False
        return status == http.HTTPStatus.OK

    async def _ask(self, method: str, path: str, body: bytes | None, content_type: str) -> Any:  # noqa: ANN401 - see get
        headers = {"Authorization": f"Bearer {self.key}"} | ({"Content-Type": content_type} if body else {})
        full_path = f"/v1/accounts/{self.account_id}{path}"
        try:
            status, text = await asyncio.to_thread(self._exchange, method, full_path, body, headers)
        except (OSError, http.client.HTTPException) as silent:
            raise RequestRefused(f"{method} {path}: no answer from {self.base_url} ({silent!r})") from silent
        try:
            envelope = json.loads(text)
            if envelope["success"]:
                return envelope["data"]
            error = envelope["error"]
            raise RequestRefused(f"{method} {path}: {status} {error['code']}: {error['message']} {error['details']}")
        except (ValueError, KeyError, TypeError) as unreadable:
            raise RequestRefused(f"{method} {path}: {status}, and no envelope: {text[:200]!r}") from unreadable

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], timeout_s: float = TIMEOUT_S
    ) -> tuple[int, bytes]:
        address = urlsplit(self.base_url)
        connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=timeout_s)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
