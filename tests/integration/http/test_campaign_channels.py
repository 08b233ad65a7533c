"""Campaigns on several channels over HTTP: their senders, what is checked before a start, and their reports."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.integration.http.conftest import Caller
from tests.integration.http.test_campaigns import drafted, refused
from tests.integration.http.test_tenancy import closed_port

from clarion.bootstrap import App
from clarion.pipeline import snapshot

__all__ = ["closed_port"]

UNKNOWN = "f" * 24
TEXTS = {
    "name": "Texts", "provider": "signed_http", "fromAddress": "+4915735000000",
    "settings": {"url": "http://127.0.0.1:9/sms"},
    "secrets": {"signingSecret": f"whsec_{base64.b64encode(bytes(32)).decode()}"},
    "sms": {"prices": {"DE": 0.07}, "currency": "EUR"},
}  # fmt: skip
PUSH = {"title": "Sale", "body": "Hello {{ contact.firstName }}"}


async def sender(caller: Caller, **said: Any) -> str:
    made = await caller.post("/senders", json=said)
    assert made.status_code == 201, made.text
    return str(made.json()["data"]["id"])


async def reader(caller: Caller, email: str, **said: Any) -> str:
    """Somebody who joins the readers."""
    one = (await caller.post("/contacts", json={"email": email, **said})).json()["data"]["id"]
    group = next(g for g in (await caller.get("/groups")).json()["data"]["items"] if g["name"] == "Readers")
    await caller.post(f"/groups/{group['id']}/members", json={"contacts": [one]})
    return str(one)


async def test_a_campaign_on_email_and_sms_is_one_run_with_a_report_by_channel(
    caller: Caller, closed_port: int, app: App
) -> None:
    texts = await sender(caller, **TEXTS)
    campaign = await drafted(caller, closed_port, smsSenderId=texts, channelOrder=["sms"])
    await reader(caller, "grace@hopper.example", phone="+4915735000001", firstName="Grace 🙂")
    path = f"/campaigns/{campaign}"
    letter = (await caller.get(path)).json()["data"]["message"]["email"]
    said = {"email": letter, "sms": {"text": "Hi {{ contact.firstName }}, STOP to end"}}
    assert (await caller.patch(path, json={"message": said})).status_code == 200
    seen = (await caller.post(f"{path}/activate")).json()["data"]
    assert seen["channels"] == [
        {"channel": "sms", "selected": 4, "eligible": 1},
        {"channel": "email", "selected": 4, "eligible": 3},
    ]
    assert (seen["audience"], seen["sms"]["totalSegments"]) == ({"selected": 4, "eligible": 3}, 1)
    assert seen["sms"]["encodings"] == {"ucs2": 1}
    shown = (await caller.post(f"{path}/preview")).json()["data"]
    assert (shown["sms"]["text"], shown["push"]) == ("Hi , STOP to end", None)
    started = (await caller.post(f"{path}/runs", json={})).json()["data"]
    assert started["channels"] == seen["channels"]
    run = started["run"]["id"]
    while await snapshot.take_slice(app.database):
        pass
    report = (await caller.get(f"/runs/{run}")).json()["data"]
    assert (report["selectedCount"], report["counts"]["pending"], report["counts"]["skipped"]) == (8, 4, 4)
    assert [(one["channel"], one["selectedCount"], one["counts"]["pending"]) for one in report["channels"]] == [
        ("sms", 4, 1), ("email", 4, 3),
    ]  # fmt: skip
    assert report["channels"][0]["reasons"] == [{"state": "skipped", "reason": "no_address", "count": 3}]
    assert [one["id"] for one in (await caller.get("/runs")).json()["data"]["items"]] == [run]
    found: list[dict[str, Any]] = []
    url = f"/runs/{run}/deliveries?limit=3"
    while url:
        page = (await caller.get(url)).json()["data"]
        found += page["items"]
        cursor = page["nextCursor"]
        url = f"/runs/{run}/deliveries?limit=3&cursor={cursor}" if cursor else ""
    assert [one["channel"] for one in found] == ["sms"] * 4 + ["email"] * 4
    assert len({one["id"] for one in found}) == 8
    last = found[-1]["id"]
    assert (await caller.get(f"/runs/{run}/deliveries/{last}")).json()["data"]["channel"] == "email"
    emails = (await caller.get(f"/runs/{run}/deliveries?channel=email&state=pending")).json()["data"]["items"]
    assert {one["address"] for one in emails} == {
        "ada@lovelace.example", "charles@babbage.example", "grace@hopper.example",
    }  # fmt: skip
    await caller.post(f"{path}/pause")
    assert (await caller.get(f"/runs/{run}")).json()["data"]["status"] == "paused"
    await caller.post(f"{path}/stop")
    assert (await caller.get(f"/runs/{run}")).json()["data"]["status"] == "stopped"


@pytest.mark.parametrize(
    ("said", "field", "rule"),
    [
        ({"smsSenderId": "{email}"}, "smsSenderId", "channel"),
        ({"senderId": "{sms}"}, "senderId", "channel"),
        ({"pushSenderIds": ["{sms}"]}, "pushSenderIds[0]", "channel"),
        ({"smsSenderId": UNKNOWN}, "smsSenderId", "exists"),
        ({"pushSenderIds": [UNKNOWN] * 9}, "pushSenderIds", None),
        ({"channelPolicy": "some"}, "channelPolicy", None),
    ],
    ids=repr,
)
async def test_a_sender_of_another_channel_is_refused_by_its_place(
    caller: Caller, closed_port: int, said: dict[str, Any], field: str, rule: str | None
) -> None:
    campaign = await drafted(caller, closed_port)
    before = (await caller.get(f"/campaigns/{campaign}")).json()["data"]
    ids = {"{email}": before["senderId"], "{sms}": await sender(caller, **TEXTS)}
    body = {
        name: [ids.get(one, one) for one in value] if isinstance(value, list) else ids.get(value, value)
        for name, value in said.items()
    }
    answer = await caller.patch(f"/campaigns/{campaign}", json=body)
    assert answer.status_code in {400, 422}, answer.text
    problem = answer.json()["error"]["problems"][0]
    assert problem["field"].startswith(field)
    assert rule in {None, problem["rule"]}
    assert (await caller.get(f"/campaigns/{campaign}")).json()["data"] == before


async def test_a_test_goes_by_sms_where_it_is_told_to(caller: Caller, closed_port: int, app: App) -> None:
    campaign = await drafted(caller, closed_port, smsSenderId=await sender(caller, **TEXTS))
    path = f"/campaigns/{campaign}"
    await caller.patch(path, json={"message": {"sms": {"text": "Hi {{ contact.firstName }}. STOP ends"}}})
    only = {"addresses": ["ada@lovelace.example"], "isTest": True}
    for wrong, field in (
        ({}, "testAddresses"),
        ({"sms": "nobody"}, "testAddresses.sms"),
        ({"push": UNKNOWN}, "testAddresses.push"),
    ):
        answer = await caller.post(f"{path}/runs", json=only | {"testAddresses": wrong})
        assert answer.status_code == 422, answer.text
        assert answer.json()["error"]["problems"][0]["field"] == field
    answer = await caller.post(f"{path}/runs", json=only | {"testAddresses": {"sms": "+49 1573 5000009"}})
    assert answer.status_code == 201, answer.text
    run = answer.json()["data"]["run"]
    assert run["testAddress"] == "+4915735000009"
    while await snapshot.take_slice(app.database):
        pass
    (one,) = (await caller.get(f"/runs/{run['id']}/deliveries")).json()["data"]["items"]
    assert (one["channel"], one["address"], one["state"]) == ("sms", "+4915735000009", "pending")


async def test_a_push_message_that_the_longest_data_makes_too_large_is_refused(
    caller: Caller, closed_port: int
) -> None:
    phones = await sender(
        caller,
        name="Phones",
        provider="apns",
        settings={"app": "shop", "topic": "test.shop", "teamId": "TEAM456789", "keyId": "KEY4567890"},
        secrets={"privateKey": "made up"},
    )
    campaign = await drafted(caller, closed_port, pushSenderIds=[phones])
    path = f"/campaigns/{campaign}"
    person = await reader(caller, "grace@hopper.example")
    long = {"attributes": {"poem": "ü" * 2500}}
    assert (await caller.patch(f"/contacts/{person}", json=long)).status_code == 200
    body = {"message": {"push": PUSH | {"body": "{{ contact.attributes.poem }}"}}}
    assert (await caller.patch(path, json=body)).status_code == 200
    assert await refused(await caller.post(f"{path}/activate")) == (422, "VALIDATION_ERROR")
    short = {"attributes": {"poem": "ü" * 100}}
    await caller.patch(f"/contacts/{person}", json=short)
    seen = await caller.post(f"{path}/activate")
    assert seen.status_code == 200, seen.text
    assert seen.json()["data"]["channels"] == [{"channel": "push", "selected": 4, "eligible": 0}]
    assert any("senderId is not used" in warning for warning in seen.json()["data"]["warnings"])
