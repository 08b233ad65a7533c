"""Twilio's and Vonage's calls as their documentation shows them, at the real hook: good, replayed and forged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from tests.integration.http.conftest import Caller, kept_receipts
from tests.support import sms_callbacks
from tests.support.sms_providers import PEM, TwilioStandIn, VonageStandIn

from clarion.application.ports.receipts import Callback
from clarion.bootstrap import App

RUN = "0123456789ab" * 2
TWILIO, VONAGE = TwilioStandIn(), VonageStandIn()
STATUS = {
    "AccountSid": TWILIO.account,
    "From": "+15017250604",
    "MessageSid": "SM1234567890abcdef1234567890abcdef",
    "MessageStatus": "delivered",
    "To": "+15558675310",
}
SUBMITTED = {
    "message_uuid": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    "to": "447700900000",
    "from": "447700900001",
    "timestamp": "2023-05-01T14:00:00.000Z",
    "status": "submitted",
    "client_ref": f"{RUN}-7",
    "channel": "sms",
}


async def _sender(caller: Caller, provider: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
    made = await caller.post(
        "/senders",
        json={
            "name": provider, "provider": provider, "fromAddress": "+12025550123", "settings": settings,
            "secrets": secrets, "sms": {"countries": ["US"]},
        },
    )  # fmt: skip
    assert made.status_code == 201, made.text
    return str(made.json()["data"]["id"])


async def _statuses(client: httpx.AsyncClient, hook: str, *calls: Callback) -> list[int]:
    """What the hook answers to calls that are signed for our public address."""
    answers = [
        await client.post(hook + (f"?{call.url.partition('?')[2]}"), content=call.body, headers=dict(call.headers))
        for call in calls
    ]
    return [answer.status_code for answer in answers]


async def test_calls_of_twilio_are_taken_once_and_forged_ones_never(
    caller: Caller, anonymous: httpx.AsyncClient, app: App
) -> None:
    sender = await _sender(caller, "twilio", {"accountSid": TWILIO.account}, {"authToken": TWILIO.token})
    url = f"{app.links.base_url}/hooks/{sender}?delivery={RUN}-7"
    good = sms_callbacks.twilio(url, TWILIO.token, STATUS)
    forged = [
        sms_callbacks.twilio(url, "another token", STATUS),
        good._replace(body=good.body.replace(b"delivered", b"failed")),
        good._replace(url=url.replace("-7", "-8")),
        good._replace(headers={"content-type": good.headers["content-type"]}),
        good._replace(body=b"a=1&" * 600),
    ]
    assert await _statuses(anonymous, f"/hooks/{sender}", *forged) == [403] * 5
    assert await kept_receipts(app, sender) == []
    assert await _statuses(anonymous, f"/hooks/{sender}", good, good) == [200, 200]
    assert await kept_receipts(app, sender) == [
        (f"{STATUS['MessageSid']}:delivered", STATUS["MessageSid"], "delivered")
    ]
    reply = {**STATUS, "MessageStatus": "", "SmsStatus": "received", "Body": "Hello"}
    inbound = sms_callbacks.twilio(url, TWILIO.token, reply)
    assert await _statuses(anonymous, f"/hooks/{sender}", inbound, inbound) == [200, 200]
    async with app.database.reading() as tx:
        assert len(await tx.inbound.list_after(caller.account.id, None, 10)) == 1


async def test_calls_of_vonage_are_taken_once_and_forged_ones_never(
    caller: Caller, anonymous: httpx.AsyncClient, app: App
) -> None:
    secrets = {"privateKey": PEM, "signatureSecret": VONAGE.signature_secret}
    sender = await _sender(caller, "vonage", {"applicationId": VONAGE.application}, secrets)
    url = f"{app.links.base_url}/hooks/{sender}"
    good = sms_callbacks.vonage(url, VONAGE.signature_secret, SUBMITTED)
    forged = [
        sms_callbacks.vonage(url, "another secret, of the right length", SUBMITTED),
        sms_callbacks.vonage(url, VONAGE.signature_secret, SUBMITTED, issued_at=1_587_494_962),
        good._replace(body=good.body.replace(b"submitted", b"delivered")),
        good._replace(headers={"content-type": "application/json"}),
        sms_callbacks.vonage(url, VONAGE.signature_secret, SUBMITTED, iat="soon"),
    ]
    assert await _statuses(anonymous, f"/hooks/{sender}", *forged) == [403] * 5
    assert await kept_receipts(app, sender) == []
    assert await _statuses(anonymous, f"/hooks/{sender}", good, good) == [204, 204]
    assert await kept_receipts(app, sender) == [
        (f"{SUBMITTED['message_uuid']}:submitted", SUBMITTED["message_uuid"], "accepted")
    ]
