"""Segments: stored rules that select contacts, and rules that are tried before they are stored.

Owns how segments look to callers. The language of rules is `application.segment_rules`; docs/segments.md explains it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from clarion.application.ports import Transaction
from clarion.application.segments import (
    check_groups,
    count_segment,
    create_segment,
    delete_segment,
    get_segment,
    list_segment_contacts,
    list_segments,
    parse_rule,
    preview_segment,
    rule_to_json,
    update_segment,
)
from clarion.domain.access import Permission
from clarion.domain.campaign import AudienceCount
from clarion.domain.ids import Id
from clarion.domain.segment import RULE_DEPTH, RULE_NODES, SEGMENT_NAME_LIMIT, Rule, Segment
from clarion.entrypoints.http.api.contacts import ContactView
from clarion.entrypoints.http.api.paging import Deleted, HexId, Page, PageQuery, after_id, page
from clarion.entrypoints.http.operation import Call, Nothing, operation

PREVIEW_LIMIT = 100

SegmentName = Annotated[str, Meta(min_length=1, max_length=SEGMENT_NAME_LIMIT, examples=["Teams in Bergen"])]
RuleJson = Annotated[
    dict[str, Any],
    Meta(
        description=(
            "A tree: `{all: […]}`, `{any: […]}`, `{not: …}`, `{field, operator, value}`, `{group: id}`, "
            "`{consent: channel, value}` or `{everyone: true}`; at most "
            f"{RULE_NODES} of them in {RULE_DEPTH} levels. A field is a column of the contact or `attributes.name`."
        ),
        examples=[
            {
                "all": [
                    {"field": "attributes.city", "operator": "equal", "value": "Bergen"},
                    {"field": "attributes.score", "operator": "atLeast", "value": 40},
                    {"not": {"field": "lastSeenAt", "operator": "before", "value": {"ago": {"days": 30}}}},
                ]
            }
        ],
    ),
]


class SegmentInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A new segment."""

    name: SegmentName
    rule: RuleJson


class SegmentPatch(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What to change of a segment; what is left out stays as it is."""

    name: SegmentName | UnsetType = UNSET
    rule: RuleJson | UnsetType = UNSET


class CountInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A rule to count."""

    rule: RuleJson


class RulePreviewInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A rule to try out."""

    rule: RuleJson
    limit: Annotated[int, Meta(ge=1, le=PREVIEW_LIMIT)] = 10


class SegmentView(msgspec.Struct, rename="camel"):
    """A stored segment. `number` names it for callers that know whole numbers only."""

    id: HexId
    number: int
    name: str
    rule: RuleJson
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, segment: Segment) -> SegmentView:
        """The segment as callers see it."""
        return cls(
            id=segment.id.hex(),
            number=segment.number,
            name=segment.name,
            rule=rule_to_json(segment.rule),
            created_at=segment.created_at,
            updated_at=segment.updated_at,
        )


class SegmentCount(msgspec.Struct, rename="camel"):
    """Whom a rule selects at this moment."""

    selected: int
    eligible: int
    """Those of them whom a marketing email may be sent to."""

    @classmethod
    def of(cls, count: AudienceCount) -> SegmentCount:
        """The count as callers see it."""
        return cls(count.selected, count.eligible)


class RulePreviewView(msgspec.Struct, rename="camel"):
    """The first contacts a rule selects, in order of creation."""

    contacts: list[ContactView]


async def _find(tx: Transaction, call: Call[Any, Any]) -> Segment:
    return await get_segment(tx, account_id=call.account_id, segment_id=call.id("segmentId", "segment"))


async def _tried(tx: Transaction, account_id: Id, written: dict[str, Any]) -> Rule:
    rule = parse_rule(written)
    await check_groups(tx, account_id=account_id, rule=rule)
    return rule


@operation(
    name="createSegment", method="POST", path="/segments", tag="segments", permission=Permission.CONTACTS_WRITE,
    summary="Create a segment", description="Stores a rule under a name that is unique in the account.",
    body=SegmentInput, data=SegmentView, status=201, statuses={409: "`SEGMENT_NAME_TAKEN`"},
)  # fmt: skip
async def create(tx: Transaction, call: Call[SegmentInput, Nothing]) -> SegmentView:
    """Makes a segment."""
    rule = parse_rule(call.body.rule)
    return SegmentView.of(await create_segment(tx, account_id=call.account_id, name=call.body.name, rule=rule))


@operation(
    name="listSegments", method="GET", path="/segments", tag="segments", permission=Permission.CONTACTS_READ,
    summary="List segments", description="In order of creation.", query=PageQuery, data=Page[SegmentView],
)  # fmt: skip
async def list_all(tx: Transaction, call: Call[Nothing, PageQuery]) -> Page[SegmentView]:
    """Reads one page."""
    rows = await list_segments(tx, account_id=call.account_id, after=after_id(call), limit=call.query.limit + 1)
    return page(call, rows, SegmentView.of, lambda segment: segment.id)


@operation(
    name="countRule", method="POST", path="/segments/count", tag="segments", permission=Permission.CONTACTS_READ,
    summary="Count a rule", description="Counts whom a rule selects, without storing it.",
    body=CountInput, data=SegmentCount,
)  # fmt: skip
async def count_rule(tx: Transaction, call: Call[CountInput, Nothing]) -> SegmentCount:
    """Counts a rule that is not stored."""
    rule = await _tried(tx, call.account_id, call.body.rule)
    return SegmentCount.of(await count_segment(tx, account_id=call.account_id, rule=rule))


@operation(
    name="previewRule", method="POST", path="/segments/preview", tag="segments", permission=Permission.CONTACTS_READ,
    summary="Try a rule", description="Shows the first contacts that a rule selects, without storing it.",
    body=RulePreviewInput, data=RulePreviewView,
)  # fmt: skip
async def preview_rule(tx: Transaction, call: Call[RulePreviewInput, Nothing]) -> RulePreviewView:
    """Shows whom a rule that is not stored selects."""
    rule = await _tried(tx, call.account_id, call.body.rule)
    contacts = await preview_segment(tx, account_id=call.account_id, rule=rule, limit=call.body.limit)
    return RulePreviewView([ContactView.of(contact) for contact in contacts])


@operation(
    name="getSegment", method="GET", path="/segments/{segmentId}", tag="segments",
    permission=Permission.CONTACTS_READ, summary="Read a segment", description="Answers one segment with its rule.",
    data=SegmentView,
)  # fmt: skip
async def read(tx: Transaction, call: Call[Nothing, Nothing]) -> SegmentView:
    """Reads one segment."""
    return SegmentView.of(await _find(tx, call))


@operation(
    name="updateSegment", method="PATCH", path="/segments/{segmentId}", tag="segments",
    permission=Permission.CONTACTS_WRITE, summary="Change a segment",
    description="Changes the given fields. Campaigns that began before keep the rule they began with.",
    body=SegmentPatch, data=SegmentView, statuses={409: "`SEGMENT_NAME_TAKEN`"}, find=_find,
)  # fmt: skip
async def update(tx: Transaction, call: Call[SegmentPatch, Nothing]) -> SegmentView:
    """Changes one segment."""
    segment = await _find(tx, call)
    body = call.body
    changed = await update_segment(
        tx,
        account_id=call.account_id,
        segment_id=segment.id,
        name=None if body.name is UNSET else body.name,
        rule=None if body.rule is UNSET else parse_rule(body.rule),
    )
    return SegmentView.of(changed)


@operation(
    name="deleteSegment", method="DELETE", path="/segments/{segmentId}", tag="segments",
    permission=Permission.CONTACTS_WRITE, summary="Delete a segment",
    description="Its contacts stay. Refused while a campaign that has not ended names it.",
    data=Deleted, statuses={409: "`SEGMENT_IN_USE`"},
)  # fmt: skip
async def delete(tx: Transaction, call: Call[Nothing, Nothing]) -> Deleted:
    """Removes one segment."""
    segment_id = call.id("segmentId", "segment")
    await delete_segment(tx, account_id=call.account_id, segment_id=segment_id)
    return Deleted(segment_id.hex())


@operation(
    name="countSegment", method="GET", path="/segments/{segmentId}/count", tag="segments",
    permission=Permission.CONTACTS_READ, summary="Count a segment",
    description="Counts whom the segment selects at this moment.", data=SegmentCount,
)  # fmt: skip
async def count(tx: Transaction, call: Call[Nothing, Nothing]) -> SegmentCount:
    """Counts one segment."""
    segment = await _find(tx, call)
    return SegmentCount.of(await count_segment(tx, account_id=call.account_id, rule=segment.rule))


@operation(
    name="listSegmentContacts", method="GET", path="/segments/{segmentId}/contacts", tag="segments",
    permission=Permission.CONTACTS_READ, summary="List the contacts of a segment",
    description="Whom it selects at this moment, in the order in which the contacts were created.",
    query=PageQuery, data=Page[ContactView], find=_find,
)  # fmt: skip
async def contacts(tx: Transaction, call: Call[Nothing, PageQuery]) -> Page[ContactView]:
    """Reads one page of the contacts of a segment."""
    segment_id = call.id("segmentId", "segment")
    found = await list_segment_contacts(
        tx, account_id=call.account_id, segment_id=segment_id, after=after_id(call), limit=call.query.limit + 1
    )
    return page(call, found, ContactView.of, lambda contact: contact.id)


ROUTES = [create, list_all, count_rule, preview_rule, read, update, delete, count, contacts]
