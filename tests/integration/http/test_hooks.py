"""The hooks that providers call: nothing without their signature, and success only for what is on disk."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest
from tests.integration.http.conftest import Caller, calling, kept_receipts, serving

from clarion.adapters.channels.sms_http.standard_webhooks import key_of, signed_headers
from clarion.bootstrap import App, open_app
from clarion.domain.errors import NotFound, RateLimited
from clarion.domain.ids import Id, new_id
from clarion.entrypoints.http.hooks.callers import Callers
from clarion.entrypoints.http.security import Pace
from clarion.settings import Settings

SECRET = "whsec_c2VjcmV0IG9mIGEgc2VuZGVy"
OURS = "+12025550100"


async def _sender(caller: Caller) -> str:
    made = await caller.post(
        "/senders",
        json={
            "name": "Texts", "provider": "signed_http", "fromAddress": OURS,
            "settings": {"url": "https://texts.example/send"}, "secrets": {"signingSecret": SECRET},
            "sms": {"countries": ["US"]},
        },
    )  # fmt: skip
    assert made.status_code == 201, made.text
    return str(made.json()["data"]["id"])


def _signed(events: list[dict[str, Any]], secret: str = SECRET) -> dict[str, Any]:
    """The body and headers of a provider's call."""
    body = json.dumps({"events": events}).encode()
    signed = signed_headers(key_of(secret), name="call", now=time.time(), body=body)
    return {"content": body, "headers": {**signed, "Content-Type": "application/json"}}


def _delivered(name: str, ref: str) -> dict[str, Any]:
    return {"id": name, "type": "delivered", "ref": ref, "detail": "to the handset"}


ODD = ({"occurredAt": "9999-12-31T23:59:59-12:00"}, {"occurredAt": "0001-01-01T00:00:00+12:00"}, {"detail": "a\0b"})
"""What no database holds as it stands; it must not keep the news of others from being stored with it."""


async def test_a_signed_call_is_stored_once_and_answered_after_that(
    caller: Caller, anonymous: httpx.AsyncClient, app: App
) -> None:
    sender = await _sender(caller)
    call = _signed([_delivered("e1", "m1"), {"id": "e2", "type": "received", "from": OURS, "to": OURS, "text": "hi"}])
    for _ in range(2):
        answer = await anonymous.post(f"/hooks/{sender}", **call)
        assert (answer.status_code, answer.content) == (204, b"")
        assert "content-length" not in answer.headers
    assert await kept_receipts(app, sender) == [("e1", "m1", "delivered")]
    async with app.database.reading() as tx:
        assert len(await tx.inbound.list_after(caller.account.id, None, 10)) == 1
    odd = [_delivered(f"e{3 + number}", "m1") | said for number, said in enumerate(ODD)]
    assert (await anonymous.post(f"/hooks/{sender}", **_signed(odd))).status_code == 204
    assert [name for name, _, _ in await kept_receipts(app, sender)] == ["e1", "e3", "e4", "e5"]


async def test_nothing_of_a_forged_call_is_kept(caller: Caller, anonymous: httpx.AsyncClient, app: App) -> None:
    sender = await _sender(caller)
    events = [_delivered("e1", "m1")]
    good = _signed(events)
    other_body = good | {"content": json.dumps({"events": [_delivered("e1", "m2")]}).encode()}
    unsigned = {"content": good["content"], "headers": {"Content-Type": "application/json"}}
    for call in (_signed(events, "whsec_b3RoZXI="), other_body, unsigned):
        answer = await anonymous.post(f"/hooks/{sender}", **call)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert await kept_receipts(app, sender) == []


@pytest.mark.parametrize("name", ["0" * 24, "not-an-id", "%00"])
async def test_a_hook_of_no_sender_is_not_found(anonymous: httpx.AsyncClient, name: str) -> None:
    answer = await anonymous.post(f"/hooks/{name}", **_signed([]))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_a_sender_whose_provider_makes_no_calls_has_no_hook(caller: Caller, anonymous: httpx.AsyncClient) -> None:
    relay = {"name": "Relay", "fromAddress": "news@sender.example", "host": "relay.example", "security": "tls"}
    made = await caller.post("/senders", json={**relay, "port": 465})
    answer = await anonymous.get(f"/hooks/{made.json()['data']['id']}")
    assert answer.status_code == 404


async def test_a_call_that_is_signed_and_cannot_be_read_is_a_400(caller: Caller, anonymous: httpx.AsyncClient) -> None:
    sender = await _sender(caller)
    answer = await anonymous.post(f"/hooks/{sender}", **_signed([{"type": "delivered", "ref": "m1"}]))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    large = await anonymous.post(f"/hooks/{sender}", content=b"x" * 300_000)
    assert large.status_code == 413


async def test_while_nothing_can_be_stored_the_provider_is_told_to_come_again(settings: Settings) -> None:
    async with open_app(settings) as app, serving(app) as url, calling(app, url, "Analytical Engines") as caller:
        sender = await _sender(caller)
        call = _signed([_delivered("e1", "m1")])
        assert (await caller.http.post(f"/hooks/{sender}", **call)).status_code == 204
        await app.inbox.aclose()
        answer = await caller.http.post(f"/hooks/{sender}", **call)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_a_sender_is_called_no_faster_than_its_pace_and_strangers_share_theirs(caller: Caller, app: App) -> None:
    sender = Id(bytes.fromhex(await _sender(caller)))
    callers = Callers(app.database, app.channels.callbacks, Pace(1, lambda: 0.0))  # two in its first two seconds
    for _ in range(3):  # the first was nobody yet
        assert (await callers.find(sender)).sender_id == sender
    with pytest.raises(RateLimited):
        await callers.find(sender)
    with pytest.raises(NotFound):
        await callers.find(new_id())
    with pytest.raises(RateLimited):
        await callers.find(new_id())
