"""TextIt's campaign events: every rule of a field, changing in place, filters, and deleting without losing the row."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.http.dialects.textit_scene import NOBODY, Workspace

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.bootstrap import App
from clarion.domain.ids import parse_uuid

WHOLE = ["A valid integer is required."]


@pytest.fixture
async def campaign(workspace: Workspace) -> dict[str, Any]:
    await workspace.made("groups", {"name": "Reporters"})
    await workspace.made("fields", {"name": "Due date", "type": "datetime"})
    await workspace.made("fields", {"name": "Nick", "type": "text"})
    return await workspace.made("campaigns", {"name": "Reminders", "group": "Reporters"})


def body(of: dict[str, Any], /, **changes: Any) -> dict[str, Any]:
    said = {
        "campaign": of["uuid"], "relative_to": "due_date", "offset": 3, "unit": "days", "delivery_hour": 9,
        "message": "You are due",
    }  # fmt: skip
    return {name: value for name, value in (said | changes).items() if value is not ...}


async def test_an_event_is_shown_in_full(workspace: Workspace, campaign: dict[str, Any]) -> None:
    made = await workspace.made("campaign_events", body(campaign))
    assert await workspace.rows("campaign_events") == [made]
    del made["uuid"], made["created_on"]
    assert made == {
        "campaign": {"uuid": campaign["uuid"], "name": "Reminders"},
        "relative_to": {"key": "due_date", "name": "Due date", "label": "Due date"},
        "offset": 3,
        "unit": "days",
        "delivery_hour": 9,
        "flow": None,
        "message": {"eng": "You are due"},
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"offset": -2_147_483_648},
        {"offset": "15"},
        {"offset": 0, "unit": "minutes", "delivery_hour": -1},
        {"unit": "hours", "delivery_hour": 23},
        {"unit": "weeks", "relative_to": "created_on"},
        {"relative_to": "last_seen_on"},
        {"message": {"eng": " trimmed ", "fra": "dû", "xyz": "…"}},
    ],
)
async def test_what_the_rules_allow_is_stored(
    workspace: Workspace, campaign: dict[str, Any], changes: dict[str, Any]
) -> None:
    made = await workspace.made("campaign_events", body(campaign, **changes))
    assert made["offset"] == int(changes.get("offset", 3))
    assert made["relative_to"]["key"] == changes.get("relative_to", "due_date")
    if "message" in changes:
        assert made["message"] == {"eng": "trimmed", "fra": "dû", "xyz": "…"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"campaign": ...}, {"campaign": ["This field is required."]}),
        ({"campaign": NOBODY}, {"campaign": [f"No such object: {NOBODY}"]}),
        ({"relative_to": "never"}, {"relative_to": ["No such object: never"]}),
        ({"relative_to": ["x"]}, {"relative_to": ["Must be a string or integer"]}),
        ({"relative_to": "nick"}, {"relative_to": ["Must be a field that holds a date."]}),
        ({"offset": 1.5}, {"offset": WHOLE}),
        ({"offset": True}, {"offset": WHOLE}),
        ({"offset": "abc"}, {"offset": WHOLE}),
        ({"offset": None}, {"offset": ["This field may not be null."]}),
        ({"offset": 2**31}, {"offset": ["Ensure this value is less than or equal to 2147483647."]}),
        ({"unit": "epocs"}, {"unit": ['"epocs" is not a valid choice.']}),
        ({"unit": "Days"}, {"unit": ['"Days" is not a valid choice.']}),
        ({"unit": ""}, {"unit": ['"" is not a valid choice.']}),
        ({"delivery_hour": 24}, {"delivery_hour": ["Ensure this value is less than or equal to 23."]}),
        ({"delivery_hour": -2}, {"delivery_hour": ["Ensure this value is greater than or equal to -1."]}),
        ({"delivery_hour": "x"}, {"delivery_hour": WHOLE}),
        ({"message": ""}, {"message": {"eng": ["This field may not be blank."]}}),
        ({"message": "  "}, {"message": {"eng": ["This field may not be blank."]}}),
        ({"message": {"eng": ""}}, {"message": {"eng": ["This field may not be blank."]}}),
        ({"message": "x" * 4097}, {"message": {"eng": ["Ensure this field has no more than 4096 characters."]}}),
        ({"message": {"base": "x"}}, {"message": {"base": ["Not an allowed ISO 639-3 language code."]}}),
        ({"message": 7}, {"message": ['Expected a dictionary of items but got type "int".']}),
        ({"message": {}}, {"message": ["This dictionary may not be empty."]}),
        ({"message": None}, {"message": ["This field may not be null."]}),
        ({"message": {"fra": "dû"}}, {"message": ["Message text in default flow language is required."]}),
        ({"message": {"eng": {}}}, {"message": {"eng": ["Not a valid string."]}}),
        ({"message": "a\0b"}, {"message": ["Null characters are not allowed."]}),
        ({"message": ...}, {"non_field_errors": ["Flow or a message text required."]}),
        ({"message": ..., "flow": NOBODY}, {"flow": [f"No such object: {NOBODY}"]}),
        (
            {"message": {f"{a}{b}a": "x" for a in "abcdefg" for b in "abcdefgh"}},
            {"message": ["Ensure this field has no more than 50 elements."]},
        ),
    ],
)
async def test_what_breaks_a_rule_is_told_in_the_vendors_shape(
    workspace: Workspace, campaign: dict[str, Any], changes: dict[str, Any], said: dict[str, Any]
) -> None:
    assert await workspace.refused("campaign_events", body(campaign, **changes)) == said
    assert await workspace.rows("campaign_events") == []


async def test_everything_that_is_missing_is_told_at_once(workspace: Workspace) -> None:
    required = ["This field is required."]
    fields = ("campaign", "relative_to", "offset", "unit", "delivery_hour")
    assert await workspace.refused("campaign_events", {}) == dict.fromkeys(fields, required)


async def test_an_event_is_changed_in_place_also_without_naming_its_campaign(
    workspace: Workspace, campaign: dict[str, Any]
) -> None:
    made = await workspace.made("campaign_events", body(campaign))
    changed = await workspace.post(
        "campaign_events", body(campaign, campaign=..., offset=-1, unit="weeks", message="Late"), uuid=made["uuid"]
    )
    assert changed.status_code == 200
    expected = made | {"offset": -1, "unit": "weeks", "message": {"eng": "Late"}}
    assert changed.json() == expected
    assert await workspace.rows("campaign_events", uuid=made["uuid"]) == [expected]


async def test_an_event_stays_with_its_campaign(workspace: Workspace, campaign: dict[str, Any]) -> None:
    made = await workspace.made("campaign_events", body(campaign))
    other = await workspace.made("campaigns", {"name": "Other", "group": "Reporters"})
    refused = await workspace.refused("campaign_events", body(other), uuid=made["uuid"])
    assert refused == {"campaign": ["Cannot change campaign for existing events"]}


async def test_events_are_found_by_campaign_and_come_newest_first(
    workspace: Workspace, strange_workspace: Workspace, campaign: dict[str, Any]
) -> None:
    other = await workspace.made("campaigns", {"name": "Other", "group": "Reporters"})
    first, second = [await workspace.made("campaign_events", body(campaign, offset=n)) for n in (1, 2)]
    third = await workspace.made("campaign_events", body(other))
    assert await workspace.rows("campaign_events") == [third, second, first]
    assert await workspace.rows("campaign_events", campaign=campaign["uuid"]) == [second, first]
    assert await workspace.rows("campaign_events", campaign="Other") == [third]
    for stranger in ("other", "Nobody", NOBODY):
        assert await workspace.rows("campaign_events", campaign=stranger) == []
    assert await workspace.rows("campaign_events", uuid=NOBODY) == []
    assert await strange_workspace.rows("campaign_events", uuid=first["uuid"]) == []
    bad = await workspace.get("campaign_events", uuid="1234")
    assert (bad.status_code, bad.json()) == (400, {"detail": "Param 'uuid': 1234 is not a valid UUID."})


async def test_a_deleted_event_is_gone_for_callers_and_kept_as_a_row(
    app: App, workspace: Workspace, strange_workspace: Workspace, campaign: dict[str, Any]
) -> None:
    made = await workspace.made("campaign_events", body(campaign))
    assert (await strange_workspace.delete("campaign_events", uuid=made["uuid"])).status_code == 404
    done = await workspace.delete("campaign_events", uuid=made["uuid"])
    assert (done.status_code, done.content) == (204, b"")
    assert await workspace.rows("campaign_events") == []
    assert (await workspace.delete("campaign_events", uuid=made["uuid"])).status_code == 404
    assert (await workspace.post("campaign_events", body(campaign), uuid=made["uuid"])).status_code == 404
    assert isinstance(app.database, PostgresDatabase)
    async with app.database.reading() as tx:
        kept = "SELECT deleted_at IS NOT NULL FROM campaign_event WHERE id = $1"
        assert await tx.connection.fetchval(kept, parse_uuid(made["uuid"])) is True


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, "URL must contain one of the following parameters: uuid"),
        ({"uuid": "1234"}, "Param 'uuid': 1234 is not a valid UUID."),
    ],
)
async def test_a_delete_without_a_good_uuid_is_400(workspace: Workspace, query: dict[str, str], said: str) -> None:
    response = await workspace.delete("campaign_events", **query)
    assert (response.status_code, response.json()) == (400, {"detail": said})


async def test_the_events_of_an_archived_campaign_are_listed_and_deleted_but_not_changed(
    app: App, workspace: Workspace, campaign: dict[str, Any]
) -> None:
    made = await workspace.made("campaign_events", body(campaign))
    assert isinstance(app.database, PostgresDatabase)
    async with app.database.transaction() as tx:
        archive = "UPDATE campaign SET state = 'archived' WHERE id = $1"
        await tx.connection.execute(archive, parse_uuid(campaign["uuid"]))
    assert await workspace.rows("campaign_events", campaign=campaign["uuid"]) == [made]
    refused = await workspace.refused("campaign_events", body(campaign), uuid=made["uuid"])
    assert refused == {"campaign": [f"No such object: {campaign['uuid']}"]}
    assert (await workspace.delete("campaign_events", uuid=made["uuid"])).status_code == 204
