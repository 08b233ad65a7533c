"""Text messages through the API, before anybody gets one: rules, checks, estimates and previews."""

from __future__ import annotations

from typing import Any

from tests.integration.http.conftest import Caller

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
    for rules, field in (
        ({"originators": {"US": "Clarion"}}, "sms.originators.US"),
        ({"countries": ["US"]}, "sms.countries"),
        ({"prices": {"DE": "0.07"}}, "sms.currency"),
        ({"prices": {"DE": "NaN"}, "currency": "EUR"}, "sms.prices.DE"),
    ):
        response = await caller.post("/senders", json=TWILIO | {"sms": rules})
        assert (response.status_code, field in response.text) == (422, True), response.text
