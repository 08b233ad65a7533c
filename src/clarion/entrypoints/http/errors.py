"""Which error of the domain becomes which status of the native API, and the answer it is told in.

The one table of it. What goes wrong without being expected is answered as a bare 500 (`dialects.Voices` logs it).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from litestar import Response
from litestar.exceptions import HTTPException

from clarion.domain.errors import (
    ClarionError,
    Conflict,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UpstreamFailed,
)
from clarion.entrypoints.http.envelope import JSON, ErrorBody, ProblemView, ValidationErrorBody, failed
from clarion.entrypoints.http.incoming import Incoming


class UnsupportedMediaType(ClarionError):
    """The body came in a content type this path does not read."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class RequestTimeout(ClarionError):
    """The body did not arrive in time."""

    code = "REQUEST_TIMEOUT"


class KeyReused(ClarionError):
    """An Idempotency-Key came again with a different body."""

    code = "IDEMPOTENCY_KEY_REUSED"


PROBLEMS_SHOWN: Final = 100
"""Mistakes named in one answer."""

STATUSES: Final[dict[type[ClarionError], int]] = {
    Malformed: 400,
    Invalid: 422,
    TooLarge: 413,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    RateLimited: 429,
    Unavailable: 503,
    UpstreamFailed: 502,
    UnsupportedMediaType: 415,
    RequestTimeout: 408,
    KeyReused: 422,
}
"""From each error to its status; a subclass without a line of its own is answered like its parent."""


def status_of(error: ClarionError) -> int:
    """The status an error is answered with."""
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)


def error_body(error: ClarionError) -> ErrorBody | ValidationErrorBody:
    """What the caller is told about an error."""
    if not isinstance(error, Invalid):
        return ErrorBody(code=error.code, message=str(error))
    problems = [ProblemView(field=p.field, rule=p.rule, message=p.message) for p in error.problems[:PROBLEMS_SHOWN]]
    read = "could not be read" if isinstance(error, Malformed) else "breaks a rule"
    return ValidationErrorBody(
        code=error.code,
        message=f"The request {read}: {problems[0].field}: {problems[0].message}"
        if problems
        else f"The request {read}",
        details="\n".join(f"{p.field}: {p.rule}: {p.message}" for p in problems),
        problems=problems,
    )


def answer_error(_request: Incoming, error: ClarionError) -> Response[bytes]:
    """Answers an error that was raised on purpose."""
    return Response(failed(error_body(error)), status_code=status_of(error), media_type=JSON, headers=_hints(error))


def _hints(error: ClarionError) -> dict[str, str]:
    if isinstance(error, RateLimited | Unavailable):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": 'Bearer realm="clarion"'}
    return {}


_ROUTING: Final = {
    404: ErrorBody(code="NOT_FOUND", message="No such path"),
    405: ErrorBody(code="METHOD_NOT_ALLOWED", message="This path does not know that method"),
}


def answer_http_exception(_request: Incoming, error: HTTPException) -> Response[bytes]:
    """Answers what the framework refuses before any of our code runs: an unknown path or method."""
    body = _ROUTING.get(error.status_code)
    if body is None:
        phrase = HTTPStatus(error.status_code).phrase
        body = ErrorBody(code=phrase.upper().replace(" ", "_"), message=phrase)
    return Response(failed(body), status_code=error.status_code, media_type=JSON, headers=error.headers or {})


def answer_surprise() -> Response[bytes]:
    """Answers a bug: the caller gets the trace id to ask with; the log has everything."""
    body = ErrorBody(
        code="INTERNAL_ERROR", message="Something went wrong on our side; the trace id finds it in the log"
    )
    return Response(failed(body), status_code=500, media_type=JSON)
