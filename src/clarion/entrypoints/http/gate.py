"""The outermost layer: a trace id and the security headers on every answer, and a line a request but for frequent ones.

Logs the route's template, never a path, a query, a body, a key or an address. It also answers HEAD wherever GET is
known (RFC 9110 §9.3.2).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from clarion import telemetry
from clarion.entrypoints.http.envelope import ErrorBody, failed
from clarion.entrypoints.http.trace import Trace, open_trace

TIGHT_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""The content security policy of everything that is not a page."""

HEADERS_LIMIT: Final = 16 * 1024
"""Bytes of all request headers together."""

_HEADERS: Final = {
    b"content-security-policy": TIGHT_POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Gate:
    """Wraps the whole application."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one connection on."""
        if scope["type"] != ScopeType.HTTP:
            await self._inner(scope, receive, send)
            return
        trace, began, status = open_trace(), time.perf_counter(), 0
        trace.is_head = is_head = scope["method"] == "HEAD"

        async def send_dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _dress(message["headers"], trace)
            elif is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        with bound_contextvars(trace_id=trace.id):
            try:
                if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADERS_LIMIT:
                    await _refuse_headers(send_dressed)
                    return
                inner_scope = {**scope, "method": "GET"} if is_head else scope
                await self._inner(inner_scope, receive, send_dressed)
            finally:
                _record(scope["method"], trace, status, time.perf_counter() - began)


async def _refuse_headers(send: Send) -> None:
    body = failed(ErrorBody(code="HEADERS_TOO_LARGE", message=f"The headers are larger than {HEADERS_LIMIT} bytes"))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 431, "headers": headers})  # RFC 6585 §5
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _dress(given: Iterable[tuple[bytes, bytes]], trace: Trace) -> list[tuple[bytes, bytes]]:
    headers = [(bytes(name).lower(), bytes(value)) for name, value in given]
    present = {name for name, _ in headers}
    headers += [(name, value) for name, value in _HEADERS.items() if name not in present]
    return [*headers, (b"x-trace-id", trace.id.encode())]


def _record(method: str, trace: Trace, status: int, took_s: float) -> None:
    method = method if method in _METHODS else "other"
    route = trace.route or "none"
    telemetry.requests.labels(method, route, str(status)).inc()
    telemetry.request_seconds.labels(method, route).observe(took_s)
    if trace.is_frequent and status < 400:
        return  # the metrics have counted it; a line for each would cost more than its work
    who = {}
    if trace.principal:
        who = {"account_id": trace.principal.account_id.hex(), "key_id": trace.principal.key_id.hex()}
    telemetry.logger().info(
        telemetry.Event.REQUEST_DONE,
        method=method,
        route=route,
        status=status,
        took_ms=round(took_s * 1000, 1),
        replayed=trace.replayed,
        **who,
    )
