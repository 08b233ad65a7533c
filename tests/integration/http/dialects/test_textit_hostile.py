"""Input that means harm or nothing, to every endpoint of TextIt's API: refused or stored, never a surprise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.integration.http.dialects.test_textit_entrance import LISTS
from tests.integration.http.dialects.textit_scene import Workspace

HOSTILE: tuple[Any, ...] = (10**30, -(10**17), 1e308, "\ud800", "a\0", {"a": {"b": [{}]}}, [[1]], True, "x" * 9000, -1)
QUERIES = ("uuid=%00", "id=99999999999999999999", "id=-1", "after=9999-99", "before=%ff", "urn=%00:x", "a=1&" * 101)
FIELDS = {
    "campaigns": ("name", "group"),
    "campaign_events": ("message", "offset", "campaign"),
    "groups": ("name",),
    "fields": ("name", "type", "value_type"),
    "contacts": ("name", "urns", "fields", "groups", "language", "note"),
    "contact_actions": ("contacts", "action", "group"),
    "broadcasts": ("text", "urns", "contacts", "quick_replies", "attachments", "base_language"),
    "messages": ("contact", "text", "quick_replies"),
}


@pytest.mark.parametrize(("noun", "field"), [(noun, field) for noun, fields in FIELDS.items() for field in fields])
async def test_hostile_values_are_refused_or_stored(workspace: Workspace, noun: str, field: str) -> None:
    for value in HOSTILE:
        response = await workspace.http.post(
            f"/api/v2/{noun}.json", content=json.dumps({field: value}), headers={"Content-Type": "application/json"}
        )
        assert response.status_code in (201, 400), (value, response.text)
        assert isinstance(response.json(), dict)
        assert response.status_code == 201 or len(response.content) < 2000, "a refusal does not tell all of it back"


@pytest.mark.parametrize("noun", LISTS)
async def test_hostile_queries_are_answered(workspace: Workspace, noun: str) -> None:
    for query in QUERIES:
        response = await workspace.http.get(f"/api/v2/{noun}.json?{query}")
        assert response.status_code in (200, 400), (query, response.text)


async def test_a_strange_host_does_not_get_into_links(workspace: Workspace) -> None:
    response = await workspace.http.get("/api/v2/.json", headers={"Host": "a_b.example"})
    assert response.json()["groups"] == "https://mail.sender.example/api/v2/groups"
    assert "evil" not in (await workspace.http.get("/api/v2/.json", headers={"Host": "evil/../x?"})).text
