"""The unsubscribe link: a page with a button, and the one POST that changes anything (RFC 8058).

Link scanners open every URL they see, so GET and HEAD change nothing. Whoever repeats the POST is answered the same.
"""

from __future__ import annotations

from typing import Final

from litestar import Response, get, post

from clarion.application.suppressions import unsubscribe
from clarion.domain.errors import NotFound, TooLarge
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.operation import keep_promise
from clarion.entrypoints.http.public.pages import broken_link, page
from clarion.entrypoints.http.requests import read_bytes
from clarion.entrypoints.http.trace import current
from clarion.rendering.links import UNSUBSCRIBE_PATH
from clarion.rendering.tokens import Purpose, TokenFacts

_BODY_LIMIT: Final = 4096
_ROUTE: Final = UNSUBSCRIBE_PATH + "{token}"


@get(UNSUBSCRIBE_PATH + "{token:str}", include_in_schema=False)
async def ask(request: Incoming) -> Response[str]:
    """Shows the question and changes nothing."""
    current().route = _ROUTE
    if _facts(request) is None:
        return broken_link()
    text = "You will no longer receive messages like the one this link came in."
    button = '<form method="post"><button type="submit">Unsubscribe</button></form>'
    return page("Unsubscribe?", text, extra=button)


@post(UNSUBSCRIBE_PATH + "{token:str}", include_in_schema=False, status_code=200)
async def confirm(request: Incoming) -> Response[str]:
    """Unsubscribes, from the page's form or a mail program's one click. Nothing is sent from this answer on."""
    current().route = _ROUTE
    edge: Edge = request.app.state.edge
    facts = _facts(request)
    if facts is None:
        return broken_link()
    try:
        await read_bytes(request, _BODY_LIMIT)  # its content says nothing the token does not
    except TooLarge:
        return page("Too large", "This request is larger than an unsubscribe can be.", status=413)
    try:
        async with edge.database.transaction() as tx:
            await unsubscribe(tx, account_id=facts.account_id, run_id=facts.run_id, seq=facts.seq)
    except NotFound:
        return broken_link()
    await keep_promise(edge.database, facts.account_id)
    return page("You are unsubscribed", "You will receive no more of these messages.")


def _facts(request: Incoming) -> TokenFacts | None:
    edge: Edge = request.app.state.edge
    return edge.app.signer.read(request.path_params["token"], Purpose.UNSUBSCRIBE)


ROUTES = [ask, confirm]
