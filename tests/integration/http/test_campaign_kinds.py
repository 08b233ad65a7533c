"""What else a campaign may be, over HTTP: kinds, segments, channels, a zone; further runs, a draft again."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.http.conftest import Caller
from tests.integration.http.test_campaigns import drafted, refused
from tests.integration.http.test_tenancy import closed_port

__all__ = ["closed_port"]

SMS = {"text": "Hi {{ contact.firstName }}", "transliterate": False, "maxSegments": None}
PUSH = {
    "body": "Look", "title": None, "actionUrl": "https://shop.example/x", "imageUrl": None, "silent": False,
    "extras": {"deep": [1]}, "ttlSeconds": 3600,
}  # fmt: skip
UNKNOWN = "f" * 24


async def created(caller: Caller, **fields: Any) -> dict[str, Any]:
    response = await caller.post("/campaigns", json={"name": "C", "category": "marketing", **fields})
    assert response.status_code == 201, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


async def test_everything_that_is_said_of_a_campaign_is_shown_again(caller: Caller) -> None:
    rule = {"field": "email", "operator": "isSet"}
    segment = (await caller.post("/segments", json={"name": "All", "rule": rule})).json()["data"]["id"]
    said = {
        "kind": "triggered", "category": "transactional", "message": {"email": None, "sms": SMS, "push": PUSH},
        "channelOrder": ["push", "sms"], "channelPolicy": "first_available", "timezone": "Asia/Kolkata",
        "createsContacts": True, "highThroughput": False,
        "endAt": "2090-01-01T00:00:00Z",
    }  # fmt: skip
    data = await created(caller, **said, audience={"segments": ["All"]})
    assert {name: data[name] for name in said} == said
    assert data["audience"]["segments"] == [segment]
    assert isinstance(data["number"], int)
    assert data["recheckSeconds"] is None
    other = {"kind": "broadcast", "createsContacts": False, "recheckSeconds": 3600, "timezone": None}
    changed = await caller.patch(f"/campaigns/{data['id']}", json=other)
    assert changed.status_code == 200, changed.text
    assert (changed.json()["data"]["recheckSeconds"], changed.json()["data"]["timezone"]) == (3600, None)
    read = (await caller.get(f"/campaigns/{data['id']}")).json()["data"]
    assert read == changed.json()["data"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "flow"}, "kind"),
        ({"timezone": "Nowhere/Here"}, "timezone"),
        ({"recheckSeconds": 5}, "recheckSeconds"),
        ({"recheckSeconds": True}, "recheckSeconds"),
        ({"channelOrder": ["fax"]}, "channelOrder"),
        ({"channelOrder": ["email", "email"]}, "channelOrder"),
        ({"number": 1}, "number"),
        ({"extras": {}}, "extras"),
        ({"audience": {"segments": ["none such"]}}, "audience.segments[0]"),
        ({"audience": {"segments": ["x\0"]}}, "audience.segments[0]"),
        ({"message": {"sms": {"text": "{{ contact"}}}, "message.sms.text"),
        ({"message": {"push": {"body": ""}}}, "message.push.body"),
        ({"message": {"fax": {}}}, "message.fax"),
        ({"createsContacts": True}, "createsContacts"),
        ({"highThroughput": True}, "highThroughput"),
    ],
    ids=repr,
)
async def test_a_mistake_is_named_by_its_place_and_nothing_is_stored(
    caller: Caller, fields: dict[str, Any], field: str
) -> None:
    response = await caller.post("/campaigns", json={"name": "C", "category": "marketing", **fields})
    assert response.status_code in {400, 422}, response.text
    assert any(p["field"].startswith(field.partition("[")[0]) for p in response.json()["error"]["problems"])
    assert (await caller.get("/campaigns")).json()["data"]["items"] == []


async def test_kinds_that_have_no_audience_to_start_have_their_answers(caller: Caller, closed_port: int) -> None:
    sequence = await drafted(caller, closed_port, kind="sequence")
    assert await refused(await caller.post(f"/campaigns/{sequence}/start")) == (409, "CAMPAIGN_NOT_BOUNDED")
    copy = (await caller.post(f"/campaigns/{sequence}/duplicate")).json()["data"]["id"]
    await caller.patch(f"/campaigns/{copy}", json={"kind": "triggered"})
    started = (await caller.post(f"/campaigns/{copy}/start")).json()["data"]
    assert (started["triggered"], started["instancesCreated"]) == (False, 0)
    assert started["campaign"]["status"] == "running"
    silent = (await caller.post(f"/campaigns/{sequence}/duplicate")).json()["data"]["id"]
    await caller.patch(f"/campaigns/{silent}", json={"kind": "broadcast", "message": {"sms": SMS}})
    for verb in ("start", "activate"):
        assert await refused(await caller.post(f"/campaigns/{silent}/{verb}")) == (409, "CHANNEL_NOT_CONNECTED")
    later = {"startAt": "2090-01-01T00:00:00Z"}
    assert await refused(await caller.patch(f"/campaigns/{silent}", json=later)) == (409, "CHANNEL_NOT_CONNECTED")
    scheduled = {"name": "C", "category": "marketing", "message": {"sms": SMS}, **later}
    assert await refused(await caller.post("/campaigns", json=scheduled)) == (409, "CHANNEL_NOT_CONNECTED")


async def test_a_campaign_runs_once_more_over_part_of_its_audience(caller: Caller, closed_port: int) -> None:
    campaign = await drafted(caller, closed_port)
    path = f"/campaigns/{campaign}/runs"
    only = {"addresses": ["ADA@lovelace.example", "who@x.example"], "context": {"code": 7}}
    answer = await caller.post(path, json=only)
    assert answer.status_code == 201, answer.text
    data = answer.json()["data"]
    assert (data["run"]["ordinal"], data["run"]["testAddress"], data["run"]["campaignId"]) == (1, None, campaign)
    assert (data["audience"], data["unmatched"]) == ({"selected": 1, "eligible": 1}, ["who@x.example"])
    whole = (await caller.post(path)).json()["data"]
    assert (whole["run"]["ordinal"], whole["audience"]) == (2, {"selected": 3, "eligible": 2})
    trial = (await caller.post(path, json={"addresses": ["ada@lovelace.example"], "isTest": True})).json()["data"]
    assert trial["run"]["testAddress"] == "news@sender.example"
    assert trial["run"]["number"] > whole["run"]["number"] > data["run"]["number"]
    listed = (await caller.get(f"/runs?campaign={campaign}")).json()["data"]["items"]
    assert [run["id"] for run in listed] == [one["run"]["id"] for one in (data, whole, trial)]
    assert (await caller.get(f"/campaigns/{campaign}")).json()["data"]["status"] == "running"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"addresses": []}, "addresses"),
        ({"addresses": [""]}, "addresses"),
        ({"addresses": ["nobody"]}, "addresses[0]"),
        ({"addresses": [None]}, "addresses"),
        ({"isTest": True}, "addresses"),
        ({"context": []}, "context"),
        ({"context": {"x": "\0"}}, "context"),
        ({"context": {"x": "a" * 210_000}}, "context"),
        ({"audience": {"groups": [UNKNOWN]}}, "audience.groups[0]"),
        ({"audience": {"segments": ["x"]}}, "audience.segments"),
        ({"extra": 1}, "extra"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_a_run_that_is_asked_for_wrongly_is_not_started(
    caller: Caller, closed_port: int, body: dict[str, Any], field: str
) -> None:
    campaign = await drafted(caller, closed_port)
    response = await caller.post(f"/campaigns/{campaign}/runs", json=body)
    assert response.status_code in {400, 422}, response.text
    assert any(p["field"].startswith(field) for p in response.json()["error"]["problems"])
    assert (await caller.get("/runs")).json()["data"]["items"] == []
    assert (await caller.get(f"/campaigns/{campaign}")).json()["data"]["status"] == "draft"


async def test_a_preview_shows_what_a_call_would_say(caller: Caller, closed_port: int) -> None:
    letter = {"email": {"subject": "Code {{ context.code }}", "html": "<p>{{ context.items | join(', ') }}</p>"}}
    path = f"/campaigns/{await drafted(caller, closed_port, message=letter)}/preview"
    data = (await caller.post(path, json={"context": {"code": 7, "items": ["<a>", "b"]}})).json()["data"]
    assert data["subject"] == "Code 7"
    assert "&lt;a&gt;, b" in data["html"]
    assert (await caller.post(path)).json()["data"]["subject"] == "Code "


async def test_a_stopped_campaign_is_a_draft_again(caller: Caller, closed_port: int) -> None:
    path = f"/campaigns/{await drafted(caller, closed_port)}"
    assert await refused(await caller.post(f"{path}/reopen")) == (409, "CAMPAIGN_NOT_REOPENABLE")
    await caller.post(f"{path}/start")
    assert await refused(await caller.post(f"{path}/reopen")) == (409, "CAMPAIGN_NOT_REOPENABLE")
    await caller.post(f"{path}/stop")
    assert (await caller.post(f"{path}/reopen")).json()["data"]["status"] == "draft"
    assert (await caller.patch(path, json={"name": "Again"})).status_code == 200
    assert await refused(await caller.delete(path)) == (409, "CAMPAIGN_NOT_EDITABLE")
    assert (await caller.post(f"{path}/start")).status_code == 200


async def test_runs_of_a_campaign_that_is_not_here_are_a_mistake(
    caller: Caller, stranger: Caller, closed_port: int
) -> None:
    foreign = await drafted(stranger, closed_port)
    for asked in (UNKNOWN, "x", foreign):
        response = await caller.get(f"/runs?campaign={asked}")
        assert response.status_code == 422, asked
        assert response.json()["error"]["problems"][0]["field"] == "query.campaign"


async def test_an_address_is_kept_from_one_campaign(caller: Caller, stranger: Caller, closed_port: int) -> None:
    campaign = await drafted(caller, closed_port)
    path = f"/campaigns/{campaign}/suppressions"
    first = await caller.post(path, json={"address": "Ada@Lovelace.example"})
    again = await caller.post(path, json={"address": "ada@lovelace.example"})
    assert (first.status_code, again.status_code) == (201, 200)
    item = first.json()["data"]
    assert (item["campaignId"], item["address"], item["channel"]) == (campaign, "ada@lovelace.example", "email")
    await caller.post(path, json={"address": "+491701234567", "channel": "sms"})
    page = (await caller.get(f"{path}?limit=1")).json()["data"]
    rest = (await caller.get(f"{path}?limit=1&cursor={page['nextCursor']}")).json()["data"]
    assert [one["channel"] for one in (*page["items"], *rest["items"])] == ["email", "sms"]
    assert (await caller.post(f"/campaigns/{campaign}/start")).json()["data"]["instancesCreated"] == 1
    assert (await caller.post(path, json={"address": "no address"})).status_code == 422
    for one in (f"/campaigns/{UNKNOWN}/suppressions", "/campaigns/x/suppressions"):
        assert (await caller.post(one, json={"address": "a@x.example"})).status_code == 404
        assert (await caller.get(one)).status_code == 404
    assert (await stranger.get(path)).status_code == 404
    assert (await stranger.delete(f"{path}/{item['id']}")).status_code == 404
    assert (await caller.delete(f"{path}/{item['id']}")).json()["data"] == {"id": item["id"], "deleted": True}
    for gone in (item["id"], "x", "%00", "é"):
        assert (await caller.delete(f"{path}/{gone}")).status_code == 404
