"""Text messages through the API, before anybody gets one: rules, checks, estimates and previews."""

from __future__ import annotations

from typing import Any

import httpx
from tests.integration.http.conftest import Caller
from tests.integration.http.test_tenancy import freeze_all
from tests.support.sms_batch_providers import SignedStandIn

from clarion.bootstrap import App
from clarion.domain.ids import Id
from clarion.rendering.tokens import Purpose

TWILIO = {
    "name": "Texts", "provider": "twilio", "fromAddress": "Clarion",
    "settings": {"accountSid": "AC" + "0" * 32}, "secrets": {"authToken": "made up"},
    "sms": {"originators": {"US": "+12025550199"}, "prices": {"DE": "0.07", "*": 0.05}, "currency": "EUR"},
}  # fmt: skip
SMS = {"text": "Hello {{ contact.firstName }}, \u201ccome\u201d " + "x" * 150, "transliterate": True, "maxSegments": 3}
DRAFT = {"name": "Texts", "category": "transactional"}
PEOPLE: list[dict[str, Any]] = [
    {"phone": "0151 23456789", "firstName": "Ada"},
    {"phone": "+12025550123", "firstName": "Bob"},
    {"phone": "+33612345678", "firstName": "Zo\u00eb \U0001f389"},
    {"phone": "+4930123456", "firstName": "Lan"},
    {"email": "cy@lake.example"},
]


async def made(caller: Caller, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = await caller.post(path, json=body)
    assert response.status_code in (200, 201), response.text
    found: dict[str, Any] = response.json()["data"]
    return found


async def test_a_text_message_is_checked_estimated_and_previewed_before_anybody_gets_it(caller: Caller) -> None:
    await caller.patch("/settings", json={"country": "DE"})
    sender = await made(caller, "/senders", TWILIO)
    assert sender["sms"]["prices"] == {"DE": "0.07", "*": "0.05"}
    contacts = [(await made(caller, "/contacts", person))["id"] for person in PEOPLE]
    draft = DRAFT | {"audience": {"contacts": contacts}, "smsSenderId": sender["id"]}
    campaign = await made(caller, "/campaigns", draft | {"message": {"sms": SMS}})
    assert campaign["message"]["sms"] == SMS
    path = f"/campaigns/{campaign['id']}"

    checked = await made(caller, f"{path}/activate", {})
    told = checked["sms"]
    assert told["segments"] == {"least": 2, "typical": 2, "most": 3}
    assert (told["sampled"], told["recipients"], told["totalSegments"]) == (4, 4, 7)
    assert (told["encodings"], told["skipped"]) == ({"gsm": 2, "ucs2": 1}, {"landline": 1})
    assert {one["country"]: one["pricePerSegment"] for one in told["countries"]} == {
        "DE": "0.07", "US": "0.05", "FR": "0.05",
    }  # fmt: skip
    assert told["cost"] == {"amount": "0.39", "currency": "EUR"}
    assert any("segments instead of" in warning for warning in checked["warnings"])
    assert any("landline" in warning for warning in checked["warnings"])

    seen = (await made(caller, f"{path}/preview", {"contactId": contacts[0]}))["sms"]
    assert (seen["encoding"], len(seen["segments"])) == ("gsm", 2)
    assert seen["text"] == "".join(seen["segments"]) == 'Hello Ada, "come" ' + "x" * 150


async def test_what_a_text_message_cannot_be_is_refused_by_name(caller: Caller) -> None:
    for said, field in (
        ({"text": ""}, "message.sms.text"),
        ({"text": "Hi", "maxSegments": 0}, "message.sms.maxSegments"),
        ({"text": "Hi", "transliterate": "yes"}, "message.sms.transliterate"),
        ({"text": "{{ contact."}, "message.sms.text"),
        ({"text": "Hi", "colour": "red"}, "message.sms"),
    ):
        response = await caller.post("/campaigns", json=DRAFT | {"message": {"sms": said}})
        assert response.status_code in (400, 422), response.text
        assert field in response.text
    fast = DRAFT | {"kind": "triggered", "highThroughput": True}
    response = await caller.post("/campaigns", json=fast | {"message": {"sms": {"text": "Hi {{ contact.firstName }}"}}})
    assert (response.status_code, "contextOnly" in response.text) == (422, True), response.text
    for rules, field in (
        ({"originators": {"US": "Clarion"}}, "sms.originators.US"),
        ({"countries": ["US"]}, "sms.countries"),
        ({"prices": {"DE": "0.07"}}, "sms.currency"),
        ({"prices": {"DE": "NaN"}, "currency": "EUR"}, "sms.prices.DE"),
    ):
        response = await caller.post("/senders", json=TWILIO | {"sms": rules})
        assert (response.status_code, field in response.text) == (422, True), response.text


async def test_the_links_of_a_text_message_show_it_and_stop_text_messages_alone(
    app: App, caller: Caller, anonymous: httpx.AsyncClient
) -> None:
    ada = {"phone": "+4915123456789", "email": "ada@lake.example", "firstName": "<Ada>"}
    contact = await made(caller, "/contacts", ada)
    text = "Hello {{ contact.firstName }},\n{{ view_url }} {{ unsubscribe_url }}"
    async with SignedStandIn() as service:
        settings, secrets = {"url": service.provider.url}, dict(service.secrets)
        said = {"name": "Texts", "provider": "signed_http", "fromAddress": "Lake"}
        sender = await made(caller, "/senders", said | {"settings": settings, "secrets": secrets})
        draft = {"name": "Texts", "category": "marketing", "audience": {"contacts": [contact["id"]]}}
        ready = draft | {"smsSenderId": sender["id"], "message": {"sms": {"text": text}}}
        campaign = await made(caller, "/campaigns", ready)
        await made(caller, f"/campaigns/{campaign['id']}/start", {})
    await freeze_all(app)
    runs = (await caller.get("/runs")).json()["data"]["items"]
    run_id = Id(bytes.fromhex(runs[0]["id"]))
    view, leave = (
        app.signer.sign(purpose, caller.account.id, run_id, 1) for purpose in (Purpose.VIEW, Purpose.UNSUBSCRIBE)
    )
    shown = await anonymous.get(f"/v/{view}")
    assert shown.status_code == 200
    assert "Hello &lt;Ada&gt;,\nhttp" in shown.text
    assert (await anonymous.post(f"/u/{leave}")).status_code == 200
    listed = (await caller.get("/suppressions")).json()["data"]["items"]
    assert [(one["channel"], one["address"], one["reason"]) for one in listed] == [
        ("sms", "+4915123456789", "unsubscribed"),
    ]  # fmt: skip
