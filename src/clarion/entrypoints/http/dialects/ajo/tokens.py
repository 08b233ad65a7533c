"""Where a client gets its token: the client-credentials exchange of `/ims/token/v3` (RFC 6749 §4.4).

The client id is the id of an API key, the secret its text. Tokens die with their key. Read `security` for what a token
is.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from litestar import Response

from clarion.domain.errors import Unauthenticated
from clarion.entrypoints.http.dialect import Answers, spoken
from clarion.entrypoints.http.dialects.ajo.models import Token, TokenForm, TokenRefusal
from clarion.entrypoints.http.dialects.ajo.routes import refusals, respond
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.errors import UnsupportedMediaType
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.requests import content_type, read_bytes

FORM: Final = "application/x-www-form-urlencoded"
LIFETIME_S: Final = 3600
_BEARER: Final = "bearer"
_FORM_LIMIT: Final = 16 * 1024
_FIELDS_LIMIT: Final = 20


@spoken(
    name="imsPostToken",
    method="POST",
    path="/ims/token/v3",
    summary="Exchange an API key for an access token",
    description="`client_id` is the id of an API key, `client_secret` its text (or the part behind the id).",
    body=TokenForm,
    body_types=(FORM,),
    answers={
        200: Answers("An access token", Token),
        400: Answers("A field is missing, or another grant type is asked for", TokenRefusal),
        401: Answers("No such client, or a wrong secret", TokenRefusal),
    }
    | refusals(408, 413, 415, 429, 500, 503),
    is_public=True,
)
async def token(request: Incoming) -> Response[bytes]:
    """Gives a token for a key."""
    edge: Edge = request.app.state.edge
    if content_type(request) != FORM:
        raise UnsupportedMediaType(f"This path reads {FORM}")
    form = _form(await read_bytes(request, _FORM_LIMIT))
    missing = [name for name in ("client_id", "client_secret", "grant_type") if not form.get(name)]
    if missing:
        return _refuse(400, "invalid_request", f"{missing[0]} is missing")
    if form["grant_type"] != "client_credentials":
        return _refuse(400, "unsupported_grant_type", "grant_type must be client_credentials")
    try:
        principal = await edge.doorkeeper.recognise_pair(form["client_id"].lower(), form["client_secret"])
    except Unauthenticated:
        return _refuse(401, "invalid_client", "invalid client_id or client_secret parameter")
    edge.doorkeeper.pace(principal)
    text, _ = edge.doorkeeper.issue_token(principal, LIFETIME_S)
    return respond(Token(access_token=text, token_type=_BEARER, expires_in=LIFETIME_S - 1))


def _form(raw: bytes) -> dict[str, str]:
    """The fields of a form, each once; what is no form has none."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_LIMIT)
    except ValueError:
        return {}
    return dict(pairs) if len(dict(pairs)) == len(pairs) else {}


def _refuse(status: int, error: str, description: str) -> Response[bytes]:
    return respond(TokenRefusal(error=error, error_description=description), status)
