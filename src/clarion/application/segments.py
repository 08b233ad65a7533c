"""Segments: stored rules that select contacts, looked at anew whenever they are used.

A rule may only ask for groups of its account. The language of rules is read by `segment_rules`; which contacts a rule
selects is the store's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clarion.application.ports import Transaction
from clarion.application.segment_rules import groups_in, parse_rule, rule_to_json
from clarion.domain.campaign import AudienceCount
from clarion.domain.contact import Contact
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem
from clarion.domain.ids import Id, new_id
from clarion.domain.segment import SEGMENT_NAME_LIMIT, Rule, Segment

__all__ = [
    "check_groups",
    "count_segment",
    "create_segment",
    "delete_segment",
    "get_segment",
    "get_segment_by_number",
    "list_segment_contacts",
    "list_segments",
    "parse_rule",
    "preview_segment",
    "rule_to_json",
    "slice_segments",
    "update_segment",
]

_TAKEN = ("SEGMENT_NAME_TAKEN", "Another segment of the account has this name")


async def create_segment(
    tx: Transaction, *, account_id: Id, name: str, rule: Rule, extras: Mapping[str, Any] | None = None
) -> Segment:
    """Stores a rule under a name. Runs in the caller's transaction, which is of no more use after a `Conflict`.

    Raises:
        Invalid: the name is blank, too long or has control characters, or the rule asks for a group that is not here.
        Conflict: `SEGMENT_NAME_TAKEN`.
    """
    checked = _checked_name(name)
    await check_groups(tx, account_id=account_id, rule=rule)
    segment = await tx.segments.insert(account_id, new_id(), name=checked, rule=rule, extras=dict(extras or {}))
    if segment is None:
        raise Conflict(*_TAKEN)
    return segment


async def get_segment(tx: Transaction, *, account_id: Id, segment_id: Id) -> Segment:
    """Reads one segment.

    Raises:
        NotFound: it is unknown or another account's.
    """
    return _found(await tx.segments.find(account_id, segment_id))


async def get_segment_by_number(tx: Transaction, *, account_id: Id, number: int) -> Segment:
    """Reads one segment by its number.

    Raises:
        NotFound: it is unknown or another account's.
    """
    return _found(await tx.segments.find_by_number(account_id, number))


async def list_segments(tx: Transaction, *, account_id: Id, after: Id | None, limit: int) -> list[Segment]:
    """Reads up to `limit` segments with ids above `after`."""
    return await tx.segments.list_after(account_id, after, limit)


async def slice_segments(tx: Transaction, *, account_id: Id, skip: int, limit: int) -> tuple[int, list[Segment]]:
    """Counts the segments, and reads up to `limit` of them after the first `skip`: for callers that page by place."""
    return await tx.segments.slice(account_id, skip, limit)


async def update_segment(
    tx: Transaction,
    *,
    account_id: Id,
    segment_id: Id,
    name: str | None = None,
    rule: Rule | None = None,
    extras: Mapping[str, Any] | None = None,
) -> Segment:
    """Changes what is given. Runs that began before keep the rule they began with.

    Raises:
        NotFound: it is unknown or another account's.
        Invalid: the name is blank, too long or has control characters, or the rule asks for a group that is not here.
        Conflict: `SEGMENT_NAME_TAKEN`.
    """
    checked = None if name is None else _checked_name(name)
    if not await tx.segments.lock(account_id, segment_id):
        raise NotFound("segment")
    if rule is not None:
        await check_groups(tx, account_id=account_id, rule=rule)
    given = None if extras is None else dict(extras)
    segment = await tx.segments.update(account_id, segment_id, name=checked, rule=rule, extras=given)
    if segment is None:
        raise Conflict(*_TAKEN)
    return segment


async def delete_segment(tx: Transaction, *, account_id: Id, segment_id: Id) -> None:
    """Removes a segment; its contacts stay.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `SEGMENT_IN_USE` while a campaign that has not ended names it.
    """
    if not await tx.segments.lock(account_id, segment_id):
        raise NotFound("segment")
    campaigns = await tx.segments.used_by(account_id, segment_id)
    if campaigns:
        names = ", ".join(map(repr, campaigns))
        raise Conflict("SEGMENT_IN_USE", f"Campaigns that have not ended use this segment, such as {names}")
    await tx.segments.delete(segment_id)


async def count_segment(tx: Transaction, *, account_id: Id, rule: Rule) -> AudienceCount:
    """Counts exactly, in one statement, whom a rule selects now, and whom of them marketing mail may be sent to."""
    return await tx.segments.count(account_id, rule)


async def preview_segment(tx: Transaction, *, account_id: Id, rule: Rule, limit: int) -> list[Contact]:
    """Reads the first contacts that a rule selects, in order of creation."""
    return await tx.segments.contacts_after(account_id, rule, None, limit)


async def list_segment_contacts(
    tx: Transaction, *, account_id: Id, segment_id: Id, after: Id | None, limit: int
) -> list[Contact]:
    """Reads up to `limit` contacts of a segment with ids above `after`.

    Raises:
        NotFound: the segment is unknown or another account's.
    """
    segment = await get_segment(tx, account_id=account_id, segment_id=segment_id)
    return await tx.segments.contacts_after(account_id, segment.rule, after, limit)


async def check_groups(tx: Transaction, *, account_id: Id, rule: Rule) -> None:
    """Checks that every group a rule asks for is one of the account's.

    Raises:
        Invalid: naming each that is not, by its place in the rule.
    """
    asked = list(groups_in(rule))
    here = await tx.groups.existing(account_id, [group_id for _, group_id in asked]) if asked else set()
    unknown = [Problem(at, "exists", "there is no such group") for at, group_id in asked if group_id not in here]
    if unknown:
        raise Invalid.of(unknown)


def _found(segment: Segment | None) -> Segment:
    if segment is None:
        raise NotFound("segment")
    return segment


def _checked_name(name: str) -> str:
    text = name.strip()
    if not text or len(text) > SEGMENT_NAME_LIMIT or not text.isprintable():
        raise Invalid(Problem("name", "pattern", f"must have 1 to {SEGMENT_NAME_LIMIT} printable characters"))
    return text
