"""Every answer of this API: a bare object, or `{"id": …, "message": …}`, also for errors.

The vendor documents 400, 401 and 500 and nothing else: what is not found or not allowed by the state is a 400, a
lacking permission a 401. One status more is ours: 429, with `Retry-After`.
"""

from __future__ import annotations

from typing import Any, Final

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
from clarion.entrypoints.http.dialects.voltmx.entrance import carries_credentials
from clarion.entrypoints.http.envelope import JSON
from clarion.entrypoints.http.errors import KeyReused, RequestTimeout, UnsupportedMediaType
from clarion.entrypoints.http.incoming import Incoming

SURPRISE: Final = "Server failure to process request"
_UNAUTHORIZED: Final = "Unauthorized request"
_MESSAGE_LIMIT: Final = 2000
_ID_LIMIT: Final = 200
STATUSES: Final[dict[type[Exception], int]] = {
    Invalid: 400,
    TooLarge: 400,
    Unauthenticated: 401,
    Forbidden: 401,
    NotFound: 400,
    Conflict: 400,
    RateLimited: 429,
    Unavailable: 500,
    UpstreamFailed: 500,
    KeyReused: 400,
    RequestTimeout: 400,
    UnsupportedMediaType: 400,
}
"""From each error of ours; a subclass without a line of its own is answered like its parent."""

_SENTENCES: Final = {
    "CAMPAIGN_ALREADY_RUNNING": "Campaign is already running",
    "CAMPAIGN_PAUSED": "Campaign is paused; resume it instead",
    "CAMPAIGN_NOT_STARTABLE": "Campaign has ended; modify it with restart=true to run it again",
    "CAMPAIGN_NOT_RUNNING": "Campaign is not running",
    "CAMPAIGN_NOT_PAUSED": "Campaign is not paused",
    "CAMPAIGN_NOT_STOPPABLE": "Campaign is not pending, running or paused",
    "SEGMENT_NAME_TAKEN": "Another segment has this name",
}
"""Refusals that this API tells in its own words; every other one is told in ours."""

_FIELDS: Final = {
    "startAt": "startDateStr",
    "endAt": "endDateStr",
    "audience": "campaignSegments",
    "senderId": "campaignMails[0].senderEmail",
    "message.email.from": "campaignMails[0].senderEmail",
    "message.email.subject": "campaignMails[0].subject",
    "message.email": "campaignMails[0].content",
    "smsSenderId": "campaignSms",
    "pushSenderIds": "campaignMessages",
    "message.sms": "campaignSms[0].smsMessage",
    "message.push": "campaignMessages[0].message",
}
"""How fields of ours that a use case may refuse are called here, by how their names begin."""


def respond(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    """An answer in JSON."""
    return Response(msgspec.json.encode(body), status_code=status, media_type=JSON, headers=headers or {})


def answer(request: Incoming, error: Exception) -> Response[Any]:
    """The answer to any error: of ours, of routing, or a surprise."""
    if isinstance(error, HTTPException):
        known = carries_credentials(request)
        return _told(request, 400, "There is no such path") if known else _told(request, 401, _UNAUTHORIZED)
    status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), None)
    if status is None:
        return _told(request, 500, SURPRISE)
    hints = {"Retry-After": str(error.retry_after_s)} if isinstance(error, RateLimited | Unavailable) else {}
    return _told(request, status, _sentence(error), hints)


def _sentence(error: Exception) -> str:
    if isinstance(error, Unauthenticated | Forbidden):
        return _UNAUTHORIZED
    if isinstance(error, Unavailable):
        return SURPRISE
    if isinstance(error, Invalid):
        told = (f"{_field(problem.field)} {problem.message}" for problem in error.problems)
        return "; ".join(told)[:_MESSAGE_LIMIT]
    if isinstance(error, NotFound):
        return f"No {error.kind} is found with this id"
    if isinstance(error, Conflict):
        return _SENTENCES.get(error.code, str(error))
    return str(error)


def _field(field: str) -> str:
    return next((name for begin, name in _FIELDS.items() if field.startswith(begin)), field)


def _told(request: Incoming, status: int, message: str, headers: dict[str, str] | None = None) -> Response[bytes]:
    said = str(request.path_params.get("id", ""))[:_ID_LIMIT]
    shown = said.encode("utf-8", "backslashreplace").decode()
    told = message.encode("utf-8", "backslashreplace").decode()
    return respond({"id": shown, "message": told}, status, headers)
