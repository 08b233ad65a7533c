"""TextIt's contact actions: one thing done to up to a hundred contacts, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.http.dialects.textit_scene import NOBODY, Workspace


@pytest.fixture
async def ann(workspace: Workspace) -> dict[str, Any]:
    await workspace.made("groups", {"name": "Farmers"})
    return await workspace.made("contacts", {"name": "Ann", "urns": ["mailto:ann@lake.example", "tel:+12065550100"]})


async def test_many_contacts_join_and_leave_a_group(workspace: Workspace, ann: dict[str, Any]) -> None:
    bob = await workspace.made("contacts", {"name": "Bob"})
    body = {"contacts": [ann["urns"][0], bob["uuid"]], "action": "add", "group": "Farmers"}
    done = await workspace.post("contact_actions", body)
    assert (done.status_code, done.content) == (204, b"")
    joined = await workspace.rows("contacts", group="Farmers")
    assert {row["uuid"] for row in joined} == {ann["uuid"], bob["uuid"]}
    assert min(row["modified_on"] for row in joined) > bob["modified_on"]
    await workspace.post("contact_actions", body | {"action": "remove", "contacts": [bob["uuid"]]})
    assert [row["uuid"] for row in await workspace.rows("contacts", group="Farmers")] == [ann["uuid"]]


async def test_a_blocked_contact_leaves_its_groups_and_may_join_none(workspace: Workspace, ann: dict[str, Any]) -> None:
    action = {"contacts": [ann["uuid"]], "action": "add", "group": "Farmers"}
    await workspace.post("contact_actions", action)
    await workspace.post("contact_actions", {"contacts": [ann["uuid"]], "action": "block"})
    (blocked,) = await workspace.rows("contacts", uuid=ann["uuid"])
    assert (blocked["status"], blocked["blocked"], blocked["groups"]) == ("blocked", True, [])
    refused = await workspace.refused("contact_actions", action)
    assert refused == {"non_field_errors": [f"Non-active contacts cannot be added to groups: {ann['uuid']}"]}
    refused = await workspace.refused("contacts", {"groups": ["Farmers"]}, uuid=ann["uuid"])
    assert refused == {"groups": ["Non-active contacts can't be added to groups"]}
    await workspace.post("contact_actions", {"contacts": [ann["uuid"]], "action": "unblock"})
    (active,) = await workspace.rows("contacts", uuid=ann["uuid"])
    assert (active["status"], active["groups"]) == ("active", [])


@pytest.mark.parametrize("action", ["interrupt", "archive_messages", "archive"])
async def test_actions_on_what_is_not_here_change_nothing(
    workspace: Workspace, ann: dict[str, Any], action: str
) -> None:
    done = await workspace.post("contact_actions", {"contacts": [ann["uuid"]], "action": action})
    assert done.status_code == 204
    assert await workspace.rows("contacts") == [ann]


async def test_many_contacts_are_deleted_at_once(workspace: Workspace, ann: dict[str, Any]) -> None:
    await workspace.post("contact_actions", {"contacts": [ann["uuid"], ann["urns"][1]], "action": "delete"})
    assert await workspace.rows("contacts") == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, {"action": ["This field is required."], "contacts": ["This field is required."]}),
        ({"action": "like"}, {"action": ['"like" is not a valid choice.']}),
        ({"action": "add"}, {"non_field_errors": ['For action "add" you should also specify a group']}),
        (
            {"action": "block", "group": "Farmers"},
            {"non_field_errors": ['For action "block" you should not specify a group']},
        ),
        ({"action": "add", "group": "Nobody"}, {"group": ["No such object: Nobody"]}),
        ({"action": "block", "contacts": []}, {"contacts": ["Contacts can't be empty."]}),
        ({"action": "block", "contacts": [NOBODY]}, {"contacts": {"0": [f"No such object: {NOBODY}"]}}),
        (
            {"action": "block", "contacts": ["x"] * 101},
            {"contacts": ["Ensure this field has no more than 100 elements."]},
        ),
    ],
)
async def test_an_action_that_breaks_a_rule_is_told(
    workspace: Workspace, ann: dict[str, Any], body: dict[str, Any], said: dict[str, Any]
) -> None:
    given = {"contacts": [ann["uuid"]]} if body else {}
    assert await workspace.refused("contact_actions", given | body) == said
