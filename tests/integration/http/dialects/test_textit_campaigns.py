"""TextIt's campaigns: the name rule word for word, references to groups, listing, pages, and what cannot be done."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.integration.http.conftest import Caller
from tests.integration.http.dialects.textit_scene import NOBODY, Workspace

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.bootstrap import App
from clarion.domain.ids import as_uuid, new_ids, parse_uuid

LONG = "x" * 65


@pytest.fixture
async def group(workspace: Workspace) -> dict[str, Any]:
    return await workspace.made("groups", {"name": "Reporters"})


async def test_a_campaign_is_made_as_the_vendors_page_shows(workspace: Workspace, group: dict[str, Any]) -> None:
    made = await workspace.made("campaigns", {"name": "Reminders", "group": group["uuid"]})
    assert list(made) == ["uuid", "name", "archived", "group", "created_on"]
    assert made["group"] == {"uuid": group["uuid"], "name": "Reporters"}
    assert (made["name"], made["archived"]) == ("Reminders", False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", made["created_on"])
    page = (await workspace.get("campaigns")).json()
    assert page == {"next": None, "previous": None, "results": [made]}


@pytest.mark.parametrize("body", [{"name": "  By name  ", "group": "rePORTers"}, {"name": 7, "group": "Reporters"}])
async def test_a_group_may_be_named_and_a_name_is_trimmed_or_a_number(
    workspace: Workspace, group: dict[str, Any], body: dict[str, Any]
) -> None:
    made = await workspace.made("campaigns", body)
    assert (made["name"], made["group"]["uuid"]) == (str(body["name"]).strip(), group["uuid"])


@pytest.mark.parametrize(
    ("name", "sentences"),
    [
        (None, ["This field may not be null."]),
        ("", ["This field may not be blank."]),
        ("   ", ["This field may not be blank."]),
        (LONG, ["Cannot be longer than 64 characters.", "Ensure this field has no more than 64 characters."]),
        ('a"b', ['Cannot contain the character: "']),
        ("a\\b", ["Cannot contain the character: \\"]),
        ("a\0b", ["Null characters are not allowed."]),
        (["a"], ["Not a valid string."]),
        (True, ["Not a valid string."]),
        ({"a": 1}, ["Not a valid string."]),
    ],
)
async def test_a_bad_name_is_refused_in_the_vendors_words(
    workspace: Workspace, group: dict[str, Any], name: object, sentences: list[str]
) -> None:
    assert await workspace.refused("campaigns", {"name": name, "group": group["uuid"]}) == {"name": sentences}
    assert await workspace.rows("campaigns") == []


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        (NOBODY, f"No such object: {NOBODY}"),
        ("Nobody", "No such object: Nobody"),
        (7, "No such object: 7"),
        (True, "No such object: True"),
        ("", "This field may not be null."),
        (None, "This field may not be null."),
        ([], "Must be a string or integer"),
        ({}, "Must be a string or integer"),
        (1.5, "Must be a string or integer"),
    ],
)
async def test_a_bad_reference_to_a_group_is_refused(workspace: Workspace, reference: object, sentence: str) -> None:
    assert await workspace.refused("campaigns", {"name": "A", "group": reference}) == {"group": [sentence]}


async def test_everything_that_is_missing_is_told_at_once(workspace: Workspace) -> None:
    required = ["This field is required."]
    assert await workspace.refused("campaigns", {}) == {"name": required, "group": required}


async def test_a_name_is_taken_in_any_capitals_but_by_the_campaign_itself(
    workspace: Workspace, strange_workspace: Workspace, group: dict[str, Any]
) -> None:
    first = await workspace.made("campaigns", {"name": "Reminders", "group": group["uuid"]})
    second = await workspace.made("campaigns", {"name": "Others", "group": group["uuid"]})
    taken = {"name": ["This field must be unique."]}
    assert await workspace.refused("campaigns", {"name": "REMINDERS", "group": group["uuid"]}) == taken
    renamed = {"name": "reminders", "group": group["uuid"]}
    assert await workspace.refused("campaigns", renamed, uuid=second["uuid"]) == taken
    assert (await workspace.post("campaigns", renamed, uuid=first["uuid"])).json()["name"] == "reminders"
    await strange_workspace.made("groups", {"name": "Reporters"})
    await strange_workspace.made("campaigns", {"name": "Reminders", "group": "Reporters"})


async def test_a_change_replaces_name_and_group_and_keeps_the_rest(workspace: Workspace, group: dict[str, Any]) -> None:
    made = await workspace.made("campaigns", {"name": "Reminders", "group": group["uuid"]})
    other = await workspace.made("groups", {"name": "Editors"})
    response = await workspace.post("campaigns", {"name": "Reminders II", "group": "editors"}, uuid=made["uuid"])
    assert response.status_code == 200
    changed = made | {"name": "Reminders II", "group": {"uuid": other["uuid"], "name": "Editors"}}
    assert response.json() == changed
    assert await workspace.rows("campaigns") == [changed]
    assert await workspace.refused("campaigns", {"name": "A"}, uuid=made["uuid"]) == {
        "group": ["This field is required."]
    }


async def test_what_is_not_there_is_404_on_change_and_an_empty_list_on_reading(
    workspace: Workspace, strange_workspace: Workspace, group: dict[str, Any]
) -> None:
    made = await workspace.made("campaigns", {"name": "Reminders", "group": group["uuid"]})
    for caller, uuid in ((workspace, NOBODY), (strange_workspace, made["uuid"])):
        response = await caller.post("campaigns", {"name": "A", "group": "B"}, uuid=uuid)
        assert (response.status_code, list(response.json())) == (404, ["detail"])
        assert await caller.rows("campaigns", uuid=uuid) == []
    assert await strange_workspace.rows("campaigns") == []
    foreign = await strange_workspace.refused("campaigns", {"name": "A", "group": group["uuid"]})
    assert foreign == {"group": [f"No such object: {group['uuid']}"]}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_malformed_uuid_is_told(workspace: Workspace, method: str) -> None:
    response = await workspace.http.request(method, "/api/v2/campaigns.json?uuid=1234", json={})
    assert response.status_code == 400
    assert response.json() == {"detail": "Param 'uuid': 1234 is not a valid UUID."}


async def test_a_campaign_is_found_by_its_uuid_in_any_spelling_and_the_first_one_counts(
    workspace: Workspace, group: dict[str, Any]
) -> None:
    made = [await workspace.made("campaigns", {"name": name, "group": group["uuid"]}) for name in ("A", "B")]
    assert await workspace.rows("campaigns", uuid=made[0]["uuid"].upper()) == [made[0]]
    assert await workspace.rows("campaigns", uuid=[made[1]["uuid"], made[0]["uuid"]]) == [made[1]]


async def test_campaigns_come_newest_first_and_between_two_moments(workspace: Workspace, group: dict[str, Any]) -> None:
    made = [await workspace.made("campaigns", {"name": name, "group": group["uuid"]}) for name in ("A", "B", "C")]
    assert await workspace.rows("campaigns") == made[::-1]
    assert await workspace.rows("campaigns", after=made[1]["created_on"]) == [made[2], made[1]]
    assert await workspace.rows("campaigns", before=made[1]["created_on"]) == [made[1], made[0]]
    assert await workspace.rows("campaigns", after="2999-01-01") == []
    assert await workspace.rows("campaigns", before="not a moment") == []


async def test_archived_campaigns_are_hidden_but_their_names_stay_taken(
    app: App, workspace: Workspace, group: dict[str, Any]
) -> None:
    made = await workspace.made("campaigns", {"name": "Reminders", "group": group["uuid"]})
    await _execute(app, "UPDATE campaign SET state = 'archived' WHERE id = $1", parse_uuid(made["uuid"]))
    assert await workspace.rows("campaigns") == await workspace.rows("campaigns", uuid=made["uuid"]) == []
    body = {"name": "Reminders", "group": group["uuid"]}
    assert (await workspace.post("campaigns", body, uuid=made["uuid"])).status_code == 404
    assert await workspace.refused("campaigns", body) == {"name": ["This field must be unique."]}


async def test_campaigns_of_other_kinds_are_not_listed(caller: Caller, workspace: Workspace) -> None:
    response = await caller.post("/campaigns", json={"name": "A broadcast", "category": "marketing"})
    assert response.status_code == 201, response.text
    assert await workspace.rows("campaigns") == []


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH"])
async def test_there_is_no_other_way_to_change_a_campaign(workspace: Workspace, method: str) -> None:
    response = await workspace.http.request(method, f"/api/v2/campaigns.json?uuid={NOBODY}")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    assert response.json() == {"detail": f'Method "{method}" not allowed.'}


async def test_1255_campaigns_of_one_moment_come_in_five_full_pages_and_one_of_five(
    app: App, caller: Caller, workspace: Workspace
) -> None:
    ids = new_ids(1255)
    await _execute(
        app,
        "INSERT INTO campaign (id, account_id, kind, state, name, category, created_at) "
        "SELECT id, $1, 'sequence', 'draft', encode(id, 'hex'), 'marketing', '2026-01-07T03:04:05Z' "
        "FROM unnest($2::bytea[]) AS id",
        caller.account.id,
        ids,
    )
    first = f"{workspace.http.base_url}/api/v2/campaigns.json?page_size=7&name=%C3%A9"
    pages, url = [], first
    while url:
        page = (await workspace.http.get(url)).json()
        pages.append([row["uuid"] for row in page["results"]])
        url = page["next"]
        assert url is None or ("page_size=7" in url and "name=%C3%A9" in url and url.startswith("http://127.0.0.1"))
    assert [len(page) for page in pages] == [250] * 5 + [5]
    assert [uuid for page in pages for uuid in page] == [as_uuid(id_) for id_ in reversed(ids)]
    created = {row["created_on"] for row in await workspace.rows("campaigns")}
    assert created == {"2026-01-07T03:04:05Z"}


@pytest.mark.parametrize("cursor", ["bad", "cD0y", "é", "x" * 5000])
async def test_a_cursor_of_ones_own_making_is_404(workspace: Workspace, cursor: str) -> None:
    response = await workspace.get("campaigns", cursor=cursor)
    assert (response.status_code, response.json()) == (404, {"detail": "Invalid cursor"})


async def test_a_cursor_is_good_for_its_own_list_and_workspace_only(
    app: App, caller: Caller, workspace: Workspace, strange_workspace: Workspace
) -> None:
    await _execute(
        app,
        "INSERT INTO contact_group (id, account_id, name) SELECT id, $1, encode(id, 'hex') FROM unnest($2::bytea[]) id",
        caller.account.id,
        new_ids(251),
    )
    following = (await workspace.get("groups")).json()["next"]
    cursor = re.search(r"cursor=([^&]+)", following)
    assert cursor is not None
    assert len(await workspace.rows("groups", cursor=cursor[1])) == 1
    assert (await workspace.get("campaigns", cursor=cursor[1])).status_code == 404
    assert (await strange_workspace.get("groups", cursor=cursor[1])).status_code == 404


async def _execute(app: App, statement: str, *values: object) -> None:
    assert isinstance(app.database, PostgresDatabase)
    async with app.database.transaction() as tx:
        await tx.connection.execute(statement, *values)
