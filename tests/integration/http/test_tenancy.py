"""Another account's objects answer exactly like objects that do not exist, in every operation."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest
from tests.integration.http.conftest import Caller
from tests.support.ports import free_port

from clarion.application.ports.receipts import Inbound
from clarion.bootstrap import App
from clarion.domain.ids import Id
from clarion.entrypoints.http.reference import document_of

JSON = {"Content-Type": "application/json"}
NOWHERE = "0" * 24
LETTER = {"email": {"subject": "Hello {{ contact.firstName }}", "html": "<p>Hello</p>"}}


async def furnish(caller: Caller, closed_port: int) -> dict[str, str]:
    """One object of every kind, by the name its id has in paths."""

    async def made(path: str, body: dict[str, Any]) -> str:
        response = await caller.post(path, json=body)
        assert response.status_code in (200, 201, 202), response.text
        return str(response.json()["data"]["id"])

    contact = await made("/contacts", {"email": "ada@lovelace.example", "firstName": "Ada"})
    group = await made("/groups", {"name": "Readers"})
    await caller.post(f"/groups/{group}/members", json={"contacts": [contact]})
    field = await caller.post("/fields", json={"name": "Shoe size", "type": "number"})
    relay = {"host": "127.0.0.1", "port": closed_port, "security": "none"}
    sender = await made("/senders", {"name": "Relay", "fromAddress": "news@sender.example", **relay})
    letter = {
        "name": "L",
        "category": "marketing",
        "audience": {"groups": ["Readers"]},
        "senderId": sender,
        "message": LETTER,
    }
    campaign = await made("/campaigns", letter)
    started = await made("/campaigns", letter)
    assert (await caller.post(f"/campaigns/{started}/start")).status_code == 200
    called = await made("/campaigns", {**letter, "name": "Called", "kind": "triggered", "audience": {}})
    assert (await caller.post(f"/campaigns/{called}/start")).status_code == 200
    recipients = {"recipients": [{"contact": {"email": "ada@lovelace.example"}}]}
    execution = await caller.post(f"/campaigns/{called}/trigger", json=recipients)
    run = (await caller.get("/runs")).json()["data"]["items"][0]["id"]
    upload = await caller.post("/imports", content=b"email\na@b.example\n", headers={"Content-Type": "text/csv"})
    return {
        "contactId": contact,
        "groupId": group,
        "deviceId": await made(
            f"/contacts/{contact}/devices", {"platform": "ios", "app": "com.example.shop", "token": "ab" * 32}
        ),
        "executionId": execution.json()["data"]["executionId"],
        "fieldKey": field.json()["data"]["key"],
        "segmentId": await made("/segments", {"name": "All", "rule": {"everyone": True}}),
        "senderId": sender,
        "campaignId": campaign,
        "runId": run,
        "deliveryId": f"{run}-1",
        "importId": upload.json()["data"]["id"],
        "suppressionId": await made("/suppressions", {"address": "no@lovelace.example"}),
        "keyId": await made("/keys", {"name": "other", "permissions": ["contacts:read"]}),
    }


def operations() -> list[tuple[str, str, str]]:
    """Every operation of the document, as (operationId, method, path)."""
    return [
        (item[method]["operationId"], method.upper(), path)
        for path, item in document_of().get("paths", {}).items()
        for method in ("get", "post", "put", "patch", "delete")
        if method in item
    ]


WITH_OBJECTS = [found for found in operations() if found[2].count("{") > 1]


async def freeze_all(app: App) -> None:
    """Freezes the audience of every run, as workers would."""
    async with app.database.transaction() as tx:
        while await tx.runs.take_slice(100, 100):
            pass


BODIES: dict[str, dict[str, Any]] = {
    "addGroupMembers": {"contacts": [NOWHERE]},
    "testCampaign": {"addresses": ["a@b.example"]},
    "updateCampaign": {"name": "Taken over"},
    "updateContact": {"firstName": "Taken over"},
    "updateSender": {"name": "Taken over"},
}


def telling(response: httpx.Response) -> tuple[int, str]:
    """Everything an answer says but its own trace id."""
    return response.status_code, re.sub(r'"traceId":"[0-9a-f]{24}"', "", response.text)


async def snapshot(caller: Caller) -> list[Any]:
    """All that the account can see of itself."""
    paths = ("/contacts", "/groups", "/senders", "/campaigns", "/suppressions", "/keys", "/imports", "/runs")
    seen = [(await caller.get(path)).json()["data"]["items"] for path in paths]
    for key in seen[5]:
        del key["lastUsedAt"]
    for stored in seen[6]:
        for moving in ("state", "finishedAt", "rowsRead", "rowsCreated"):
            del stored[moving]
    return seen


async def test_t40_another_accounts_objects_answer_like_unknown_ones(
    caller: Caller, stranger: Caller, closed_port: int
) -> None:
    theirs = await furnish(caller, closed_port)
    before = await snapshot(caller)
    assert len(WITH_OBJECTS) > 20
    for name, method, path in WITH_OBJECTS:
        body = BODIES.get(name, {}) if method in ("POST", "PATCH", "PUT") else None
        fill = {**theirs, "accountGroupId": stranger.account.id.hex()}
        foreign = await stranger.http.request(method, path.format(**fill), json=body)
        unknown_ids = dict.fromkeys(theirs, NOWHERE) | {
            "deliveryId": f"{NOWHERE}-1",
            "fieldKey": "no_such_field",
            "suppressionId": "ZW1haWwAYWJjQGI",
        }
        absent = await stranger.http.request(
            method, path.format(**unknown_ids, accountGroupId=fill["accountGroupId"]), json=body
        )
        assert foreign.status_code == 404, f"{name}: {foreign.text}"
        assert telling(foreign) == telling(absent), name
    assert await snapshot(caller) == before


async def test_t40_another_accounts_path_is_refused_whether_it_exists_or_not(
    caller: Caller, stranger: Caller, closed_port: int
) -> None:
    theirs = await furnish(caller, closed_port)
    before = await snapshot(caller)
    for name, method, path in operations():
        body = BODIES.get(name, {}) if method in ("POST", "PATCH", "PUT") else None
        existing = await stranger.http.request(
            method, path.format(**theirs, accountGroupId=caller.account.id.hex()), json=body
        )
        missing = await stranger.http.request(method, path.format(**theirs, accountGroupId=NOWHERE), json=body)
        assert existing.status_code == 403, name
        assert telling(existing) == telling(missing), name
    assert await snapshot(caller) == before


async def test_t40_ids_of_another_account_inside_a_body_are_unknown(
    caller: Caller, stranger: Caller, closed_port: int
) -> None:
    theirs = await furnish(caller, closed_port)
    group = (await stranger.post("/groups", json={"name": "Own"})).json()["data"]["id"]
    answers = [
        await stranger.post(f"/groups/{group}/members", json={"contacts": [theirs["contactId"]]}),
        await stranger.post("/campaigns", json=_campaign(audience={"groups": [theirs["groupId"]]})),
        await stranger.post("/campaigns", json=_campaign(audience={"contacts": [theirs["contactId"]]})),
        await stranger.post("/campaigns", json=_campaign(senderId=theirs["senderId"])),
    ]
    assert [answer.status_code for answer in answers] == [422] * 4
    for group_id in (theirs["groupId"], NOWHERE, "x"):
        listed = await stranger.get("/contacts", params={"group": group_id})
        assert (listed.status_code, listed.json()["error"]["problems"][0]["rule"]) == (422, "exists")
    of_theirs = await stranger.get("/runs", params={"campaign": theirs["campaignId"]})
    assert (of_theirs.status_code, of_theirs.json()["error"]["problems"][0]["rule"]) == (422, "exists")


def _campaign(**fields: Any) -> dict[str, Any]:
    return {"name": "C", "category": "marketing", **fields}


GOLDEN = {
    "contacts": "id externalId email phone firstName lastName language timezone attributes consent status "
    "identities lastSeenAt createdAt updatedAt",
    "groups": "id name members createdAt",
    "senders": "id name channel provider host port security username settings fromAddress sms maxConnections "
    "ratePerSecond domainRates dailyCap warmUp pool weight shut createdAt updatedAt",
    "inbound-messages": "id senderId contactId from to text keyword occurredAt receivedAt",
    "keys": "id name permissions ownerEmail createdAt expiresAt lastUsedAt revokedAt",
    "suppressions": "id channel address reason source createdAt",
    "imports": "id state format group groupId problem bytesReceived rowsRead rowsCreated rowsUpdated rowsRejected "
    "createdAt receivedAt finishedAt",
    "fields": "id key name type featured priority createdAt",
    "runs": "id number campaignId campaignName ordinal status statusReason category selectedCount startedAt finishedAt "
    "testAddress acceptsUntil recheckAt removedAt",
}


async def test_t43_answers_hold_these_fields_and_no_others(caller: Caller, closed_port: int, app: App) -> None:
    theirs = await furnish(caller, closed_port)
    written = Inbound(Id(bytes.fromhex(theirs["senderId"])), "e1", "+12025550101", "", "hello")
    await app.inbox.put([written])
    for noun, fields in GOLDEN.items():
        items = (await caller.get(f"/{noun}")).json()["data"]["items"]
        assert items, noun
        assert all(set(item) == set(fields.split()) for item in items), noun


async def test_t43_a_senders_password_is_never_shown(caller: Caller) -> None:
    sender = {
        "name": "Relay", "host": "relay.sender.example", "port": 587, "security": "starttls",
        "username": "clarion", "password": "canary-password", "fromAddress": "news@sender.example",
    }  # fmt: skip
    made = await caller.post("/senders", json=sender)
    shown = [made, await caller.get("/senders"), await caller.get(f"/senders/{made.json()['data']['id']}")]
    assert made.status_code == 201
    assert all("canary-password" not in response.text for response in shown)


async def test_two_starts_at_once_make_one_run(caller: Caller, closed_port: int) -> None:
    theirs = await furnish(caller, closed_port)
    runs_before = len((await caller.get("/runs")).json()["data"]["items"])
    path = f"/campaigns/{theirs['campaignId']}/start"
    first, second = await asyncio.gather(caller.post(path), caller.post(path, json={}))
    assert sorted((first.status_code, second.status_code)) == [200, 409]
    assert len((await caller.get("/runs")).json()["data"]["items"]) == runs_before + 1


@pytest.fixture
def closed_port() -> int:
    """A port that nobody listens on, nor is given who asks for any while a campaign still tries to send there."""
    return free_port()
