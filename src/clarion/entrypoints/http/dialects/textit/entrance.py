"""Who may come in, in the order the vendor checks: the accepted answer type, the credentials, the permission, the pace.

A key of ours is the vendor's token: `Token <key>`, or Basic with an email address as the name. Where to read next:
`calls`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from typing import Final

from clarion.domain.access import Permission, Principal
from clarion.domain.errors import Forbidden, Unauthenticated
from clarion.entrypoints.http.dialects.textit.refusals import NOT_PROVIDED, Refusal, detail
from clarion.entrypoints.http.dialects.textit.throttle import Throttle
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.trace import current
from clarion.rendering.addresses import email_key

_ACCEPTED: Final = frozenset({"*/*", "application/*", "application/json", "text/html", "text/*"})
_WRONG_PAIR: Final = "Invalid token or email"


async def admit(request: Incoming, permissions: Collection[Permission], scope: str) -> Principal:
    """Lets a request in and counts it.

    Raises:
        Refusal: the answer cannot be what it accepts (406), or no good credentials came with it (403).
        Forbidden: the key lacks a permission.
        RateLimited: the workspace has used up its hour.
    """
    edge: Edge = request.app.state.edge
    negotiate(request)
    principal = await _recognise(request, edge)
    current().principal = principal
    if not all(principal.may(permission) for permission in permissions):
        raise Forbidden("This API key lacks a permission")
    _throttle(request, edge).take(principal.account_id, scope)
    return principal


def negotiate(request: Incoming) -> None:
    """Raises `Refusal` (406) unless the caller accepts JSON."""
    accepted = request.headers.get("accept", "*/*")
    kinds = {part.partition(";")[0].strip().lower() for part in accepted.split(",")}
    if not kinds & _ACCEPTED:
        raise detail("Could not satisfy the request Accept header.", 406)


async def _recognise(request: Incoming, edge: Edge) -> Principal:
    scheme, _, rest = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "token":
        return await _by_token(edge, rest)
    if scheme.lower() == "basic":
        return await _by_pair(edge, rest)
    raise detail(NOT_PROVIDED, 403)


async def _by_token(edge: Edge, rest: str) -> Principal:
    token = rest.strip()
    if not token:
        raise detail("Invalid token header. No credentials provided.", 403)
    if " " in token:
        raise detail("Invalid token header. Token string should not contain spaces.", 403)
    return await edge.doorkeeper.recognise_presented(token)


async def _by_pair(edge: Edge, rest: str) -> Principal:
    try:
        email, colon, token = base64.b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise _wrong_pair() from None
    if not colon or "@" not in email:
        raise _wrong_pair()
    try:
        principal = await edge.doorkeeper.recognise_presented(token)
    except Unauthenticated:
        raise _wrong_pair() from None
    if principal.owner_email is not None and email_key(email) != principal.owner_email:
        raise _wrong_pair()
    return principal


def _wrong_pair() -> Refusal:
    return detail(_WRONG_PAIR, 403)


def _throttle(request: Incoming, edge: Edge) -> Throttle:
    state = request.app.state
    if "textit_throttle" not in state:
        state.textit_throttle = Throttle(edge.app.settings.textit_requests_per_hour)
    found: Throttle = state.textit_throttle
    return found
