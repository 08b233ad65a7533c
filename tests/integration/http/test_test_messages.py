"""Test messages of a campaign: to addresses, numbers and devices that the caller names, each by its own sender."""

from __future__ import annotations

from typing import Any

from tests.integration.http.conftest import Caller
from tests.integration.http.test_campaigns import drafted, refused
from tests.support.fcm_server import FcmServer
from tests.support.sink import Sink
from tests.support.sms_batch_providers import SignedStandIn
from tests.support.sms_stand_in import StandIn

PHONE, LANDLINE = "+4915735000009", "+4930123456"
SMS = {"text": "Hi {{ contact.firstName }}. STOP ends", "maxSegments": 1}
PUSH = {"title": "Sale", "body": "Hello {{ contact.firstName }}"}


async def made(caller: Caller, path: str, body: dict[str, Any]) -> str:
    answer = await caller.post(path, json=body)
    assert answer.status_code in {200, 201}, answer.text
    return str(answer.json()["data"]["id"])


async def sender(caller: Caller, provider: str, far_side: StandIn, settings: dict[str, Any], **more: Any) -> str:
    body = {"name": provider, "provider": provider, "settings": settings, "secrets": dict(far_side.secrets)}
    return await made(caller, "/senders", body | more)


async def device(caller: Caller, owner: str, **said: str) -> str:
    return await made(caller, f"/contacts/{owner}/devices", {"platform": "android", "app": "test"} | said)


async def on_three_channels(caller: Caller, port: int, texts: SignedStandIn, phones: FcmServer) -> str:
    fcm = {
        "app": "test", "projectId": phones.project, "clientEmail": phones.email, "baseUrl": phones.url,
        "tokenUrl": f"{phones.url}/token",
    }  # fmt: skip
    by_sms = await sender(caller, "signed_http", texts, {"url": texts.provider.url}, fromAddress="Lake")
    by_push = await sender(caller, "fcm", phones, fcm)
    campaign = await drafted(caller, port, smsSenderId=by_sms, pushSenderIds=[by_push])
    letter = (await caller.get(f"/campaigns/{campaign}")).json()["data"]["message"]["email"]
    said = {"message": {"email": letter, "sms": SMS, "push": PUSH}}
    assert (await caller.patch(f"/campaigns/{campaign}", json=said)).status_code == 200
    return campaign


async def test_a_test_goes_on_every_channel_that_is_named_and_says_that_it_is_one(caller: Caller) -> None:
    async with Sink() as sink, SignedStandIn() as texts, FcmServer() as phones:
        path = f"/campaigns/{await on_three_channels(caller, sink.port, texts, phones)}/test"
        ada = await made(caller, "/contacts", {"email": "ada@test.example", "firstName": "Ada"})
        hers = await device(caller, ada, token="hers")
        gone = await device(caller, ada, token="gone")
        phones.fates["gone"] = "UNREGISTERED"
        body = {"addresses": ["boss@lake.example"], "phones": ["+49 1573 5000009"], "devices": [hers, gone]}
        for _ in range(2):  # no provider takes the second test for the first
            answer = await caller.post(path, json=body | {"contactId": ada})
            assert answer.status_code == 200, answer.text
            outcomes = answer.json()["data"]["outcomes"]
            assert [(one["channel"], one["address"], one["verdict"], one["reason"]) for one in outcomes] == [
                ("email", "boss@lake.example", "sent", None), ("sms", PHONE, "sent", None),
                ("push", hers, "sent", None), ("push", gone, "failed", "address_unknown"),
            ]  # fmt: skip
        only = (await caller.post(path, json={"phones": [PHONE]})).json()["data"]["outcomes"]
        assert [one["channel"] for one in only] == ["sms"]
    assert sink.recipients() == ["boss@lake.example"] * 2
    assert [one.text for one in texts.taken] == [f"[Test] Hi {name}. STOP ends" for name in ("Ada", "Ada", "")]
    assert len({one.key for one in texts.taken}) == 3
    assert [one["notification"]["title"] for one in phones.arrivals] == ["[Test] Sale"] * 2
    assert phones.complaints == []


async def test_what_a_test_cannot_reach_is_refused_by_its_place_and_nothing_is_sent(caller: Caller) -> None:
    async with Sink() as sink, SignedStandIn() as texts, FcmServer() as phones:
        campaign = await on_three_channels(caller, sink.port, texts, phones)
        path = f"/campaigns/{campaign}/test"
        ada = await made(caller, "/contacts", {"email": "ada@test.example"})
        apple = await device(caller, ada, platform="ios", token="ab" * 32)
        for body, field, rule in (
            ({}, "addresses", "minItems"),
            ({"addresses": ["a@lake.example"] * 6, "phones": [PHONE] * 5}, "addresses", "maxItems"),
            ({"phones": [PHONE, "nobody"]}, "phones[1]", "phone"),
            ({"phones": [PHONE, LANDLINE]}, "phones[1]", "landline"),
            ({"devices": ["f" * 24]}, "devices[0]", "exists"),
            ({"devices": [apple]}, "devices[0]", "channel"),
            ({"addresses": ["nobody"], "phones": [PHONE]}, "addresses[0]", None),
        ):
            answer = await caller.post(path, json=body)
            assert answer.status_code == 422, answer.text
            (problem,) = answer.json()["error"]["problems"]
            assert (problem["field"], rule or problem["rule"]) == (field, problem["rule"])
        await caller.patch(f"/campaigns/{campaign}", json={"pushSenderIds": []})
        assert await refused(await caller.post(path, json={"devices": [apple]})) == (409, "CHANNEL_NOT_CONNECTED")
        await caller.patch(f"/campaigns/{campaign}", json={"message": {"push": PUSH}})
        answer = await caller.post(path, json={"phones": [PHONE]})
        problem = answer.json()["error"]["problems"][0]
        assert (answer.status_code, problem["field"], problem["rule"]) == (422, "phones", "channel")
        await caller.patch(f"/campaigns/{campaign}", json={"message": {}})
        assert await refused(await caller.post(path, json={"phones": [PHONE]})) == (409, "WORKFLOW_NOT_READY")
    assert (sink.recipients(), texts.taken, phones.arrivals) == ([], [], [])
