"""Segments over HTTP: stored, changed, tried, counted, listed, refused; and what keeps one from being deleted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.integration.http.conftest import Caller, client_with, key_with

from clarion.application import segments, suppressions
from clarion.bootstrap import App
from clarion.domain.access import Permission
from clarion.domain.channel import ChannelName
from clarion.domain.segment import Everyone
from clarion.domain.suppression import SuppressionReason

CITY = {"field": "attributes.city", "operator": "equal", "value": "Bergen"}
PEOPLE = (
    {"email": "ada@lovelace.example", "attributes": {"city": "Bergen", "score": 57}, "consent": {"email": True}},
    {"email": "bob@post.example", "attributes": {"city": "Bergen", "score": "41"}, "consent": {"email": False}},
    {"email": "cyd@post.example", "attributes": {"city": "Como", "score": "many", "joined": "2026-01-31"}},
    {"phone": "+12025550123", "attributes": {"city": "Bergen", "tags": ["vip"]}},
)


async def populate(caller: Caller) -> list[str]:
    """Makes the people above and returns their ids."""
    return [(await caller.post("/contacts", json=person)).json()["data"]["id"] for person in PEOPLE]


async def make(caller: Caller, rule: dict[str, Any] = CITY, name: str = "In Bergen") -> dict[str, Any]:
    """Stores a segment and returns it."""
    response = await caller.post("/segments", json={"name": name, "rule": rule})
    assert response.status_code == 201, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


async def count(caller: Caller, rule: dict[str, Any]) -> tuple[int, int]:
    """How many a rule selects, and how many of them may be written to."""
    response = await caller.post("/segments/count", json={"rule": rule})
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    return data["selected"], data["eligible"]


async def test_a_segment_is_stored_read_changed_and_deleted(caller: Caller) -> None:
    made = await make(caller)
    assert (await caller.get(f"/segments/{made['id']}")).json()["data"] == made
    assert made["rule"] == CITY
    assert made["number"] > 0
    changed = await caller.patch(f"/segments/{made['id']}", json={"rule": {"not": CITY}})
    assert (changed.json()["data"]["name"], changed.json()["data"]["rule"]) == ("In Bergen", {"not": CITY})
    renamed = await caller.patch(f"/segments/{made['id']}", json={"name": " Elsewhere "})
    assert (renamed.json()["data"]["name"], renamed.json()["data"]["rule"]) == ("Elsewhere", {"not": CITY})
    assert (await caller.delete(f"/segments/{made['id']}")).json()["data"] == {"id": made["id"], "deleted": True}
    assert (await caller.get(f"/segments/{made['id']}")).status_code == 404
    assert (await caller.delete(f"/segments/{made['id']}")).status_code == 404


async def test_segments_are_listed_page_by_page(caller: Caller) -> None:
    names = [(await make(caller, name=f"Segment {n}"))["name"] for n in range(5)]
    first = (await caller.get("/segments?limit=3")).json()["data"]
    rest = (await caller.get("/segments", params={"limit": 3, "cursor": first["nextCursor"]})).json()["data"]
    assert [segment["name"] for segment in first["items"] + rest["items"]] == names
    assert rest["nextCursor"] is None


async def test_a_count_tells_whom_a_rule_selects_and_whom_of_them_mail_may_be_sent_to(caller: Caller, app: App) -> None:
    ids = await populate(caller)
    await caller.delete(f"/contacts/{ids[3]}")
    assert await count(caller, {"everyone": True}) == (3, 2)
    assert await count(caller, CITY) == (2, 1)
    assert await count(caller, {"field": "attributes.score", "operator": "greaterThan", "value": 40}) == (2, 1)
    assert await count(caller, {"not": {"consent": "email", "value": False}}) == (2, 2)
    async with app.database.transaction() as tx:
        await suppressions.suppress(
            tx, account_id=caller.account.id, channel=ChannelName.EMAIL, address="ada@lovelace.example",
            reason=SuppressionReason.BOUNCED,
        )  # fmt: skip
    assert await count(caller, {"everyone": True}) == (3, 1)
    assert await count(caller, CITY) == (2, 0)


async def test_a_stored_segment_is_counted_and_its_contacts_are_listed(caller: Caller) -> None:
    ids = await populate(caller)
    made = await make(caller)
    assert (await caller.get(f"/segments/{made['id']}/count")).json()["data"] == {"selected": 3, "eligible": 1}
    first = (await caller.get(f"/segments/{made['id']}/contacts?limit=2")).json()["data"]
    query = {"limit": 2, "cursor": first["nextCursor"]}
    rest = (await caller.get(f"/segments/{made['id']}/contacts", params=query)).json()["data"]
    assert [contact["id"] for contact in first["items"] + rest["items"]] == [ids[0], ids[1], ids[3]]


async def test_a_rule_can_be_tried_before_it_is_stored(caller: Caller) -> None:
    ids = await populate(caller)
    tried = await caller.post("/segments/preview", json={"rule": {"not": CITY}, "limit": 5})
    assert [contact["id"] for contact in tried.json()["data"]["contacts"]] == [ids[2]]
    assert (await caller.post("/segments/preview", json={"rule": CITY, "limit": 101})).status_code == 422
    assert (await caller.get("/segments")).json()["data"]["items"] == []


async def test_a_rule_follows_the_members_of_a_group(caller: Caller) -> None:
    ids = await populate(caller)
    group = (await caller.post("/groups", json={"name": "Readers"})).json()["data"]["id"]
    rule = {"any": [{"group": group}, {"field": "attributes.tags", "operator": "contains", "value": "vip"}]}
    assert await count(caller, rule) == (1, 0)
    await caller.post(f"/groups/{group}/members", json={"contacts": ids[:2]})
    assert await count(caller, rule) == (3, 1)
    assert await count(caller, {"not": rule}) == (1, 1)
    await caller.delete(f"/groups/{group}")
    assert (await caller.post("/segments/count", json={"rule": rule})).status_code == 422


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({"rule": {"all": [CITY, {"field": "age"}]}}, "rule.all[1].field", "enum"),
        ({"rule": {"not": {"group": "f" * 24}}}, "rule.not.group", "exists"),
        ({"rule": {}}, "rule", "required"),
        ({"rule": []}, "rule", "type"),
        ({"rule": {"field": "firstName", "operator": "equal", "value": "a\0"}}, "rule.value", "nul"),
        ({}, "rule", "required"),
    ],
)
@pytest.mark.parametrize("path", ["/segments", "/segments/count", "/segments/preview"])
async def test_a_mistake_is_answered_with_its_place_in_the_rule(
    caller: Caller, path: str, body: dict[str, Any], field: str, rule: str
) -> None:
    response = await caller.post(path, json=({"name": "A"} if path == "/segments" else {}) | body)
    assert response.status_code in {400, 422}, response.text
    assert [(one["field"], one["rule"]) for one in response.json()["error"]["problems"]] == [(field, rule)]


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a" * 201, 5, None])
async def test_a_name_that_cannot_be_shown_is_refused(caller: Caller, name: object) -> None:
    response = await caller.post("/segments", json={"name": name, "rule": CITY})
    assert response.status_code in {400, 422}
    assert (await caller.get("/segments")).json()["data"]["items"] == []


async def test_two_segments_cannot_have_one_name(caller: Caller) -> None:
    await make(caller, name="One")
    other = await make(caller, name="Other")
    again = await caller.post("/segments", json={"name": "One", "rule": CITY})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "SEGMENT_NAME_TAKEN")
    renamed = await caller.patch(f"/segments/{other['id']}", json={"name": "One"})
    assert (renamed.status_code, renamed.json()["error"]["code"]) == (409, "SEGMENT_NAME_TAKEN")


async def test_of_many_requests_for_one_name_one_makes_a_segment(caller: Caller) -> None:
    body = {"name": "Only one", "rule": CITY}
    answers = await asyncio.gather(*(caller.post("/segments", json=body) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9


async def test_another_account_s_segment_and_group_are_not_here(caller: Caller, stranger: Caller) -> None:
    made = await make(stranger)
    group = (await stranger.post("/groups", json={"name": "Theirs"})).json()["data"]["id"]
    for method, path in (("get", ""), ("get", "/count"), ("get", "/contacts"), ("delete", "")):
        assert (await getattr(caller, method)(f"/segments/{made['id']}{path}")).status_code == 404
    assert (await caller.patch(f"/segments/{made['id']}", json={"name": "Mine"})).status_code == 404
    answer = await caller.post("/segments/count", json={"rule": {"group": group}})
    assert (answer.status_code, "exists" in answer.text) == (422, True)
    assert (await stranger.get(f"/segments/{made['id']}")).json()["data"] == made


async def test_reading_needs_one_permission_and_writing_another(caller: Caller, app: App, base_url: str) -> None:
    made = await make(caller)
    _, text = await key_with(app, caller, Permission.CONTACTS_READ)
    async with client_with(base_url, text) as reader:
        assert (await reader.get(f"{caller.root}/segments/{made['id']}")).status_code == 200
        assert (await reader.post(f"{caller.root}/segments/count", json={"rule": CITY})).status_code == 200
        assert (await reader.post(f"{caller.root}/segments", json={"name": "B", "rule": CITY})).status_code == 403
        assert (await reader.delete(f"{caller.root}/segments/{made['id']}")).status_code == 403


async def test_a_segment_that_a_draft_names_cannot_be_deleted(caller: Caller) -> None:
    made = await make(caller)
    draft = {"name": "Letter", "category": "marketing", "audience": {"segments": ["In Bergen"]}}
    campaign = await caller.post("/campaigns", json=draft)
    assert campaign.status_code == 201, campaign.text
    refused = await caller.delete(f"/segments/{made['id']}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "SEGMENT_IN_USE")
    assert "Letter" in refused.json()["error"]["message"]
    await caller.delete(f"/campaigns/{campaign.json()['data']['id']}")
    assert (await caller.delete(f"/segments/{made['id']}")).status_code == 200


async def test_a_segment_is_found_by_its_number_and_keeps_what_a_dialect_said(caller: Caller, app: App) -> None:
    account_id = caller.account.id
    async with app.database.transaction() as tx:
        made = await segments.create_segment(
            tx, account_id=account_id, name="All", rule=Everyone(), extras={"vendor": {"owner": "ada"}}
        )
    async with app.database.transaction() as tx:
        found = await segments.get_segment_by_number(tx, account_id=account_id, number=made.number)
        assert found == made
        changed = await segments.update_segment(tx, account_id=account_id, segment_id=made.id, name="Everyone")
    assert (changed.name, changed.extras) == ("Everyone", {"vendor": {"owner": "ada"}})
