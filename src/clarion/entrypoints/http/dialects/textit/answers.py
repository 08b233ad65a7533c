"""Every answer that is no success: which error gets which status and sentence of this API.

Failures of authentication are 403 and never 401, as the vendor's own clients expect. Read `refusals` for the shapes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException

from clarion.domain.errors import (
    ClarionError,
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
from clarion.domain.ids import as_uuid
from clarion.entrypoints.http.dialect import Spoken
from clarion.entrypoints.http.dialects.textit.refusals import NOT_PROVIDED, NOT_UNIQUE, WHOLE_BODY, Refusal, by_field
from clarion.entrypoints.http.envelope import JSON
from clarion.entrypoints.http.errors import KeyReused, RequestTimeout, UnsupportedMediaType
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.trace import current

WORKSPACE_HEADER: Final = "X-Temba-Workspace"
NOT_PERMITTED: Final = "You do not have permission to perform this action."
_SURPRISE: Final = "Server Error. Site administrators have been notified."
_MODELS: Final = {
    "campaign": "Campaign",
    "campaign event": "CampaignEvent",
    "group": "ContactGroup",
    "contact": "Contact",
    "field": "ContactField",
}
_CONFLICTS: Final[dict[str, dict[str, Any]]] = {
    "NAME_TAKEN": {"name": [NOT_UNIQUE]},
    "GROUP_NAME_TAKEN": {"name": [NOT_UNIQUE]},
    "CONTACT_ADDRESS_TAKEN": {"urns": ["URN is in use by another contact."]},
    "FIELD_TAKEN": {"name": [NOT_UNIQUE]},
    "FIELD_IN_USE": {WHOLE_BODY: ["Can't change type of date field being used by campaign events."]},
    "GROUP_IN_USE": {"detail": "Group is being used by campaigns which must be archived first."},
}
_LIMITS: Final = frozenset({"LIMIT_REACHED", "FIELD_LIMIT"})


def respond(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    """An answer in JSON, which names the workspace of whoever asked; nothing as body is an empty one."""
    principal = current().principal
    named = {WORKSPACE_HEADER: as_uuid(principal.account_id)} if principal else {}
    raw = b"" if body is None else msgspec.json.encode(body)
    return Response(raw, status_code=status, media_type=JSON, headers=named | (headers or {}))


class Answerer:
    """Answers errors; knows the routes, to say which methods a path has."""

    def __init__(self, operations: Iterable[Spoken]) -> None:
        self._methods: dict[str, list[str]] = {}
        for operation in operations:
            self._methods.setdefault(operation.path, []).append(operation.method)

    def answer(self, request: Incoming, error: Exception) -> Response[Any]:
        """The answer to any error: of ours, of routing, or a surprise."""
        if isinstance(error, Refusal):
            return respond(error.body, error.status)
        if isinstance(error, ClarionError):
            return _answer_error(error)
        if isinstance(error, HTTPException):
            return self._answer_routing(request, error)
        return _surprise()

    def _answer_routing(self, request: Incoming, error: HTTPException) -> Response[Any]:
        path = request.scope["path"]
        if error.status_code == 405 and request.scope["method"] == "POST" and not path.endswith(".json"):
            return respond({"detail": NOT_PROVIDED}, 403)  # the pages about endpoints
        if error.status_code == 405:
            allowed = next((methods for known, methods in self._methods.items() if path.endswith(known)), ["GET"])
            sentence = f'Method "{request.scope["method"]}" not allowed.'
            return respond({"detail": sentence}, 405, {"Allow": ", ".join(allowed)})
        if error.status_code == 404:
            return respond({"detail": "Not found."}, 404)
        return respond({"detail": "The request could not be read."}, error.status_code)


def _surprise() -> Response[Any]:
    """What goes wrong without being expected."""
    return Response(_SURPRISE.encode(), status_code=500, media_type="text/plain")


def _answer_error(error: ClarionError) -> Response[Any]:
    if isinstance(error, Invalid):
        return respond(by_field(error.problems), 400)
    if isinstance(error, Conflict):
        return _answer_conflict(error)
    if isinstance(error, RateLimited):
        return _later(429, f"Request was throttled. Expected available in {_seconds(error.retry_after_s)}.", error)
    if isinstance(error, Unavailable):
        return _later(503, str(error), error)
    status = next((_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES), None)
    return _surprise() if status is None else respond({"detail": _sentence(error)}, status)


def _answer_conflict(error: Conflict) -> Response[Any]:
    if error.code in _LIMITS:
        return respond({"detail": "Cannot create object because workspace has reached limit."}, 409)
    return respond(_CONFLICTS.get(error.code, {"detail": f"{error}."}), 400)


def _sentence(error: ClarionError) -> str:
    if isinstance(error, NotFound):
        return f"No {_MODELS.get(error.kind, error.kind.title())} matches the given query."
    return _SENTENCES.get(type(error), str(error))


_SENTENCES: Final[dict[type[ClarionError], str]] = {Unauthenticated: "Invalid token", Forbidden: NOT_PERMITTED}
_STATUSES: Final[dict[type[Exception], int]] = {
    Unauthenticated: 403,
    Forbidden: 403,
    NotFound: 404,
    RequestTimeout: 408,
    TooLarge: 413,
    UnsupportedMediaType: 415,
    KeyReused: 400,
    UpstreamFailed: 502,
}
"""From each error that is told in one sentence; a subclass without a line of its own is answered like its parent."""


def _later(status: int, sentence: str, error: RateLimited | Unavailable) -> Response[Any]:
    return respond({"detail": sentence}, status, {"Retry-After": str(error.retry_after_s)})


def _seconds(count: int) -> str:
    return "1 second" if count == 1 else f"{count} seconds"
