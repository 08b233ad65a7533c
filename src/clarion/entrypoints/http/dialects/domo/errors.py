"""Every answer that is no success: Domo documents none, so there is one small shape, and the status is the signal.

Never shows a token. Where to read next: `reading`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException

from clarion.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UpstreamFailed,
)
from clarion.entrypoints.http.dialects.domo.models import Refusal
from clarion.entrypoints.http.envelope import JSON
from clarion.entrypoints.http.errors import KeyReused, RequestTimeout, UnsupportedMediaType
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.trace import current

STATUSES: Final[dict[type[Exception], int]] = {
    Invalid: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    RequestTimeout: 408,
    Conflict: 409,
    TooLarge: 413,
    UnsupportedMediaType: 415,
    KeyReused: 422,
    RateLimited: 429,
    UpstreamFailed: 502,
    Unavailable: 503,
}
"""From each error of ours; a subclass without a line of its own is answered like its parent."""


def answer(_request: Incoming, error: Exception) -> Response[bytes]:
    """The answer to any error: of ours, of routing, or a surprise."""
    if isinstance(error, HTTPException):
        return _refuse(error.status_code, _phrase(error.status_code), dict(error.headers or {}))
    status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), None)
    if status is None:
        return _refuse(500, "Something went wrong on our side; the trace id finds it in the log", {})
    hints = {"Retry-After": str(error.retry_after_s)} if isinstance(error, RateLimited | Unavailable) else {}
    return _refuse(status, str(error), hints)


def _refuse(status: int, message: str, headers: dict[str, str]) -> Response[bytes]:
    body = Refusal(status=status, status_reason=_phrase(status), message=message, trace_id=current().id)
    return Response(msgspec.json.encode(body), status_code=status, media_type=JSON, headers=headers)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase
