"""Calling a campaign over HTTP: with recipients, for an audience, at a time; and reading what became of each call."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.integration.http.conftest import Caller, calling, serving
from tests.support.sink import Sink
from tests.support.stage import until
from tests.support.workers import working

from clarion.bootstrap import open_app
from clarion.settings import Settings

LETTER = {
    "email": {
        "subject": "Order {{ context.order.id }}",
        "html": "<p>Hello {{ contact.firstName | default('you') }} of {{ contact.attributes.city }}: "
        "{{ context.order.id }}, {{ context.note }}</p>",
    }
}


async def triggered(caller: Caller, port: int = 9, **fields: Any) -> str:
    """A triggered campaign that is running, and two contacts."""
    people = [{"email": "ada@lovelace.example", "firstName": "Ada", "externalId": "a-1"}, {"email": "bob@b.example"}]
    for person in people:
        await caller.post("/contacts", json=person)
    relay = {"host": "127.0.0.1", "port": port, "security": "none", "fromAddress": "News <news@sender.example>"}
    sender = (await caller.post("/senders", json={"name": "Relay", **relay})).json()["data"]["id"]
    campaign = {"name": "Receipt", "kind": "triggered", "category": "transactional", "senderId": sender}
    made = await caller.post("/campaigns", json={**campaign, "message": LETTER, **fields})
    assert made.status_code == 201, made.text
    campaign_id = str(made.json()["data"]["id"])
    started = await caller.post(f"/campaigns/{campaign_id}/start")
    assert started.status_code == 200, started.text
    return campaign_id


def to_ada(**said: Any) -> dict[str, Any]:
    return {"recipients": [{"contact": {"email": "ada@lovelace.example"}, **said}]}


async def test_a_call_sends_what_it_says_to_each_of_its_recipients(settings: Settings, database_url: str) -> None:
    async with (  # a worker of its own, which finds nothing that other tests have left to be sent
        Sink() as sink,
        open_app(settings) as app,
        serving(app) as url,
        working(app.database, database_url),
        calling(app, url, "Analytical Engines") as caller,
    ):
        campaign_id = await triggered(caller, sink.port)
        body = {
            "requestId": "order-4711",
            "recipients": [
                {
                    "contact": {"externalId": "a-1"},
                    "profile": {"attributes": {"city": "London"}},
                    "context": {"order": {"id": "4711"}, "note": "<b>thanks</b>"},
                },
                {"addresses": {"email": "new@x.example"}, "profile": {"firstName": "New"}, "context": {"note": 7}},
            ],
        }
        accepted = await caller.post(f"/campaigns/{campaign_id}/trigger", json=body)
        assert accepted.status_code == 202, accepted.text
        data = accepted.json()["data"]
        assert (data["status"], data["kind"], data["recipients"], data["requestId"]) == (
            "triggered", "recipients", 2, "order-4711",
        )  # fmt: skip
        await sink.wait_accepted(2)
        mails = {one.rcpt_to[0]: one.data.decode() for one in sink.accepted}
        assert "Subject: Order 4711" in mails["ada@lovelace.example"]
        assert "<p>Hello Ada of London: 4711, &lt;b&gt;thanks" in mails["ada@lovelace.example"]
        assert "<p>Hello New of : , 7</p>" in mails["new@x.example"]

        async def both_sent() -> bool:
            rows = await caller.get(f"/executions/{data['executionId']}/recipients")
            return [row["state"] for row in rows.json()["data"]["items"]] == ["sent", "sent"]

        await until(both_sent)
        rows = (await caller.get(f"/executions/{data['executionId']}/recipients?limit=1")).json()["data"]
        assert rows["items"][0]["address"] == "ada@lovelace.example"
        rest = await caller.get(f"/executions/{data['executionId']}/recipients?limit=1&cursor={rows['nextCursor']}")
        assert rest.json()["data"]["items"][0]["contactId"] is None
        assert rest.json()["data"]["nextCursor"] is None


async def test_twenty_calls_at_once_with_one_request_id_are_one_execution(caller: Caller) -> None:
    campaign_id = await triggered(caller)
    body = {"requestId": "r-1", **to_ada()}
    answers = await asyncio.gather(*(caller.post(f"/campaigns/{campaign_id}/trigger", json=body) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["data"]["executionId"] for answer in answers}) == 1


async def test_a_request_id_with_another_body_is_refused(caller: Caller) -> None:
    campaign_id = await triggered(caller)
    await caller.post(f"/campaigns/{campaign_id}/trigger", json={"requestId": "r-1", **to_ada()})
    second = await caller.post(
        f"/campaigns/{campaign_id}/trigger", json={"requestId": "r-1", **to_ada(context={"a": 1})}
    )
    assert second.status_code == 409
    assert second.json()["error"]["code"] == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"recipients": []}, 422, "recipients"),
        ({}, 422, "recipients"),
        ({"recipients": "all"}, 400, "recipients"),
        ({"recipients": [{}]}, 422, "recipients[0]"),
        ({"recipients": [{"contact": {}}]}, 422, "recipients[0].contact"),
        ({"recipients": [{"contact": {"email": "a@b.example", "phone": "+12025550"}}]}, 422, "recipients[0].contact"),
        ({"recipients": [{"contact": {"email": "no address"}}]}, 422, "recipients[0]"),
        ({"recipients": [{"contact": {"name": "a"}}]}, 422, "recipients[0].contact"),
        ({"recipients": [{"contact": {"email": "a@b.example"}}], "requestId": ""}, 422, "requestId"),
        ({"recipients": [{"contact": {"email": "a@b.example"}, "context": []}]}, 400, "recipients[0].context"),
        ({"recipients": [{"contact": {"email": "ada@lovelace.example"}}] * 2}, 422, "recipients[1]"),
        ({"recipients": [{"contact": {"email": "ada@lovelace.example"}, "context": {"a": "x" * 210_000}}]}, 422,
         "recipients[0]"),
    ],
)  # fmt: skip
async def test_a_call_of_the_wrong_shape_is_refused(caller: Caller, body: object, status: int, field: str) -> None:
    campaign_id = await triggered(caller)
    answer = await caller.post(f"/campaigns/{campaign_id}/trigger", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["problems"][0]["field"] == field
    assert (await caller.get("/executions")).json()["data"]["items"] == []


async def test_an_unknown_contact_is_told_as_not_found(caller: Caller) -> None:
    campaign_id = await triggered(caller)
    body = {"recipients": [{"contact": {"email": "nobody@x.example"}}]}
    answer = await caller.post(f"/campaigns/{campaign_id}/trigger", json=body)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "No such contact: recipients[0]"


async def test_another_accounts_campaign_and_execution_are_not_found(caller: Caller, stranger: Caller) -> None:
    campaign_id = await triggered(caller)
    made = (await caller.post(f"/campaigns/{campaign_id}/trigger", json=to_ada())).json()["data"]["executionId"]
    for path in (f"/executions/{made}", f"/executions/{made}/recipients", f"/campaigns/{campaign_id}/sample-call"):
        assert (await stranger.get(path)).status_code == 404
    assert (await stranger.post(f"/campaigns/{campaign_id}/trigger", json=to_ada())).status_code == 404
    assert (await stranger.delete(f"/executions/{made}")).status_code == 404


@pytest.mark.parametrize("verb", ["pause", "stop"])
async def test_a_campaign_that_was_held_or_ended_takes_no_calls(caller: Caller, verb: str) -> None:
    campaign_id = await triggered(caller)
    assert (await caller.post(f"/campaigns/{campaign_id}/trigger", json=to_ada())).status_code == 202
    assert (await caller.post(f"/campaigns/{campaign_id}/{verb}")).status_code == 200
    answer = await caller.post(f"/campaigns/{campaign_id}/trigger", json=to_ada())
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CAMPAIGN_NOT_RUNNING")


async def test_a_resumed_campaign_takes_calls_again(caller: Caller) -> None:
    campaign_id = await triggered(caller)
    await caller.post(f"/campaigns/{campaign_id}/pause")
    await caller.post(f"/campaigns/{campaign_id}/resume")
    assert (await caller.post(f"/campaigns/{campaign_id}/trigger", json=to_ada())).status_code == 202


async def grouped(caller: Caller) -> str:
    """A group with one contact."""
    contact = (await caller.post("/contacts", json={"email": "ada@lovelace.example"})).json()["data"]["id"]
    group = str((await caller.post("/groups", json={"name": "Readers"})).json()["data"]["id"])
    await caller.post(f"/groups/{group}/members", json={"contacts": [contact]})
    return group


async def test_an_audience_can_be_started_again_and_again_but_once_for_a_request_id(caller: Caller) -> None:
    campaign_id = await triggered(caller)
    body = {"requestId": "r-1", "groups": [await grouped(caller)], "context": {"note": "n"}}
    path = f"/campaigns/{campaign_id}/trigger-audience"
    first, again = await caller.post(path, json=body), await caller.post(path, json=body)
    assert (first.status_code, again.status_code) == (202, 202), first.text
    assert first.json()["data"] == again.json()["data"]
    other = await caller.post(path, json={**body, "requestId": "r-2"})
    assert other.json()["data"]["runId"] not in {None, first.json()["data"]["runId"]}
    refused = await caller.post(path, json={**body, "context": {}})
    assert refused.json()["error"]["code"] == "REQUEST_ID_REUSED"


async def test_a_scheduled_audience_is_taken_back_before_its_time(caller: Caller) -> None:
    campaign_id = await triggered(caller)
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = {"groups": [await grouped(caller)], "executeAt": at}
    made = (await caller.post(f"/campaigns/{campaign_id}/trigger-audience", json=body)).json()["data"]
    assert (made["status"], made["runId"]) == ("scheduled", None)
    assert (await caller.delete(f"/executions/{made['executionId']}")).json()["data"]["status"] == "deleted"
    again = await caller.delete(f"/executions/{made['executionId']}")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "EXECUTION_NOT_SCHEDULED")


async def test_an_audience_cannot_be_scheduled_in_the_past(caller: Caller) -> None:
    campaign_id = await triggered(caller)
    body = {"groups": [await grouped(caller)], "executeAt": "2020-01-01T00:00:00Z"}
    answer = await caller.post(f"/campaigns/{campaign_id}/trigger-audience", json=body)
    assert (answer.status_code, answer.json()["error"]["problems"][0]["field"]) == (422, "executeAt")


async def test_somebody_who_is_no_contact_is_called_by_a_number_alone(caller: Caller) -> None:
    texts = {
        "name": "Texts", "provider": "signed_http", "settings": {"url": "http://127.0.0.1:9/sms"},
        "secrets": {"signingSecret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    }  # fmt: skip
    sender = (await caller.post("/senders", json=texts)).json()["data"]["id"]
    said = {"smsSenderId": sender, "message": {"sms": {"text": "Your code is {{ context.code }}"}}}
    campaign_id = await triggered(caller, **said)
    recipient = {"addresses": {"sms": "+4915123456789"}, "context": {"code": "1234"}}
    path = f"/campaigns/{campaign_id}/trigger"
    called = (await caller.post(path, json={"recipients": [recipient]})).json()["data"]
    (made,) = (await caller.get(f"/executions/{called['executionId']}/recipients")).json()["data"]["items"]
    assert (made["channel"], made["address"], made["contactId"]) == ("sms", "+4915123456789", None)
    twice = await caller.post(path, json={"recipients": [recipient, recipient]})
    assert twice.json()["error"]["problems"][0]["rule"] == "uniqueItems"


async def test_an_audience_that_nobody_has_or_at_the_end_of_time_is_refused(caller: Caller) -> None:
    campaign_id, group = await triggered(caller), await grouped(caller)
    listed = await caller.get("/executions", params={"campaign": group})
    assert (listed.status_code, listed.json()["error"]["problems"][0]["rule"]) == (422, "exists")
    refusals = {
        "groups maxItems": {"groups": [group] * 101},
        "segments maxItems": {"segments": [group] * 21},
        "executeAt range": {"executeAt": "9999-12-31T23:59:59-12:00"},
        "groups[1] exists": {"groups": [group, "0" * 24]},
        "segments[0] exists": {"segments": [group]},
    }
    for said, body in refusals.items():
        answer = await caller.post(f"/campaigns/{campaign_id}/trigger-audience", json=body)
        problem = answer.json()["error"]["problems"][0]
        assert (answer.status_code, f"{problem['field']} {problem['rule']}") == (422, said)


async def test_the_sample_call_names_everything_the_message_looks_up(caller: Caller) -> None:
    campaign_id = await triggered(caller)
    strange = {"Host": "elsewhere.example"}  # a key must not be sent wherever the request says it came to
    shown = (await caller.get(f"/campaigns/{campaign_id}/sample-call", headers=strange)).json()["data"]
    assert shown["variables"] == [
        "contact.attributes.city", "contact.firstName", "context.note", "context.order.id",
    ]  # fmt: skip
    said = shown["body"]["recipients"][0]
    assert said["context"] == {"note": "…", "order": {"id": "…"}}
    assert said["profile"] == {"attributes": {"city": "…"}, "firstName": "…"}
    assert f"'https://mail.sender.example{caller.root}/campaigns/{campaign_id}/trigger'" in shown["command"]
    body = {"recipients": [{**said, "contact": {"email": "ada@lovelace.example"}}]}
    assert (await caller.post(f"/campaigns/{campaign_id}/trigger", json=body)).status_code == 202
