"""Every answer that is no success: the one table of which error gets which status, code and title here.

Errors have a `type` made of a number and the status; the `report` repeats what the caller sent to find the call again.
A path that nobody knows is answered plainly (RFC 7807).
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException

from clarion.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UpstreamFailed,
)
from clarion.entrypoints.http.dialects.ajo.models import NoSuchRoute, Refusal, Report
from clarion.entrypoints.http.envelope import JSON
from clarion.entrypoints.http.errors import KeyReused, RequestTimeout, UnsupportedMediaType
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.trace import current

_TYPE: Final = "https://ns.adobe.com/aep/errors/MSG-{number:06d}-{status}"
_PROBLEMS_SHOWN: Final = 20


class BadApiKey(Forbidden):
    """`x-api-key` is missing, or is not the client of the token."""

    code = "BAD_API_KEY"


class Unreadable(Invalid):
    """A body that breaks the shape of its model; carries what could be read of it, to be told back."""

    def __init__(self, problems: Iterable[Problem], said: dict[str, str]) -> None:
        super().__init__(*problems)
        self.said = said


class _Row(NamedTuple):
    """The number in the type, the status, and the title; without a title the error's own words are it."""

    number: int
    status: int
    title: str = ""


_ROWS: Final[dict[type[Exception], _Row]] = {
    Invalid: _Row(52, 400, "The request is not valid"),
    TooLarge: _Row(57, 413),
    Unauthenticated: _Row(10, 401, "Oauth token is not valid"),
    BadApiKey: _Row(11, 403, "Api Key is invalid"),
    Forbidden: _Row(12, 403),
    NotFound: _Row(54, 404),
    Conflict: _Row(60, 400),
    RateLimited: _Row(29, 429, "Too many requests"),
    Unavailable: _Row(30, 503),
    UpstreamFailed: _Row(31, 502),
    UnsupportedMediaType: _Row(15, 415),
    RequestTimeout: _Row(8, 408),
    KeyReused: _Row(61, 409),
}
"""From each error of ours; a subclass without a row is answered like its parent."""

_CONFLICTS: Final[dict[str, _Row]] = {
    "REQUEST_ID_REUSED": _Row(61, 409, "The requestId was used before with another body"),
    "IDEMPOTENCY_IN_PROGRESS": _Row(62, 409, "The first request with this x-request-id is still worked on"),
    "CAMPAIGN_NOT_RUNNING": _Row(63, 400, "The campaign is not live"),
    "CAMPAIGN_NOT_TRIGGERED": _Row(64, 400, "The campaign is not API-triggered"),
    "CAMPAIGN_KIND": _Row(64, 400, "The campaign is not API-triggered"),
    "EXECUTION_NOT_SCHEDULED": _Row(67, 400, "The execution was triggered already"),
    "CAMPAIGN_CATEGORY": _Row(65, 400, "The campaign is not of the category of this endpoint"),
    "CAMPAIGN_THROUGHPUT": _Row(66, 400, "The campaign is not of the throughput of this endpoint"),
}
_MISSING: Final = {"campaign": "Cannot find the Campaign", "contact": "Cannot find the Profile"}


def answer(request: Incoming, error: Exception) -> Response[bytes]:
    """The answer to any error: of ours, of routing, or a surprise."""
    if isinstance(error, HTTPException):
        return _answer_routing(request, error)
    row = _row_of(error)
    if row is not None:
        return refuse(row.number, row.status, _title(error, row), _context(error), _hints(error))
    return refuse(1, 500, "An unexpected error occurred", {"traceId": current().id})


def refuse(
    number: int, status: int, title: str, said: dict[str, str], headers: dict[str, str] | None = None
) -> Response[bytes]:
    """One error in Adobe's shape."""
    body = Refusal(type=_TYPE.format(number=number, status=status), title=title, status=status, report=Report(said))
    return Response(msgspec.json.encode(body), status_code=status, media_type=JSON, headers=headers or {})


def _row_of(error: Exception) -> _Row | None:
    if isinstance(error, Conflict) and error.code in _CONFLICTS:
        return _CONFLICTS[error.code]
    return next((_ROWS[kind] for kind in type(error).__mro__ if kind in _ROWS), None)


def _title(error: Exception, row: _Row) -> str:
    if isinstance(error, NotFound):
        return _MISSING.get(error.kind, f"Cannot find the {error.kind}")
    return row.title or str(error)


def _context(error: Exception) -> dict[str, str]:
    said = {"traceId": current().id}
    if isinstance(error, Unreadable):
        said |= error.said
    if isinstance(error, Invalid):
        said["errors"] = "; ".join(f"{p.field}: {p.message}" for p in error.problems[:_PROBLEMS_SHOWN])
    elif isinstance(error, Conflict):
        said["reason"] = str(error)
    elif isinstance(error, RateLimited):
        said["retryAfter"] = str(error.retry_after_s)
    return said


def _hints(error: Exception) -> dict[str, str]:
    if isinstance(error, RateLimited | Unavailable):
        return {"Retry-After": str(error.retry_after_s)}
    return {"WWW-Authenticate": 'Bearer realm="clarion"'} if isinstance(error, Unauthenticated) else {}


def _answer_routing(request: Incoming, error: HTTPException) -> Response[bytes]:
    phrase = HTTPStatus(error.status_code).phrase
    body = NoSuchRoute(
        type="about:blank",
        title=phrase,
        status=error.status_code,
        detail=f"{phrase}: {request.scope['method']} has no endpoint here",
        instance=request.scope["path"],
    )
    raw = msgspec.json.encode(body)
    return Response(raw, status_code=error.status_code, media_type=JSON, headers=error.headers or {})
