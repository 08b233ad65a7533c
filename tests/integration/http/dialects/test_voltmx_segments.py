"""Volt MX's segments: what their conditions select of real contacts, and every part that may be missing or wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.integration.http.dialects.voltmx_scene import Volt, ahead, volt

from clarion.application import contact_fields
from clarion.application.contact_fields import FieldType
from clarion.bootstrap import App


@pytest.fixture
async def scene(app: App, base_url: str) -> AsyncIterator[Volt]:
    async with volt(app, base_url) as scene:
        yield scene


def condition(name: str, operator: str, value: object, number: object = 1) -> dict[str, Any]:
    return {
        "attributeName": name,
        "attributeOperator": operator,
        "attributeValue": value,
        "conditionNo": number,
    }


def segment(*conditions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    body = {"name": "Some", "conditionType": "all", "owner": "ada", "segmentAudienceList": list(conditions)}
    return {name: value for name, value in (body | changes).items() if value is not ...}


def advanced(definition: str) -> dict[str, Any]:
    return segment(condition("City", "Equal", "x"), conditionType="advanced", segmentDefinition=definition)


async def selected(scene: Volt, body: dict[str, Any]) -> int:
    """How many contacts a segment of this body selects."""
    made = await scene.done("segments", body)
    message: str = (await scene.get(f"segments/{made['id']}/validate"))["message"]
    assert message.startswith("Segment Criteria is valid. Audience Members Count: ")
    return int(message.rpartition(" ")[2])


async def test_a_segment_is_stored_shown_listed_modified_and_deleted(scene: Volt) -> None:
    body = segment(condition("City", "Equal", "Bergen"), condition("Age", "GreaterThan", "40", 2), name="Bergen")
    made = await scene.done("segments", body)
    assert made == {"id": made["id"], "message": "Details added successfully"}
    seen = await scene.get(f"segments/{made['id']}")
    assert seen["id"] == int(made["id"])
    assert {name: seen[name] for name in body} == body
    listed = await scene.get("segments")
    assert (listed["total"], [one["name"] for one in listed["segments"]]) == (2, ["Bergen", "All Users"])
    changed = segment(condition("City", "Equal", "Oslo"), name="Oslo")
    answer = await scene.done(f"segments/{made['id']}/modify", changed)
    assert answer == {"id": made["id"], "message": "Details updated successfully"}
    assert (await scene.get(f"segments/{made['id']}"))["name"] == "Oslo"
    await scene.done(f"segments/{made['id']}/delete")
    assert (await scene.http.get(f"/api/v1/segments/{made['id']}")).status_code == 400
    assert (await scene.get("segments?start=0&pageSize=1"))["total"] == 1


async def test_all_users_is_there_once_however_many_ask_at_once(scene: Volt) -> None:
    pages = await asyncio.gather(*(scene.get("segments") for _ in range(10)))
    assert {page["total"] for page in pages} == {1}
    (everybody,) = pages[0]["segments"]
    assert everybody["name"] == "All Users"
    assert await scene.refused(f"segments/{everybody['id']}/delete")
    assert await scene.refused(f"segments/{everybody['id']}/modify", segment(condition("City", "Equal", "x")))


async def test_conditions_select_by_columns_fields_and_attributes(scene: Volt, app: App) -> None:
    async with app.database.transaction() as tx:
        for name, type_ in (("Shoe Size", FieldType.NUMBER), ("Joined", FieldType.DATETIME)):
            await contact_fields.create_field(tx, account_id=scene.account.id, name=name, type_=type_)
    now = datetime.now(UTC)
    joined = {"joined": (now - timedelta(days=10)).isoformat()}
    await scene.person("ada@x.example", first_name="Ada", attributes={"City": "Bergen", "shoe_size": 38, **joined})
    later = {"joined": (now - timedelta(days=40)).isoformat()}
    await scene.person("bob@x.example", first_name="Bob", attributes={"City": "Oslo", "shoe_size": 44, **later})
    await scene.person("cy@y.example", phone="+441234567890", attributes={"score": "7", "vip": True})
    counts = [
        (condition("First Name", "Equal", "Ada"), 1),
        (condition("first name", "NotEqual", "Ada"), 2),
        (condition("Email", "Contains", "@X.example"), 2),
        (condition("Mobile Number", "Equal", "+44 1234 567890"), 1),
        (condition("City", "Contains", "er"), 1),
        (condition("Shoe Size", "GreaterThan", "40"), 1),
        (condition("shoe size", "LessThan", 40), 1),
        (condition("Shoe Size", "Equal", "38"), 1),
        (condition("score", "Equal", "7"), 1),
        (condition("vip", "Equal", "true"), 1),
        (condition("Joined", "GreaterThanCurrentDateMinus", "30"), 1),
        (condition("Joined", "LessThan CurrentDateMinus", 30), 1),
        (condition("Joined", "LessThanCurrentDatePlus", "1"), 2),
        (condition("Joined", "GreaterThanCurrentDatePlus", "1"), 0),
        (condition("Joined", "GreaterThan", (now - timedelta(days=20)).strftime("%m/%d/%Y")), 1),
        (condition("Joined", "Equal", (now - timedelta(days=40)).strftime("%m/%d/%Y")), 1),
        (condition("Joined", "NotEqual", (now - timedelta(days=40)).strftime("%m/%d/%Y")), 2),
        (condition("Created Date", "LessThan", ahead(days=1)), 3),
    ]
    for number, (one, count) in enumerate(counts):
        assert (one, await selected(scene, segment(one, name=f"s{number}"))) == (one, count)


async def test_conditions_go_together_by_any_all_and_an_expression(scene: Volt) -> None:
    for name, city, tier in (("a", "Bergen", "gold"), ("b", "Bergen", "silver"), ("c", "Oslo", "gold")):
        await scene.person(f"{name}@x.example", attributes={"City": city, "Tier": tier})
    both = (condition("City", "Equal", "Bergen", 1), condition("Tier", "Equal", "gold", "2"))
    kinds = [("any", "", 3), ("all", "", 1), ("Advanced", "1 AND (NOT 2)", 1), ("advanced", "not 1 or 2 and 1", 2)]
    for kind, definition, count in kinds:
        body = segment(*both, name=f"{kind} {definition}", conditionType=kind, segmentDefinition=definition)
        assert (kind, await selected(scene, body)) == (kind, count)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (segment(condition("City", "Equal", "x"), name=...), "name is missing"),
        (segment(condition("City", "Equal", "x"), conditionType=...), "conditionType is missing"),
        (segment(condition("City", "Equal", "x"), conditionType="some"), "conditionType must be any, all or advanced"),
        (segment(condition("City", "Equal", "x"), conditionType="advanced"), "segmentDefinition is missing"),
        (segment(), "segmentAudienceList is missing"),
        (segment(segmentAudienceList="x"), "segmentAudienceList must be a list of objects"),
        (segment(condition("", "Equal", "x")), "segmentAudienceList[0].attributeName is missing"),
        (segment(condition("City", "", "x")), "segmentAudienceList[0].attributeOperator is missing"),
        (segment(condition("City", "Equal", None)), "segmentAudienceList[0].attributeValue is missing"),
        (segment(condition("City", "Equal", "x", None)), "segmentAudienceList[0].conditionNo is missing"),
        (segment(condition("City", "Equal", "x", -1)), "must be a positive whole number of its own"),
        (segment(condition("a", "Equal", "x"), condition("b", "Equal", "x")), "whole number of its own"),
        (segment(condition("City", "Near", "x")), "attributeOperator must be Contains"),
        (segment(condition("City", "Equal", {"x": 1})), "attributeValue must be text"),
        (segment(condition("City", "GreaterThan", "x")), "attributeValue must be a number"),
        (segment(condition("City", "GreaterThanCurrentDateMinus", "x")), "must be a number of days"),
        (segment(condition("City", "LessThanCurrentDatePlus", "99999")), "days from now"),
        (segment(condition("First Name", "GreaterThanCurrentDateMinus", "1")), "needs an attribute that is a date"),
        (segment(condition("Created Date", "Equal", "yesterday")), "must be a date such as"),
        (segment(condition("Created Date", "Equal", "12/31/9999")), "calendar"),
        (segment(condition("Email", "Equal", "x" * 1001)), "at most 1000 characters"),
        (segment(*[condition("City", "Equal", "x", number) for number in range(1, 102)]), "at most 100 items"),
        (segment(*[condition("City", "Equal", "7", number) for number in range(1, 100)]), "one too many"),
        (segment(condition("City", "Equal", "x"), name="All Users"), "Another segment has this name"),
        (advanced("1 XOR 1"), "read at"),
        (advanced("2"), "not given"),
        (advanced("NOT " * 15 + "1"), "deep"),
        ([], "must be a JSON object"),
    ],
)  # fmt: skip
async def test_what_is_missing_or_wrong_is_refused_and_nothing_is_stored(scene: Volt, body: object, told: str) -> None:
    assert (await scene.get("segments"))["total"] == 1
    assert told in await scene.refused("segments", body)
    assert (await scene.get("segments"))["total"] == 1


async def test_a_segment_in_use_stays_and_a_campaign_names_it_by_its_number(scene: Volt) -> None:
    made = await scene.done("segments", segment(condition("City", "Equal", "Bergen")))
    campaign = await scene.made(campaignSegments=[{"segment": {"id": int(made["id"])}}])
    seen = await scene.get(f"campaigns/{campaign}")
    assert seen["campaignSegments"] == [{"segment": {"id": int(made["id"]), "name": "Some"}}]
    assert "use this segment" in await scene.refused(f"segments/{made['id']}/delete")
    await scene.done(f"campaigns/{campaign}/delete")
    await scene.done(f"segments/{made['id']}/delete")
