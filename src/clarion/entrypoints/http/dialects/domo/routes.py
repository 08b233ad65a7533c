"""Domo's calls. Both starts are one: the webhook's has values for the message besides.

Checked in this order: the body is JSON, the token and its owner, the pace, the permission, the rest of the body, the
instance, the campaign, its state, its way out.
"""

from __future__ import annotations

import hmac
import time
from typing import Any, Final
from urllib.parse import parse_qsl

from litestar import Response

from clarion.application.campaign_draft import storable
from clarion.application.campaigns import find_by_number
from clarion.application.start_calls import StartCall, start_by_call
from clarion.application.way_out import ask_way_out
from clarion.domain.access import Permission, Principal
from clarion.domain.errors import Forbidden, NotFound, Unauthenticated
from clarion.entrypoints.http.dialect import Answers, spoken
from clarion.entrypoints.http.dialects.domo.models import AlertStart, Refusal, Start
from clarion.entrypoints.http.dialects.domo.reading import REFUSED, Body, canonical, credentials, read_asked, read_body
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.envelope import JSON
from clarion.entrypoints.http.errors import UnsupportedMediaType
from clarion.entrypoints.http.hooks.callbacks import read_call, take
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.requests import content_type, read_bytes

_REFUSALS: Final = {
    400: "The body is not JSON, a field is wrong, or a test names no address. Nothing was sent.",
    401: "The access token is missing, not valid, or not its owner's: always the same words.",
    403: "The owner may not start campaigns.",
    404: "There is no such campaign in that instance.",
    408: "The body did not come in time.",
    409: "The campaign's state, or a missing part, keeps it from starting.",
    413: "The body is too large.",
    415: "The body is not `application/json`.",
    429: "Too many requests; see `Retry-After`.",
    502: "A sender of the campaign does not answer; nothing was started.",
    503: "The database does not answer; nothing was started.",
}
_ANSWERS: Final = {
    200: Answers("Started; or the same call came a moment ago and is not started twice. The body is empty."),
    **{status: Answers(about, Refusal) for status, about in _REFUSALS.items()},
}
_FIELDS: Final = 500
"""Fields of a form that are read at most."""
_SMS_ANSWERS: Final = {
    200: Answers("Stored, and obeyed in a moment; the body is an empty TwiML document."),
    400: Answers("It is signed, and still cannot be read.", Refusal),
    403: Answers("Twilio did not sign this.", Refusal),
    404: Answers("No sender here has this number of Twilio's.", Refusal),
    **{status: Answers(_REFUSALS[status], Refusal) for status in (408, 413, 429, 503)},
}
_EXAMPLE: Final = {
    "campaignId": 12,
    "domoAccessToken": "clarion_…",
    "domoAccessTokenOwnerEmailAddress": "analyst@acme.example",
    "emailAddresses": [],
    "instance": "acme.domo.example",
}


@spoken(
    name="domoStart", method="POST", path="/api/v1/campaigns/start", summary="Start a campaign",
    description="For its whole audience, or for the addresses that are of it.",
    body=Start, body_example=_EXAMPLE, answers=_ANSWERS, is_public=True,
)  # fmt: skip
async def start(request: Incoming) -> Response[Any]:
    """Starts a campaign."""
    return await _start(request)


@spoken(
    name="domoStartByAlert", method="POST", path="/api/v1/campaigns/bae/start", summary="Start by an alert's webhook",
    description="The same, with values for the message. A webhook reads the status only.",
    body=AlertStart, body_example=_EXAMPLE | {"fields": [{"key": "first name", "value": "Ada"}]}, answers=_ANSWERS,
    is_public=True,
)  # fmt: skip
async def start_by_alert(request: Incoming) -> Response[Any]:
    """Starts a campaign with values for its message."""
    return await _start(request)


@spoken(
    name="domoQueueSms", method="POST", path="/api/v1/campaigns/queue/sms", summary="Replies by SMS",
    description="What Twilio posts of a message to one of its numbers, signed: `STOP`, `START`, and `12STOP` for one "
    "campaign. The same as the hook of the sender that has the number.",
    body_required=False, answers=_SMS_ANSWERS, is_public=True,
)  # fmt: skip
async def queue_sms(request: Incoming) -> Response[Any]:
    """Takes a reply by SMS."""
    edge: Edge = request.app.state.edge
    call = await read_call(request, edge.links.base_url)
    try:
        said = dict(parse_qsl(call.body.decode("utf-8", "replace"), max_num_fields=_FIELDS))
    except ValueError:
        said = {}
    named = storable([said.get("AccountSid", ""), said.get("To", "")])
    if len(named) < 2 or not all(named):
        raise NotFound("number")
    return await take(edge, await edge.callers.find_by_number(*named), call)


async def _start(request: Incoming) -> Response[Any]:
    began_s = time.monotonic()
    edge: Edge = request.app.state.edge
    raw = await read_bytes(request, edge.max_body_bytes)
    if content_type(request) not in {"", JSON}:
        raise UnsupportedMediaType("This path reads application/json")
    body = read_body(raw)
    principal = await _admit(edge, body)
    asked = read_asked(body)
    async with edge.database.reading() as tx:
        account = await tx.accounts.find(principal.account_id)
        if account is None or (account.instance or asked.instance) != asked.instance:
            raise NotFound("campaign")
        campaign = await find_by_number(tx, account_id=principal.account_id, number=asked.number)
    way_out = await ask_way_out(
        edge.database, edge.app.prober, account_id=principal.account_id, campaign_id=campaign.id
    )
    call = StartCall(
        account_id=principal.account_id,
        campaign=campaign,
        door=request.scope["path"],
        only=asked.only,
        context=asked.context,
        is_test=asked.is_test,
        created_by=principal.key_id.hex(),
        began_s=began_s,
    )
    await start_by_call(edge.database, call, way_out)
    return Response(b"", status_code=200, media_type=JSON)


async def _admit(edge: Edge, body: Body) -> Principal:
    """Whose key the body carries; raises `Unauthenticated` in one way, `RateLimited` or `Forbidden`."""
    token, owner = credentials(body)
    try:
        principal = await edge.doorkeeper.recognise_presented(token)
    except Unauthenticated:
        raise Unauthenticated(REFUSED) from None
    if not hmac.compare_digest((principal.owner_email or "").encode(), canonical(owner).encode()):
        raise Unauthenticated(REFUSED)
    edge.doorkeeper.pace(principal)
    if not principal.may(Permission.CAMPAIGNS_EXECUTE):
        raise Forbidden("The owner of this access token may not start campaigns")
    return principal
