"""The one shape of every native answer: `{success, data, error, traceId}`, with the trace id that is also in the log.

Never decides a status. Read `errors` for which error gets which.
"""

from __future__ import annotations

from typing import Any

import msgspec

from clarion.entrypoints.http.trace import current

JSON = "application/json"


class ProblemView(msgspec.Struct, rename="camel"):
    """One mistake in a request."""

    field: str
    """Where it is, as a path: `message.email.subject`, `contacts[3].email`, `header.Idempotency-Key`."""
    rule: str
    """Which rule is broken, a stable word; JSON Schema's own (`required`, `type`, `maxLength`, …) where it has one."""
    message: str
    """The rule in a sentence."""


class ErrorBody(msgspec.Struct, rename="camel"):
    """What went wrong: a stable `code`, a sentence, and details as text."""

    code: str
    message: str
    details: str = ""


class ValidationErrorBody(msgspec.Struct, rename="camel"):
    """What is wrong with the request; `details` lists every mistake as text, `problems` as data."""

    code: str
    message: str
    details: str
    problems: list[ProblemView]


class ErrorResponse(msgspec.Struct, rename="camel"):
    """The answer to a request that failed."""

    success: bool
    data: None
    error: ErrorBody
    trace_id: str


class ValidationErrorResponse(msgspec.Struct, rename="camel"):
    """The answer to a request that could not be read or broke a rule. Nothing was changed."""

    success: bool
    data: None
    error: ValidationErrorBody
    trace_id: str


class _Envelope(msgspec.Struct, rename="camel"):
    success: bool
    data: Any
    error: Any
    trace_id: str


def succeeded(data: object) -> bytes:
    """The body of a success."""
    return msgspec.json.encode(_Envelope(success=True, data=data, error=None, trace_id=current().id))


def failed(error: ErrorBody | ValidationErrorBody) -> bytes:
    """The body of a failure."""
    return msgspec.json.encode(_Envelope(success=False, data=None, error=error, trace_id=current().id))
