"""The "view in the browser" link: one message in a sandbox where nothing of it can run or reach us.

Never shows one message to the holder of another's link, and records nothing. Read `application.web_copy`.
"""

from __future__ import annotations

from typing import Final

from litestar import Response, get

from clarion.application.web_copy import read_web_copy
from clarion.domain.errors import NotFound
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.public.pages import HTML, broken_link
from clarion.entrypoints.http.trace import current
from clarion.rendering.links import VIEW_PATH
from clarion.rendering.tokens import Purpose

_POLICY: Final = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src https: http: data:; "
    "font-src https:; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)


@get(VIEW_PATH + "{token:str}", include_in_schema=False)
async def show(request: Incoming) -> Response[str]:
    """Shows a sent message to whoever has its link."""
    current().route = VIEW_PATH + "{token}"
    edge: Edge = request.app.state.edge
    facts = edge.app.signer.read(request.path_params["token"], Purpose.VIEW)
    if facts is None:
        return broken_link()
    try:
        async with edge.database.reading() as tx:
            seen = await read_web_copy(
                tx, account_id=facts.account_id, run_id=facts.run_id, seq=facts.seq, links=edge.links
            )
    except NotFound:
        return broken_link()
    headers = {"Content-Security-Policy": _POLICY, "X-Robots-Tag": "noindex"}
    return Response(seen, media_type=HTML, headers=headers)


ROUTES = [show]
