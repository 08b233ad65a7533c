"""The unsubscribe link: a page with a button, and the one POST that changes anything (RFC 8058).

Link scanners open every URL they see, so GET and HEAD change nothing. Whoever repeats the POST is answered the same.
"""

from __future__ import annotations

from html import escape
from typing import Final

from litestar import Response, get, post

from clarion.application.suppressions import unsubscribe
from clarion.domain.errors import NotFound, TooLarge
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.operation import keep_promise
from clarion.entrypoints.http.requests import read_bytes
from clarion.entrypoints.http.trace import current
from clarion.rendering.links import UNSUBSCRIBE_PATH
from clarion.rendering.tokens import Purpose, TokenFacts

_BODY_LIMIT: Final = 4096
_ROUTE: Final = UNSUBSCRIBE_PATH + "{token}"
_STYLE: Final = (
    "body{margin:0;font:1.125rem/1.5 system-ui,sans-serif;color:#1c2430;background:#f5f6f8}"
    "main{max-width:30rem;margin:12vh auto;padding:2rem;background:#fff;border-radius:.75rem}"
    "h1{margin-top:0;font-size:1.5rem}"
    "button{font:inherit;padding:.75rem 1.5rem;border:0;border-radius:.5rem;color:#fff;background:#1f4fd8}"
    "button:focus-visible{outline:3px solid #f0a500;outline-offset:2px}"
    "@media (prefers-color-scheme:dark){body{color:#e6e9ef;background:#12161d}main{background:#1c2430}}"
)
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


@get(UNSUBSCRIBE_PATH + "{token:str}", include_in_schema=False)
async def ask(request: Incoming) -> Response[str]:
    """Shows the question and changes nothing."""
    current().route = _ROUTE
    if _facts(request) is None:
        return _unknown()
    text = "You will no longer receive messages like the one this link came in."
    button = '<form method="post"><button type="submit">Unsubscribe</button></form>'
    return _page("Unsubscribe?", text, extra=button)


@post(UNSUBSCRIBE_PATH + "{token:str}", include_in_schema=False, status_code=200)
async def confirm(request: Incoming) -> Response[str]:
    """Unsubscribes, from the page's form or a mail program's one click. Nothing is sent from this answer on."""
    current().route = _ROUTE
    edge: Edge = request.app.state.edge
    facts = _facts(request)
    if facts is None:
        return _unknown()
    try:
        await read_bytes(request, _BODY_LIMIT)  # its content says nothing the token does not
    except TooLarge:
        return _page("Too large", "This request is larger than an unsubscribe can be.", status=413)
    try:
        async with edge.database.transaction() as tx:
            await unsubscribe(tx, account_id=facts.account_id, run_id=facts.run_id, seq=facts.seq)
    except NotFound:
        return _unknown()
    await keep_promise(edge.database, facts.account_id)
    return _page("You are unsubscribed", "You will receive no more of these messages.")


def _facts(request: Incoming) -> TokenFacts | None:
    edge: Edge = request.app.state.edge
    return edge.app.signer.read(request.path_params["token"], Purpose.UNSUBSCRIBE)


def _unknown() -> Response[str]:
    text = "Please use the link exactly as it stands in the message, or answer the message to its sender."
    return _page("This link does not work", text, status=404)


def _page(title: str, text: str, *, extra: str = "", status: int = 200) -> Response[str]:
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1><p>{escape(text)}</p>{extra}</main></body></html>"
    )
    headers = {"Content-Security-Policy": _POLICY}
    return Response(html, status_code=status, media_type="text/html; charset=utf-8", headers=headers)


ROUTES = [ask, confirm]
