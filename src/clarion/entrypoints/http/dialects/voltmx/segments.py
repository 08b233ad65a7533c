"""Segments: list, get, create, modify, delete and count.

What an author said is kept with the segment under `voltmx` and shown again; who is selected is decided by the rule made
of it. Where to read next: `criteria`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from clarion.application import segments
from clarion.application.contact_fields import list_fields
from clarion.application.ports import Transaction
from clarion.domain.access import Permission
from clarion.domain.errors import Conflict
from clarion.domain.segment import SEGMENT_NAME_LIMIT, Rule, Segment
from clarion.entrypoints.http.dialect import Answers
from clarion.entrypoints.http.dialects.voltmx.calls import PAGING, Call, Reply, endpoint, page_of
from clarion.entrypoints.http.dialects.voltmx.criteria import Attributes, rule_of
from clarion.entrypoints.http.dialects.voltmx.everyone import all_users, is_built_in
from clarion.entrypoints.http.dialects.voltmx.moments import noted
from clarion.entrypoints.http.dialects.voltmx.refusals import Body, objects, optional_text, required_text
from clarion.entrypoints.http.dialects.voltmx.wishes import EXTRAS, server_zone

PATH: Final = "/api/v1/segments"
_OWNER_LIMIT: Final = 255
_DEFINITION_LIMIT: Final = 2000
_CONDITION: Final = ("attributeName", "attributeOperator", "attributeValue", "conditionNo")
_EXAMPLE: Final = {
    "name": "Gold in Bergen",
    "conditionType": "advanced",
    "owner": "ada@lovelace.example",
    "segmentDefinition": "1 AND (NOT 2)",
    "segmentAudienceList": [
        {"attributeName": "City", "attributeOperator": "Equal", "attributeValue": "Bergen", "conditionNo": 1},
        {"attributeName": "Tier", "attributeOperator": "NotEqual", "attributeValue": "gold", "conditionNo": 2},
    ],
}


class SegmentInput(msgspec.Struct, rename="camel"):
    """A segment to create, or what it is to become."""

    name: str
    condition_type: str
    segment_audience_list: list[dict[str, Any]]
    owner: str = ""
    segment_definition: str = ""


class SegmentView(msgspec.Struct, rename="camel"):
    """A segment. One that was made elsewhere has no conditions to show."""

    id: int
    name: str
    condition_type: str
    owner: str
    segment_definition: str
    segment_audience_list: list[dict[str, Any]]
    created_by: str
    created_date_str: str
    last_modified_by: str
    last_modified_date_str: str


class SegmentPage(msgspec.Struct):
    """A page of segments; `total` counts all of them."""

    total: int
    segments: list[SegmentView]


@endpoint(
    name="list_segments",
    method="GET",
    path=PATH,
    summary="List segments",
    description="`All Users` is always among them.",
    needs=(Permission.CONTACTS_READ,),
    parameters=PAGING,
    answers=Answers("A page, oldest first", SegmentPage),
)
async def list_segments(tx: Transaction, call: Call) -> object:
    """A page of segments."""
    skip, limit = page_of(call)
    await all_users(tx, call.account_id)
    total, found = await segments.slice_segments(tx, account_id=call.account_id, skip=skip, limit=limit)
    return SegmentPage(total, await _views(tx, call, found))


@endpoint(
    name="get_segment",
    method="GET",
    path=f"{PATH}/{{id}}",
    summary="Read a segment",
    needs=(Permission.CONTACTS_READ,),
    answers=Answers("The segment", SegmentView),
)
async def get_segment(tx: Transaction, call: Call) -> object:
    """One segment."""
    return (await _views(tx, call, [await _found(tx, call)]))[0]


@endpoint(
    name="create_segment",
    method="POST",
    path=PATH,
    summary="Create a segment",
    needs=(Permission.CONTACTS_WRITE,),
    body=SegmentInput,
    body_example=_EXAMPLE,
    answers=Answers("Stored", Reply, example={"id": "7", "message": "Details added successfully"}),
)
async def create_segment(tx: Transaction, call: Call) -> object:
    """Stores a segment."""
    name = required_text(call.body, "name", SEGMENT_NAME_LIMIT)
    rule, extras = await _rule(tx, call), _said(call, {})
    made = await segments.create_segment(tx, account_id=call.account_id, name=name, rule=rule, extras=extras)
    return {"id": str(made.number), "message": "Details added successfully"}


@endpoint(
    name="modify_segment",
    method="POST",
    path=f"{PATH}/{{id}}/modify",
    summary="Modify a segment",
    description="Replaces all of it. Campaigns that run read it at their next recheck.",
    needs=(Permission.CONTACTS_WRITE,),
    body=SegmentInput,
    body_example=_EXAMPLE,
    answers=Answers("Stored", Reply, example={"id": "7", "message": "Details updated successfully"}),
)
async def modify_segment(tx: Transaction, call: Call) -> object:
    """Replaces a segment."""
    before = await _own(tx, call)
    name = required_text(call.body, "name", SEGMENT_NAME_LIMIT)
    rule, extras = await _rule(tx, call), _said(call, before.extras)
    await segments.update_segment(
        tx, account_id=call.account_id, segment_id=before.id, name=name, rule=rule, extras=extras
    )
    return {"id": str(before.number), "message": "Details updated successfully"}


@endpoint(
    name="delete_segment",
    method="POST",
    path=f"{PATH}/{{id}}/delete",
    summary="Delete a segment",
    description="One that a campaign uses which has not ended stays.",
    needs=(Permission.CONTACTS_WRITE,),
    answers=Answers("Gone", Reply, example={"id": "7", "message": "Segment deleted successfully"}),
)
async def delete_segment(tx: Transaction, call: Call) -> object:
    """Removes a segment."""
    found = await _own(tx, call)
    await segments.delete_segment(tx, account_id=call.account_id, segment_id=found.id)
    return {"id": str(found.number), "message": "Segment deleted successfully"}


@endpoint(
    name="validate_segment",
    method="GET",
    path=f"{PATH}/{{id}}/validate",
    summary="Count a segment",
    needs=(Permission.CONTACTS_READ,),
    answers=Answers(
        "Counted", Reply, example={"id": "7", "message": "Segment Criteria is valid. Audience Members Count: 1"}
    ),
)
async def validate_segment(tx: Transaction, call: Call) -> object:
    """Counts whom a segment selects now."""
    found = await _found(tx, call)
    count = await segments.count_segment(tx, account_id=call.account_id, rule=found.rule)
    message = f"Segment Criteria is valid. Audience Members Count: {count.selected}"
    return {"id": str(found.number), "message": message}


async def _found(tx: Transaction, call: Call) -> Segment:
    return await segments.get_segment_by_number(tx, account_id=call.account_id, number=call.number("segment"))


async def _own(tx: Transaction, call: Call) -> Segment:
    found = await _found(tx, call)
    if is_built_in(found):
        raise Conflict("SEGMENT_BUILT_IN", "All Users can be neither modified nor deleted")
    return found


async def _rule(tx: Transaction, call: Call) -> Rule:
    fields = await list_fields(tx, account_id=call.account_id)
    attributes = Attributes(fields, await server_zone(tx, call.account_id))
    return segments.parse_rule(rule_of(call.body, attributes), "segmentAudienceList")


def _said(call: Call, before: Body) -> dict[str, Any]:
    """What is kept of a body: only the fields that are read."""
    author = call.principal.owner_email or call.principal.key_id.hex()
    earlier = before.get(EXTRAS)
    said = {
        "conditionType": call.body["conditionType"].strip().lower(),
        "owner": optional_text(call.body, "owner", _OWNER_LIMIT) or author,
        "segmentDefinition": optional_text(call.body, "segmentDefinition", _DEFINITION_LIMIT),
        "segmentAudienceList": [
            {name: item[name] for name in _CONDITION} for item in objects(call.body, "segmentAudienceList")
        ],
        "createdBy": earlier.get("createdBy", author) if isinstance(earlier, dict) else author,
        "lastModifiedBy": author,
    }
    return {**before, EXTRAS: said}


async def _views(tx: Transaction, call: Call, found: list[Segment]) -> list[SegmentView]:
    zone = await server_zone(tx, call.account_id)
    return [
        SegmentView(
            id=segment.number,
            name=segment.name,
            condition_type=said.get("conditionType", "all"),
            owner=said.get("owner", ""),
            segment_definition=said.get("segmentDefinition", ""),
            segment_audience_list=said.get("segmentAudienceList", []),
            created_by=said.get("createdBy", ""),
            created_date_str=noted(segment.created_at, zone),
            last_modified_by=said.get("lastModifiedBy", ""),
            last_modified_date_str=noted(segment.updated_at, zone),
        )
        for segment in found
        for said in [segment.extras.get(EXTRAS) or {}]
    ]
