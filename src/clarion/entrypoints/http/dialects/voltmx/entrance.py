"""Who may come in: the four ways in which this vendor's callers say who they are, each over an API key of ours.

A claims token in `X-VoltMX-Authorization` (older callers: `X-Kony-Authorization`), the pair `AccessToken` and
`AccessSecret`, or Basic: the key's id or its owner's address as the user, the key as the password. A user whose key
lacks the permission is unauthorized, as everybody else is. Where to read next: `logins`, which gives tokens.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from typing import Final

from clarion.domain.access import Permission, Principal
from clarion.domain.errors import Forbidden, Unauthenticated
from clarion.domain.ids import parse_id
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.incoming import Incoming
from clarion.rendering.addresses import email_key

CLAIMS_HEADERS: Final = ("x-voltmx-authorization", "x-kony-authorization")
TOKEN_HEADER: Final = "AccessToken"  # noqa: S105 - the name of a header
SECRET_HEADER: Final = "AccessSecret"  # noqa: S105 - the name of a header
_PUBLIC_PART: Final = 38
"""Characters of a token that go as the access token; the rest proves it and goes as the secret."""


async def admit(request: Incoming, permissions: Collection[Permission]) -> Principal:
    """Lets a request in and counts it.

    Raises:
        Unauthenticated: no good credentials came with it.
        Forbidden: the key lacks a permission.
        RateLimited: the key has used up its pace.
    """
    edge: Edge = request.app.state.edge
    principal = await _recognise(request, edge)
    edge.doorkeeper.pace(principal)
    if not all(principal.may(permission) for permission in permissions):
        raise Forbidden("This API key lacks a permission")
    return principal


def carries_credentials(request: Incoming) -> bool:
    """Whether the request says who it is from, true or not."""
    names = (*CLAIMS_HEADERS, TOKEN_HEADER.lower(), "authorization")
    return any(request.headers.get(name, "").strip() for name in names)


async def recognise_login(edge: Edge, user: str, password: str) -> Principal:
    """Whose key this is: `user` is its id or its owner's address, `password` its whole text (or, by id, its secret).

    Raises `Unauthenticated`.
    """
    if parse_id(user):
        return await edge.doorkeeper.recognise_pair(user, password)
    principal = await edge.doorkeeper.recognise_presented(password)
    if "@" not in user or email_key(user) != principal.owner_email:
        raise Unauthenticated("This API key is not valid")
    return principal


async def recognise_basic(request: Incoming, edge: Edge) -> Principal:
    """Whose key stands in the Basic credentials of the request. Raises `Unauthenticated`."""
    scheme, _, rest = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "basic":
        raise Unauthenticated("Basic credentials are needed")
    try:
        pair = base64.b64decode(rest.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise Unauthenticated("The Basic credentials cannot be read") from None
    user, _, password = pair.partition(":")
    return await recognise_login(edge, user, password)


def halves_of(token: str) -> tuple[str, str]:
    """A token as the pair of access token and access secret that is sent in two headers."""
    return token[:_PUBLIC_PART], token[_PUBLIC_PART:]


async def _recognise(request: Incoming, edge: Edge) -> Principal:
    for name in CLAIMS_HEADERS:
        if claims := request.headers.get(name, "").strip():
            return await edge.doorkeeper.recognise_presented(claims)
    token, secret = (request.headers.get(name.lower(), "").strip() for name in (TOKEN_HEADER, SECRET_HEADER))
    if token or secret:
        if len(token) != _PUBLIC_PART:
            raise Unauthenticated("This access token is not valid")
        return await edge.doorkeeper.recognise_presented(token + secret)
    return await recognise_basic(request, edge)
