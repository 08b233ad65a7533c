"""Signing in: a login that gives a claims token, and the pair of access token and access secret.

Both are short-lived texts that stand for the API key they were asked for with, and die with it. Read `entrance` for how
they come back.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from litestar import Response

from clarion.entrypoints.http.dialect import Answers, spoken
from clarion.entrypoints.http.dialects.voltmx.answers import respond
from clarion.entrypoints.http.dialects.voltmx.calls import Reply
from clarion.entrypoints.http.dialects.voltmx.entrance import (
    SECRET_HEADER,
    TOKEN_HEADER,
    halves_of,
    recognise_basic,
    recognise_login,
)
from clarion.entrypoints.http.dialects.voltmx.refusals import refused, required_text
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.requests import content_type, read_bytes
from clarion.entrypoints.http.strict_json import parse_json, text_problem

TOKEN_LIFETIME_S: Final = 3600
FORM: Final = "application/x-www-form-urlencoded"
_CREDENTIAL_LIMIT: Final = 1000
_REFUSED: Final = {
    400: Answers("Invalid request format", Reply),
    401: Answers("Unauthorized request", Reply),
    429: Answers("Too many requests; see Retry-After", Reply),
    500: Answers("Server failure to process request", Reply),
}


class Credentials(msgspec.Struct):
    """A key's id or its owner's address, and the key."""

    userid: str
    password: str


class ClaimsToken(msgspec.Struct):
    """What goes into `X-VoltMX-Authorization`, and when it ends, in milliseconds since 1970."""

    value: str
    exp: int


class Profile(msgspec.Struct):
    """Who signed in."""

    userid: str
    email: str


class Login(msgspec.Struct):
    """The answer to a login. The refresh token is the claims token: there is nothing to refresh it with."""

    profile: Profile
    refresh_token: str
    claims_token: ClaimsToken


class AccessPair(msgspec.Struct):
    """Both go with every request, as headers of these names."""

    access_token: str = msgspec.field(name=TOKEN_HEADER)
    access_secret: str = msgspec.field(name=SECRET_HEADER)


@spoken(
    name="voltmx_login",
    method="POST",
    path="/authService/accounts/login",
    summary="Sign in",
    description="A JSON object or a form. The claims token it gives lasts an hour.",
    body=Credentials,
    body_types=("application/json", FORM),
    body_example={"userid": "ada@lovelace.example", "password": "clarion_…"},
    answers={200: Answers("A claims token", Login)} | _REFUSED,
    is_public=True,
)
async def login(request: Incoming) -> Response[Any]:
    """Gives a claims token for an API key."""
    edge: Edge = request.app.state.edge
    said = await _credentials(request, edge)
    user = required_text(said, "userid", _CREDENTIAL_LIMIT).strip()
    principal = await recognise_login(edge, user, required_text(said, "password", _CREDENTIAL_LIMIT))
    edge.doorkeeper.pace(principal)
    text, ends_at = edge.doorkeeper.issue_token(principal, TOKEN_LIFETIME_S)
    profile = Profile(principal.key_id.hex(), principal.owner_email or "")
    return respond(Login(profile, text, ClaimsToken(text, int(ends_at.timestamp() * 1000))))


@spoken(
    name="voltmx_access_token",
    method="GET",
    path="/api/v1/oauth/accesstoken",
    summary="Get an access token and its secret",
    description="With Basic credentials. The pair lasts an hour; it is answered in the body and in headers.",
    answers={200: Answers("The pair", AccessPair)} | _REFUSED,
)
async def access_token(request: Incoming) -> Response[Any]:
    """Gives the pair of headers for an API key."""
    edge: Edge = request.app.state.edge
    principal = await recognise_basic(request, edge)
    edge.doorkeeper.pace(principal)
    text, _ = edge.doorkeeper.issue_token(principal, TOKEN_LIFETIME_S)
    token, secret = halves_of(text)
    return respond(AccessPair(token, secret), headers={TOKEN_HEADER: token, SECRET_HEADER: secret})


async def _credentials(request: Incoming, edge: Edge) -> dict[str, Any]:
    raw = await read_bytes(request, edge.max_body_bytes)
    if content_type(request) == FORM:
        return _form(raw)
    value = parse_json(raw) if raw.strip() else {}
    if not isinstance(value, dict):
        raise refused("body", "type", "must be a JSON object")
    return dict(value)


def _form(raw: bytes) -> dict[str, Any]:
    try:
        pairs = dict(parse_qsl(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=20))
    except (UnicodeDecodeError, ValueError):
        raise refused("body", "form", "cannot be read") from None
    for name, value in pairs.items():
        if text_problem(name, name + value):
            raise refused("body", "characters", "holds a character that no text may have")
    return dict(pairs)
