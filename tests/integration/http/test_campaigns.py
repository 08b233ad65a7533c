"""A campaign over HTTP from its draft to its report, in the words of the accounts API."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from tests.integration.http.conftest import Caller
from tests.integration.http.test_tenancy import LETTER, closed_port, furnish
from tests.support.sink import Sink

from clarion.entrypoints.http.reference import document_of

__all__ = ["closed_port"]

CAMPAIGN_FIELDS = [
    "id", "name", "description", "status", "selectedLeadCount", "includeConversationHistory",
    "autoCancelOnMessageReceived", "outreachLanguage", "createdAt", "updatedAt", "startedAt", "rateLimitedUntil",
]  # fmt: skip
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


async def drafted(caller: Caller, port: int, **fields: Any) -> str:
    """A startable draft for three people, one of whom does not want mail."""
    people = [
        {"email": "ada@lovelace.example", "firstName": "Ada"},
        {"email": "charles@babbage.example"},
        {"email": "no@mail.example", "consent": {"email": False}},
    ]
    ids = [(await caller.post("/contacts", json=person)).json()["data"]["id"] for person in people]
    group = (await caller.post("/groups", json={"name": "Readers"})).json()["data"]["id"]
    assert (await caller.post(f"/groups/{group}/members", json={"contacts": ids})).json()["data"] == {"added": 3}
    relay = {"host": "127.0.0.1", "port": port, "security": "none", "fromAddress": "News <news@sender.example>"}
    sender = (await caller.post("/senders", json={"name": "Relay", **relay})).json()["data"]["id"]
    campaign = {"name": "Letter", "category": "marketing", "audience": {"groups": ["Readers"]}, "senderId": sender}
    made = await caller.post("/campaigns", json={**campaign, "message": LETTER, **fields})
    assert made.status_code == 201, made.text
    return str(made.json()["data"]["id"])


@pytest.mark.parametrize("body", [None, b"", b"{}", b"  "])
async def test_a_start_answers_the_documented_body_and_accepts_an_empty_one(
    caller: Caller, closed_port: int, body: bytes | None
) -> None:
    campaign_id = await drafted(caller, closed_port, description="Spring", outreachLanguage="en")
    headers = {"Content-Type": "application/json"} if body else {}
    response = await caller.post(f"/campaigns/{campaign_id}/start", content=body, headers=headers)
    answer = response.json()
    assert response.status_code == 200, response.text
    assert list(answer) == ["success", "data", "error", "traceId"]
    assert (answer["success"], answer["error"]) == (True, None)
    assert list(answer["data"]) == ["campaign", "triggered", "instancesCreated"]
    campaign = answer["data"]["campaign"]
    assert list(campaign) == CAMPAIGN_FIELDS
    assert (campaign["status"], campaign["selectedLeadCount"], campaign["outreachLanguage"]) == ("running", 3, "en")
    assert answer["data"]["triggered"] is True
    assert answer["data"]["instancesCreated"] == 2
    assert all(MOMENT.fullmatch(campaign[name]) for name in ("createdAt", "updatedAt", "startedAt"))
    read = (await caller.get(f"/campaigns/{campaign_id}")).json()["data"]
    assert {name: read[name] for name in CAMPAIGN_FIELDS} == campaign


async def refused(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def test_every_state_that_cannot_be_started_has_its_code(caller: Caller, closed_port: int) -> None:
    campaign_id = await drafted(caller, closed_port)
    path = f"/campaigns/{campaign_id}"
    assert (await caller.post(f"{path}/start")).status_code == 200
    assert await refused(await caller.post(f"{path}/start")) == (409, "CAMPAIGN_ALREADY_RUNNING")
    assert (await caller.post(f"{path}/pause")).json()["data"]["status"] == "paused"
    assert await refused(await caller.post(f"{path}/start")) == (409, "CAMPAIGN_PAUSED")
    assert await refused(await caller.post(f"{path}/pause")) == (409, "CAMPAIGN_NOT_RUNNING")
    assert (await caller.post(f"{path}/resume")).json()["data"]["status"] == "running"
    assert await refused(await caller.post(f"{path}/resume")) == (409, "CAMPAIGN_NOT_PAUSED")
    assert await refused(await caller.patch(path, json={"name": "New"})) == (409, "CAMPAIGN_NOT_EDITABLE")
    assert await refused(await caller.delete(path)) == (409, "CAMPAIGN_NOT_EDITABLE")
    assert await refused(await caller.post(f"{path}/archive")) == (409, "CAMPAIGN_NOT_FINISHED")
    stopped = (await caller.post(f"{path}/stop", json={"reason": "wrong letter"})).json()["data"]
    assert (stopped["status"], stopped["statusReason"]) == ("stopped", "wrong letter")
    assert await refused(await caller.post(f"{path}/start")) == (409, "CAMPAIGN_NOT_STARTABLE")
    assert (await caller.post(f"{path}/archive")).json()["data"]["status"] == "archived"
    copy = await caller.post(f"{path}/duplicate")
    assert (copy.status_code, copy.json()["data"]["status"]) == (201, "draft")


async def test_a_campaign_that_lacks_something_is_not_started(caller: Caller, closed_port: int) -> None:
    for fields, code in (
        ({"audience": {"groups": []}}, "CAMPAIGN_HAS_NO_LEADS"),
        ({"senderId": None}, "CHANNEL_NOT_CONNECTED"),
        ({"message": {}}, "WORKFLOW_NOT_READY"),
    ):
        own = await caller.post("/campaigns", json={"name": "L", "category": "marketing", **fields})
        campaign_id = own.json()["data"]["id"]
        assert (await refused(await caller.post(f"/campaigns/{campaign_id}/start")))[0] == 409
        problems = (await caller.post(f"/campaigns/{campaign_id}/activate")).json()["error"]["problems"]
        assert len(problems) >= 2, code
    campaign_id = await drafted(caller, closed_port)
    for fields, code in (({"senderId": None}, "CHANNEL_NOT_CONNECTED"), ({"message": {}}, "WORKFLOW_NOT_READY")):
        copy = (await caller.post(f"/campaigns/{campaign_id}/duplicate")).json()["data"]["id"]
        assert (await caller.patch(f"/campaigns/{copy}", json=fields)).status_code == 200
        assert await refused(await caller.post(f"/campaigns/{copy}/start")) == (409, code)


async def test_an_activation_tells_whom_a_start_would_reach(caller: Caller, closed_port: int) -> None:
    campaign_id = await drafted(caller, closed_port)
    data = (await caller.post(f"/campaigns/{campaign_id}/activate")).json()["data"]
    assert data["audience"] == {"selected": 3, "eligible": 2}
    assert {"name": "contact.firstName", "isKnown": True, "missingFor": 2} in data["variables"]


async def test_an_activation_warns_of_a_message_that_cannot_be_rendered(caller: Caller, closed_port: int) -> None:
    campaign_id = await drafted(caller, closed_port)
    letter = {"email": {"subject": "{{ 1 / 0 }}", "html": "<p>Hello</p>"}}
    assert (await caller.patch(f"/campaigns/{campaign_id}", json={"message": letter})).status_code == 200
    warnings = (await caller.post(f"/campaigns/{campaign_id}/activate")).json()["data"]["warnings"]
    assert any("cannot be rendered" in warning for warning in warnings)


async def test_a_start_in_an_idempotent_request_is_replayed(caller: Caller, closed_port: int) -> None:
    campaign_id = await drafted(caller, closed_port)
    headers = {"Idempotency-Key": "start-1"}
    first = await caller.post(f"/campaigns/{campaign_id}/start", headers=headers)
    again = await caller.post(f"/campaigns/{campaign_id}/start", headers=headers)
    assert (first.status_code, again.content) == (200, first.content)


async def test_a_template_that_does_not_parse_is_named_with_its_line(caller: Caller) -> None:
    letter = {"email": {"subject": "Hello {{ contact.firstName", "html": "<p>\n{% if %}</p>"}}
    response = await caller.post("/campaigns", json={"name": "L", "category": "marketing", "message": letter})
    assert response.status_code == 422
    fields = {problem["field"] for problem in response.json()["error"]["problems"]}
    assert fields == {"message.email.subject", "message.email.html"}


@pytest.mark.parametrize(
    "moment", ["2020-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "tomorrow", "2030-01-01T00:00:00", 5]
)
async def test_a_start_time_that_is_past_or_no_moment_is_refused(caller: Caller, moment: object) -> None:
    response = await caller.post("/campaigns", json={"name": "L", "category": "marketing", "startAt": moment})
    assert response.status_code in (400, 422)
    assert response.json()["error"]["problems"][0]["field"] == "startAt"


async def test_a_preview_shows_the_message_as_one_contact_would_get_it(caller: Caller, closed_port: int) -> None:
    campaign_id = await drafted(caller, closed_port)
    ada = (await caller.get("/contacts", params={"email": "ADA@lovelace.example"})).json()["data"]["items"][0]["id"]
    seen = (await caller.post(f"/campaigns/{campaign_id}/preview", json={"contactId": ada})).json()["data"]
    assert (seen["subject"], seen["from"]) == ("Hello Ada", "News <news@sender.example>")
    assert "List-Unsubscribe" in {header["name"] for header in seen["headers"]}
    nobody = await caller.post(f"/campaigns/{campaign_id}/preview", json={"contactId": "0" * 24})
    assert nobody.status_code == 404


async def test_a_test_goes_to_the_given_addresses_only_and_once(caller: Caller) -> None:
    async with Sink() as sink:
        campaign_id = await drafted(caller, sink.port)
        body = {"addresses": ["author@sender.example", "boss@sender.example"]}
        headers = {"Idempotency-Key": "test-1"}
        answer = await caller.post(f"/campaigns/{campaign_id}/test", json=body, headers=headers)
        again = await caller.post(f"/campaigns/{campaign_id}/test", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        assert [one["verdict"] for one in answer.json()["data"]["outcomes"]] == ["sent", "sent"]
        assert again.content == answer.content
        assert sorted(sink.recipients()) == sorted(body["addresses"])


async def test_a_sender_is_tested_and_one_that_does_not_answer_is_a_502(caller: Caller, closed_port: int) -> None:
    theirs = await furnish(caller, closed_port)
    path = f"/senders/{theirs['senderId']}/test"
    unreachable = await caller.post(path)
    assert (unreachable.status_code, unreachable.json()["error"]["code"]) == (502, "UPSTREAM_FAILED")
    async with Sink() as sink:
        assert (await caller.patch(f"/senders/{theirs['senderId']}", json={"port": sink.port})).status_code == 200
        reached = await caller.post(path)
        assert (reached.status_code, reached.json()["data"]["reachable"]) == (200, True)


async def test_a_report_adds_up_to_the_audience(caller: Caller, closed_port: int) -> None:
    run_id = (await furnish(caller, closed_port))["runId"]
    report = (await caller.get(f"/runs/{run_id}")).json()["data"]
    assert sum(report["counts"].values()) == report["selectedCount"] == 1


def test_the_start_is_documented_with_every_status_of_the_accounts_api() -> None:
    responses = document_of()["paths"]["/v1/accounts/{accountGroupId}/campaigns/{campaignId}/start"]["post"][
        "responses"
    ]
    assert set(responses) >= {"200", "400", "401", "403", "404", "409", "422", "429", "500", "502"}
    content = responses["200"]["content"]["application/json"]
    assert content["schema"]["$ref"].endswith("/StartedCampaignSuccessResponse")
    assert list(content["example"]["data"]["campaign"]) == CAMPAIGN_FIELDS
