"""The short way for calls that come thousands a second: from the gate straight to what answers them.

The framework's way to a handler costs as much as all the work of such a call. Only that way is left out: the handler,
its checks, and the answers to its errors are the same. Every other request takes the usual way. Read `operation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from litestar import Litestar, Request, Response
from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.types import Receive, Scope, Send

from clarion.entrypoints.http.dialects import Voices
from clarion.entrypoints.http.operation import FREQUENT
from clarion.entrypoints.http.trace import current


class Express:
    """Wraps the framework's application; knows the frequent ones among its routes."""

    def __init__(self, inner: Litestar, handlers: Iterable[HTTPRouteHandler], voices: Voices) -> None:
        self._inner = inner
        self._voices = voices
        self._routes = [
            (str(method), re.compile(re.sub(r"{(\w+):str}", r"(?P<\1>[^/]+)", path)), handler.fn)
            for handler in handlers
            if handler.opt.get(FREQUENT)
            for path in handler.paths
            for method in handler.http_methods
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one connection on, or answers it."""
        if scope["type"] == ScopeType.HTTP:
            for method, path, answer in self._routes:
                if scope["method"] == method and (found := path.fullmatch(scope["path"])):
                    request = self._request(scope, receive, send, found.groupdict())
                    await _send(await self._answered(request, answer), send)
                    return
        await self._inner(scope, receive, send)

    def _request(self, scope: Any, receive: Receive, send: Send, names: dict[str, str]) -> Request[Any, Any, Any]:  # noqa: ANN401 - the framework's own additions to ASGI
        scope["litestar_app"], scope["path_params"], scope["state"] = self._inner, names, {}
        return Request(scope, receive, send)

    async def _answered(self, request: Request[Any, Any, Any], answer: Any) -> Response[Any]:  # noqa: ANN401 - a handler
        current().is_frequent = True
        try:
            response: Response[Any] = await answer(request)
        except Exception as error:  # noqa: BLE001 - the edge: answered in the voice of the path, logged when a surprise
            return self._voices.answer(request, error)
        return response


async def _send(response: Response[Any], send: Send) -> None:
    content = response.content if isinstance(response.content, bytes) else str(response.content or "").encode()
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.headers.items()]
    status = response.status_code or 200
    if status != 204:  # RFC 9110 §8.6
        headers += [
            (b"content-type", str(response.media_type or "text/plain").encode()),
            (b"content-length", str(len(content)).encode()),
        ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": False})
