"""Contacts with identities and a status, typed fields, the account's settings, notices and owners of keys over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.http.conftest import Caller, client_with, key_with

from clarion.application.notices import give_notice
from clarion.bootstrap import App
from clarion.domain.access import Permission


def problems(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(problem["field"], problem["rule"]) for problem in answer["error"]["problems"]]


async def test_a_contact_is_saved_with_identities_and_found_by_each(caller: Caller) -> None:
    saved = await caller.post(
        "/contacts",
        json={
            "email": "Ada@mail.example",
            "identities": [{"namespace": "ECID", "value": "42"}, {"namespace": "mailto", "value": "ada2@mail.example"}],
        },
    )
    assert saved.status_code == 201
    contact = saved.json()["data"]
    assert contact["identities"] == [
        {"namespace": "ecid", "value": "42"},
        {"namespace": "email", "value": "ada2@mail.example"},
    ]
    assert (contact["status"], contact["lastSeenAt"]) == ("active", None)
    for namespace, value in (("ecid", "42"), ("Email", "ADA@mail.example"), ("mailto", "ada2@mail.example")):
        listed = await caller.get("/contacts", params={"namespace": namespace, "value": value})
        assert [one["id"] for one in listed.json()["data"]["items"]] == [contact["id"]]
    again = await caller.post("/contacts", json={"identities": [{"namespace": "ecid", "value": "42"}]})
    assert (again.status_code, again.json()["data"]["id"]) == (200, contact["id"])
    nobody = await caller.get("/contacts", params={"namespace": "ecid", "value": "43"})
    assert nobody.json()["data"]["items"] == []


async def test_an_identity_of_another_contact_is_a_409(caller: Caller, stranger: Caller) -> None:
    identity = [{"namespace": "crm", "value": "1"}]
    await caller.post("/contacts", json={"email": "ada@mail.example", "identities": identity})
    bob = (await caller.post("/contacts", json={"email": "bob@mail.example"})).json()["data"]["id"]
    taken = await caller.patch(f"/contacts/{bob}", json={"identities": identity})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "CONTACT_ADDRESS_TAKEN")
    free = await stranger.post("/contacts", json={"identities": identity})
    assert free.status_code == 201


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"namespace": "crm"}, "query.value"),
        ({"value": "1"}, "query.namespace"),
        ({"namespace": "no good", "value": "1"}, "query.value"),
        ({"namespace": "phone", "value": "12"}, "query.value"),
    ],
)
async def test_half_an_identity_finds_nobody(caller: Caller, params: dict[str, str], field: str) -> None:
    answer = await caller.get("/contacts", params=params)
    assert answer.status_code == 422
    assert problems(answer.json())[0][0] == field


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"identities": [{"namespace": "a b", "value": "1"}]}, 422),
        ({"identities": [{"namespace": "a"}]}, 422),
        ({"identities": [{"namespace": "a", "value": "1", "x": 1}]}, 422),
        ({"identities": [{"namespace": "a", "value": "x" * 400}]}, 422),
        ({"identities": [["a", "1"]]}, 400),
        ({"identities": "a:1"}, 400),
        ({"identities": [{"namespace": "a", "value": 1}]}, 400),
        ({"identities": [{"namespace": "a", "value": str(n)} for n in range(101)]}, 422),
        ({"status": "asleep"}, 422),
        ({"status": None}, 400),
        ({"lastSeenAt": "2026-01-01T00:00:00Z"}, 422),
    ],
)
async def test_what_cannot_be_said_of_a_contact_is_refused_and_nothing_stored(
    caller: Caller, body: dict[str, Any], status: int
) -> None:
    answer = await caller.post("/contacts", json={"email": "ada@mail.example", **body})
    assert answer.status_code == status, answer.text
    assert (await caller.get("/contacts")).json()["data"]["items"] == []


async def test_a_contact_is_blocked_and_taken_back(caller: Caller) -> None:
    made = (await caller.post("/contacts", json={"email": "ada@mail.example", "status": "blocked"})).json()["data"]
    assert made["status"] == "blocked"
    kept = await caller.patch(f"/contacts/{made['id']}", json={"firstName": "Ada"})
    assert kept.json()["data"]["status"] == "blocked"
    back = await caller.patch(f"/contacts/{made['id']}", json={"status": "active"})
    assert back.json()["data"]["status"] == "active"


async def test_a_field_lives_and_its_values_are_checked(caller: Caller, stranger: Caller) -> None:
    made = await caller.post("/fields", json={"name": "Joined On", "type": "datetime", "featured": True})
    assert made.status_code == 201
    assert made.json()["data"] | {"id": "", "createdAt": ""} == {
        "id": "", "key": "joined_on", "name": "Joined On", "type": "datetime", "featured": True, "priority": 0,
        "createdAt": "",
    }  # fmt: skip
    wrong = await caller.post("/contacts", json={"email": "a@b.example", "attributes": {"joined_on": "soon"}})
    assert (wrong.status_code, problems(wrong.json())) == (422, [("attributes.joined_on", "type")])
    right = await caller.post(
        "/contacts", json={"email": "a@b.example", "attributes": {"joined_on": "2026-03-01T09:00:00+03:00"}}
    )
    assert right.json()["data"]["attributes"] == {"joined_on": "2026-03-01T06:00:00Z"}
    twice = await caller.post("/fields", json={"name": "joined on"})
    assert (twice.status_code, twice.json()["error"]["code"]) == (409, "FIELD_TAKEN")
    changed = await caller.patch("/fields/joined_on", json={"name": "Member since", "priority": 3})
    assert (changed.json()["data"]["key"], changed.json()["data"]["name"]) == ("joined_on", "Member since")
    assert [one["key"] for one in (await caller.get("/fields")).json()["data"]["items"]] == ["joined_on"]
    for verb in (stranger.get, stranger.delete):
        assert (await verb("/fields/joined_on")).status_code == 404
    assert (await stranger.patch("/fields/joined_on", json={"name": 5})).status_code == 404
    assert (await caller.delete("/fields/joined_on")).status_code == 200
    assert (await caller.get("/fields/joined_on")).status_code == 404


async def test_a_field_that_a_segment_uses_stays(caller: Caller) -> None:
    await caller.post("/fields", json={"name": "Age", "type": "number"})
    rule = {"field": "attributes.age", "operator": "greaterThan", "value": 17}
    assert (await caller.post("/segments", json={"name": "Adults", "rule": rule})).status_code == 201
    refused = await caller.delete("/fields/age")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "FIELD_IN_USE")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422), ({"name": ""}, 422), ({"name": "has"}, 422), ({"name": "a\0b"}, 422), ({"name": 5}, 400),
        ({"name": "a", "type": "video"}, 422), ({"name": "a", "priority": 10**7}, 422),
        ({"name": "a", "priority": 10**30}, 400), ({"name": "a", "featured": 1}, 400), ({"name": "a", "key": "b"}, 422),
    ],
)  # fmt: skip
async def test_a_field_that_breaks_a_rule_is_not_made(caller: Caller, body: dict[str, Any], status: int) -> None:
    answer = await caller.post("/fields", json=body)
    assert answer.status_code == status, answer.text
    assert (await caller.get("/fields")).json()["data"]["items"] == []


async def test_settings_are_read_and_changed(caller: Caller, stranger: Caller) -> None:
    first = (await caller.get("/settings")).json()["data"]
    assert (first["id"], first["timezone"], first["dateStyle"]) == (caller.account.id.hex(), "UTC", "day_first")
    changed = await caller.patch(
        "/settings",
        json={"timezone": "Africa/Nairobi", "country": "KE", "languages": ["eng", "swa"], "sandbox": "prod"},
    )
    assert changed.json()["data"] == first | {
        "timezone": "Africa/Nairobi", "country": "KE", "languages": ["eng", "swa"], "sandbox": "prod",
    }  # fmt: skip
    wrong = await caller.patch("/settings", json={"timezone": "Mars/Phobos", "country": "XX"})
    assert problems(wrong.json()) == [("timezone", "timezone"), ("country", "country")]
    assert (await caller.get("/settings")).json()["data"] == changed.json()["data"]
    assert (await stranger.get("/settings")).json()["data"]["timezone"] == "UTC"


async def test_settings_are_changed_only_by_a_key_that_may(app: App, caller: Caller, base_url: str) -> None:
    _, text = await key_with(app, caller, Permission.CAMPAIGNS_READ)
    async with client_with(base_url, text) as reader:
        assert (await reader.get(caller.root + "/settings")).status_code == 200
        assert (await reader.patch(caller.root + "/settings", json={"name": "Mine"})).status_code == 403


async def test_notices_are_listed_page_by_page_and_by_campaign(app: App, caller: Caller, stranger: Caller) -> None:
    async with app.database.transaction() as tx:
        for n in range(3):
            await give_notice(
                tx, account_id=caller.account.id, campaign_id=None, kind="campaign_failed", message=f"Notice {n}"
            )
    first = (await caller.get("/notices", params={"limit": 2})).json()["data"]
    rest = (await caller.get("/notices", params={"limit": 2, "cursor": first["nextCursor"]})).json()["data"]
    assert [one["message"] for one in (*first["items"], *rest["items"])] == ["Notice 0", "Notice 1", "Notice 2"]
    assert rest["nextCursor"] is None
    assert (await stranger.get("/notices")).json()["data"]["items"] == []
    assert (await caller.get("/notices", params={"campaign": "nonsense"})).json()["data"]["items"] == []


async def test_a_key_shows_who_answers_for_it(caller: Caller) -> None:
    body = {"name": "sync", "permissions": ["contacts:read"], "ownerEmail": "Ada@MAIL.example"}
    made = await caller.post("/keys", json=body)
    assert (made.status_code, made.json()["data"]["ownerEmail"]) == (201, "ada@mail.example")
    listed = (await caller.get("/keys")).json()["data"]["items"]
    assert [key["ownerEmail"] for key in listed] == [None, "ada@mail.example"]
    refused = await caller.post("/keys", json=body | {"ownerEmail": "nobody"})
    assert refused.status_code == 422
    assert problems(refused.json())[0][0] == "ownerEmail"
