"""TextIt's groups, fields, flows and workspace: listing, making, changing, limits and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.http.conftest import Caller
from tests.integration.http.dialects.textit_scene import NOBODY, Workspace

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.bootstrap import App
from clarion.domain.ids import as_uuid, new_ids

REACHED = {"detail": "Cannot create object because workspace has reached limit."}


async def test_a_group_is_made_renamed_and_deleted(workspace: Workspace, strange_workspace: Workspace) -> None:
    made = await workspace.made("groups", {"name": " Reporters "})
    expected = {
        "uuid": made["uuid"], "name": "Reporters", "query": None, "status": "ready", "system": False, "count": 0,
    }  # fmt: skip
    assert made == expected
    await workspace.made("contacts", {"groups": [made["uuid"]]})
    renamed = await workspace.post("groups", {"name": "Editors"}, uuid=made["uuid"])
    assert (renamed.status_code, renamed.json()) == (200, expected | {"name": "Editors", "count": 1})
    assert (await strange_workspace.post("groups", {"name": "Mine"}, uuid=made["uuid"])).status_code == 404
    assert (await strange_workspace.delete("groups", uuid=made["uuid"])).status_code == 404
    done = await workspace.delete("groups", uuid=made["uuid"])
    assert (done.status_code, done.content) == (204, b"")
    assert await workspace.rows("groups") == []
    assert (await workspace.delete("groups", uuid=made["uuid"])).status_code == 404


async def test_groups_come_newest_first_and_are_found_by_uuid_or_name(workspace: Workspace) -> None:
    first, second = [await workspace.made("groups", {"name": name}) for name in ("Reporters", "Editors")]
    assert await workspace.rows("groups", manual_only="1") == [second, first]
    assert await workspace.rows("groups", name="rePORTERS") == [first]
    assert await workspace.rows("groups", uuid=second["uuid"]) == [second]
    assert await workspace.rows("groups", uuid=NOBODY) == await workspace.rows("groups", name="Nobody") == []
    both = await workspace.get("groups", uuid=first["uuid"], name="Reporters")
    assert both.json() == {"detail": "You may only specify one of the uuid, name parameters"}
    assert both.status_code == 400


@pytest.mark.parametrize(
    ("name", "sentences"),
    [
        ("reporters", ["This field must be unique."]),
        ("", ["This field may not be blank."]),
        (None, ["This field may not be null."]),
        ('"', ['Cannot contain the character: "']),
        (
            "x" * 65,
            ["Cannot be longer than 64 characters.", "Ensure this field has no more than 64 characters."],
        ),
    ],
)
async def test_a_group_is_named_by_the_rule_of_all_names(
    workspace: Workspace, name: str | None, sentences: list[str]
) -> None:
    await workspace.made("groups", {"name": "Reporters"})
    other = await workspace.made("groups", {"name": "Editors"})
    assert await workspace.refused("groups", {"name": name}) == {"name": sentences}
    assert await workspace.refused("groups", {"name": name}, uuid=other["uuid"]) == {"name": sentences}


async def test_a_group_keeps_its_own_name_in_other_capitals(workspace: Workspace) -> None:
    made = await workspace.made("groups", {"name": "Reporters"})
    assert (await workspace.post("groups", {"name": "REPORTERS"}, uuid=made["uuid"])).json()["name"] == "REPORTERS"


async def test_a_group_that_a_campaign_is_for_stays_until_the_campaign_is_archived(
    app: App, caller: Caller, workspace: Workspace
) -> None:
    made = await workspace.made("groups", {"name": "Reporters"})
    await workspace.made("campaigns", {"name": "Reminders", "group": "Reporters"})
    refused = await workspace.delete("groups", uuid=made["uuid"])
    said = {"detail": "Group is being used by campaigns which must be archived first."}
    assert (refused.status_code, refused.json()) == (400, said)
    (native,) = (await caller.get("/groups")).json()["data"]["items"]
    assert (await caller.delete(f"/groups/{native['id']}")).status_code == 409
    await _execute(app, "UPDATE campaign SET state = 'archived' WHERE account_id = $1", caller.account.id)
    assert (await workspace.delete("groups", uuid=made["uuid"])).status_code == 204


@pytest.mark.parametrize("query", [{}, {"uuid": "1234"}])
async def test_a_group_is_deleted_by_its_uuid_only(workspace: Workspace, query: dict[str, str]) -> None:
    response = await workspace.delete("groups", **query)
    assert (response.status_code, list(response.json())) == (400, ["detail"])


async def test_a_workspace_has_so_many_groups_and_is_told_before_its_body_is_looked_at(
    app: App, caller: Caller, workspace: Workspace
) -> None:
    await _execute(
        app,
        "INSERT INTO contact_group (id, account_id, name) SELECT id, $1, encode(id, 'hex') FROM unnest($2::bytea[]) id",
        caller.account.id,
        new_ids(250),
    )
    refused = await workspace.post("groups", {"name": 1.5, "query": "x"})
    assert (refused.status_code, refused.json()) == (409, REACHED)
    (some, *_) = await workspace.rows("groups")
    assert (await workspace.post("groups", {"name": "Renamed"}, uuid=some["uuid"])).status_code == 200


async def test_a_field_is_made_and_changed_and_keeps_its_key(workspace: Workspace) -> None:
    made = await workspace.made("fields", {"name": "Nick Name", "type": "text"})
    assert made == {
        "key": "nick_name",
        "name": "Nick Name",
        "type": "text",
        "featured": False,
        "priority": 0,
        "usages": {"flows": 0, "groups": 0, "campaign_events": 0},
        "agent_access": "view",
        "label": "Nick Name",
        "value_type": "text",
    }
    changed = await workspace.post("fields", {"name": "Age", "type": "number"}, key="nick_name")
    expected = made | {"name": "Age", "label": "Age", "type": "number", "value_type": "numeric"}
    assert (changed.status_code, changed.json()) == (200, expected)
    assert (await workspace.post("fields", {"name": "A", "type": "text"}, key="nope")).status_code == 404


async def test_fields_come_newest_first_and_are_found_by_key(workspace: Workspace) -> None:
    first = await workspace.made("fields", {"label": "Nick", "value_type": "numeric"})
    second = await workspace.made("fields", {"name": "Due", "type": "datetime"})
    assert (first["name"], first["type"]) == ("Nick", "number")
    assert await workspace.rows("fields") == [second, first]
    assert await workspace.rows("fields", key="nick") == [first]
    assert await workspace.rows("fields", key="created_on") == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"type": "text"}, {"non_field_errors": ["Field 'name' is required."]}),
        ({"name": "A"}, {"non_field_errors": ["Field 'type' is required."]}),
        ({"name": "A&B", "type": "text"}, {"name": ["Can only contain letters, numbers and hypens."]}),
        ({"name": "Has", "type": "text"}, {"name": ['Generated key "has" is invalid or a reserved name.']}),
        (
            {"name": "Created-On", "type": "text"},
            {"name": ['Generated key "created_on" is invalid or a reserved name.']},
        ),
        ({"name": "nick", "type": "text"}, {"name": ["This field must be unique."]}),
        ({"name": "A", "type": "video"}, {"type": ['"video" is not a valid choice.']}),
        ({"name": "x" * 37, "type": "text"}, {"name": ["Ensure this field has no more than 36 characters."]}),
        ({"label": "", "type": "text"}, {"label": ["This field may not be blank."]}),
    ],
)
async def test_a_field_that_breaks_a_rule_is_told(
    workspace: Workspace, body: dict[str, Any], said: dict[str, Any]
) -> None:
    await workspace.made("fields", {"name": "Nick", "type": "text"})
    assert await workspace.refused("fields", body) == said


async def test_a_date_that_events_follow_stays_a_date(workspace: Workspace) -> None:
    await workspace.made("fields", {"name": "Due", "type": "datetime"})
    await workspace.made("groups", {"name": "Reporters"})
    campaign = await workspace.made("campaigns", {"name": "Reminders", "group": "Reporters"})
    event = {"relative_to": "due", "offset": 1, "unit": "days", "delivery_hour": -1, "message": "Hi"}
    await workspace.made("campaign_events", event | {"campaign": campaign["uuid"]})
    refused = await workspace.refused("fields", {"name": "Due", "type": "text"}, key="due")
    assert refused == {"non_field_errors": ["Can't change type of date field being used by campaign events."]}
    (field,) = await workspace.rows("fields")
    assert (field["type"], field["usages"]["campaign_events"]) == ("datetime", 1)


async def test_a_workspace_has_so_many_fields(app: App, caller: Caller, workspace: Workspace) -> None:
    await _execute(
        app,
        "INSERT INTO contact_field (id, account_id, key, name, type) "
        "SELECT id, $1, 'k' || encode(id, 'hex'), encode(id, 'hex'), 'text' FROM unnest($2::bytea[]) AS id",
        caller.account.id,
        new_ids(250),
    )
    refused = await workspace.post("fields", {"name": 1.5})
    assert (refused.status_code, refused.json()) == (409, REACHED)


@pytest.mark.parametrize("noun", ["workspace", "org"])
async def test_the_workspace_is_the_account_of_the_key(
    app: App, caller: Caller, workspace: Workspace, noun: str
) -> None:
    await _execute(
        app,
        "UPDATE account SET country = 'RW', languages = '{kin,eng}', timezone = 'Africa/Kigali' WHERE id = $1",
        caller.account.id,
    )
    assert (await workspace.get(noun)).json() == {
        "uuid": as_uuid(caller.account.id),
        "name": "Analytical Engines",
        "country": "RW",
        "languages": ["kin", "eng"],
        "primary_language": "kin",
        "timezone": "Africa/Kigali",
        "date_style": "day_first",
        "anon": False,
        "credits": {"used": -1, "remaining": -1},
    }


async def test_there_are_no_flows(workspace: Workspace) -> None:
    assert (await workspace.get("flows")).json() == {"next": None, "previous": None, "results": []}
    assert (await workspace.get("flows", uuid="1234")).status_code == 400


async def _execute(app: App, statement: str, *values: object) -> None:
    assert isinstance(app.database, PostgresDatabase)
    async with app.database.transaction() as tx:
        await tx.connection.execute(statement, *values)
