"""A campaign for Adobe's callers from its first draft to its report: what Adobe does in its console, done natively."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.integration.http.dialects.ajo_scene import Adobe, adobe, aep, at_work, external, html_of
from tests.support.patience import PATIENCE_S
from tests.support.sink import Sink
from tests.support.stage import until

from clarion.bootstrap import App
from clarion.domain.ids import Id, as_uuid

ADA = "ada@lovelace.example"


class Native:
    """The native API of the same account."""

    def __init__(self, http: httpx.AsyncClient, ajo: Adobe) -> None:
        self._http = http
        self._root = f"/v1/accounts/{ajo.account.id.hex()}"

    async def call(self, method: str, path: str, body: object = None, status: int = 200) -> dict[str, Any]:
        """The data of an answer, or its error."""
        answer = await self._http.request(method, self._root + path, json=body)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()["data" if status < 400 else "error"]
        return found

    async def sender(self, port: int) -> str:
        relay = {"host": "127.0.0.1", "port": port, "security": "none"}
        made = await self.call(
            "POST", "/senders", {"name": "Relay", "fromAddress": "Shop <shop@clarion.example>"} | relay, 201
        )
        return str(made["id"])

    async def translated(self, source: str) -> str:
        """Adobe's template in our own language."""
        found = await self.call("POST", "/templates/translate", {"syntax": "adobe", "source": source})
        return str(found["text"])


@pytest.fixture
async def ajo(app: App, base_url: str) -> AsyncIterator[Adobe]:
    async with adobe(app, base_url) as made:
        yield made


@pytest.fixture
async def native(ajo: Adobe) -> AsyncIterator[Native]:
    headers = {"Authorization": f"Bearer {ajo.key_text}"}
    async with httpx.AsyncClient(base_url=ajo.http.base_url, headers=headers, timeout=PATIENCE_S) as http:
        yield Native(http, ajo)


def draft(sender: str, html: str, **fields: Any) -> dict[str, Any]:
    message = {"email": {"subject": "Order", "html": html}}
    said = {"name": "Orders", "kind": "triggered", "category": "transactional", "senderId": sender, "message": message}
    return said | fields


async def test_a_campaign_lives_from_its_draft_to_its_report(ajo: Adobe, app: App, native: Native) -> None:
    async with Sink() as sink, at_work(app):
        sender = await native.sender(sink.port)
        html = await native.translated("<p>{{profile.person.name.firstName}}: {{context.orderId}}</p>")
        made = await native.call("POST", "/campaigns", draft(sender, html, createsContacts=True), 201)
        path = f"/campaigns/{made['id']}"
        body = {"requestId": "r-1", "campaignId": as_uuid(Id(bytes.fromhex(made["id"]))), "recipients": [aep(ADA)]}
        body["recipients"] = [aep(ADA, context={"orderId": 1}, profile={"person": {"name": {"firstName": "Ada"}}})]
        assert (await ajo.refused("unitary", body))["title"] == "The campaign is not live"

        activated = await native.call("POST", f"{path}/activate")
        assert {"contact.firstName", "context.orderId"} <= {one["name"] for one in activated["variables"]}
        sample = await native.call("GET", f"{path}/sample-call")
        assert "orderId" in sample["curl" if "curl" in sample else "command"]
        started = await native.call("POST", f"{path}/start")
        assert started["instancesCreated"] == 0

        await ajo.accepted("unitary", body)
        await sink.wait_accepted(1)
        assert html_of(sink.accepted[0].data) == "<p>Ada: 1</p>"

        async def is_reported() -> bool:
            (run,) = (await native.call("GET", f"/runs?campaign={made['id']}"))["items"]
            report = await native.call("GET", f"/runs/{run['id']}")
            return bool(report["counts"]["sent"] == report["selectedCount"] == 1)

        await until(is_reported)
        await native.call("PATCH", path, {"name": "Other"}, 409)
        await native.call("POST", f"{path}/stop")
        assert (await ajo.refused("unitary", body | {"requestId": "r-2"}))["title"] == "The campaign is not live"

        await native.call("POST", f"{path}/reopen")
        again = {"message": {"email": {"subject": "Order", "html": "<p>new {{ context.orderId }}</p>"}}}
        await native.call("PATCH", path, again)
        await native.call("POST", f"{path}/start")
        await ajo.accepted("unitary", body | {"requestId": "r-3"})
        await sink.wait_accepted(2)
    assert html_of(sink.accepted[1].data) == "<p>new 1</p>"


async def test_high_throughput_refuses_what_a_profile_would_have_to_tell(ajo: Adobe, native: Native) -> None:
    sender = await native.sender(9)
    fast = {"highThroughput": True}
    for source in ("<p>{{profile.person.name.firstName}}</p>", "<p>{{profile._acme.tier}}</p>"):
        body = draft(sender, await native.translated(source), **fast)
        error = await native.call("POST", "/campaigns", body, 422)
        assert "message.email" in {problem["field"] for problem in error["problems"]}
    made = await native.call("POST", "/campaigns", draft(sender, "<p>{{ context.code }}</p>", **fast), 201)
    await native.call(
        "POST", "/campaigns", draft(sender, "<p>{{ context.code }}</p>", createsContacts=True, **fast), 422
    )
    await native.call("POST", f"/campaigns/{made['id']}/start")
    body = {"requestId": "r-1", "campaignId": made["id"], "recipients": [external(ADA)]}
    await ajo.accepted("highthroughput", body)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("<p>\n{{context.system.secret}}</p>", "line 2: 'context.system'"),
        ("{%= formatDate(context.day) %}", "line 1: the function 'formatDate'"),
        ("{{#each context.items}}", "line 1: 'each' is not closed"),
    ],
)
async def test_a_template_that_cannot_be_kept_is_refused_before_anything_is_sent(
    native: Native, source: str, named: str
) -> None:
    error = await native.call("POST", "/templates/translate", {"syntax": "adobe", "source": source}, 422)
    assert named in error["problems"][0]["message"]


async def test_a_broken_message_keeps_a_campaign_from_being_stored(native: Native) -> None:
    error = await native.call("POST", "/campaigns", draft(await native.sender(9), "<p>{{ context.a </p>"), 422)
    assert error["problems"][0]["field"] == "message.email.html"


async def test_sms_and_push_are_kept_and_start_nothing_alone(native: Native) -> None:
    body = draft(await native.sender(9), "<p>x</p>", name="Other channels")
    body["message"] = {
        "sms": {"text": "Code {{ context.code }}"},
        "push": {"title": "Code", "body": "{{ context.code }}"},
    }
    made = await native.call("POST", "/campaigns", body, 201)
    error = await native.call("POST", f"/campaigns/{made['id']}/start", None, 409)
    assert error["code"] == "CHANNEL_NOT_CONNECTED"
