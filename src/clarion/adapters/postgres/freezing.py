"""Freezing an audience: the next slice of a run's people becomes deliveries and batches, in one statement.

The statement writes every part of the run, so that nobody is in one of them and missing in another. The audience is
read as of the snapshot the run recorded at its start. Whoever may not be written to gets a row too, skipped with the
reason. Where to read next: `audience` for who is a member, `reach` for who can be reached, `batches` for what happens
to the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from clarion.adapters.postgres import audience, reach
from clarion.adapters.postgres.connection import Connection
from clarion.adapters.postgres.reach import Places, Way
from clarion.adapters.postgres.segment_sql import where
from clarion.application.ports.batches import BATCH_SIZE
from clarion.application.ports.runs import Slice
from clarion.application.segment_rules import parse_rule
from clarion.domain.campaign import ChannelPolicy
from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id
from clarion.domain.segment import Rule

# index: run_unfinished, run_share_pkey. The lock on the leading part lasts as long as the slice, so two schedulers
# never take the same run. Whoever has the fewest frozen comes first, so a small run never waits for a large one.
_NEXT_TO_FREEZE: Final = """
SELECT id, account_id, campaign_id, category, lane, channel_policy, group_ids, contact_ids, segment_rules,
       snapshot_cursor, next_seq, started_snapshot::text AS started_snapshot, read_at,
       read_at > started_at AS is_read_again, waiting
FROM run, LATERAL (
    SELECT next_batch - 1 - coalesce((SELECT claimed_no FROM run_share WHERE run_id = run.id), 0) AS waiting
) AS ahead
WHERE finished_at IS NULL AND NOT snapshot_done AND part_of IS NULL AND ($1::int IS NULL OR waiting <= $1)
ORDER BY next_seq, id LIMIT 1
FOR UPDATE OF run SKIP LOCKED
"""

# index: run_pkey, run_by_lead. In the order of their ids, in which whoever moves several runs locks them too. A part
# that failed and is finished gets nobody more.
_PARTS: Final = """
SELECT id, channel, sender_id, test_address, next_seq, next_batch, state IN ('stopped', 'failed') AS is_over
FROM run WHERE (id = $1 OR part_of = $1) AND finished_at IS NULL ORDER BY id FOR UPDATE
"""

# index: contact_pkey from the cursor on. A parameter that a statement does not mention has no type, and then no value
# can be bound to it; what is only mentioned is not evaluated.
_FREEZE: Final = """
WITH mentioned AS (
    SELECT $2::bytea, $9::text, $14::text[], $15::bytea
), slice AS ({members}), people AS ({people}
), {parts}, taken AS (
    SELECT count(*) < $6::int AS is_last FROM slice
), wrote (run_id, deliveries, batches) AS (VALUES {wrote})
UPDATE run
SET snapshot_cursor = coalesce((SELECT contact_id FROM slice ORDER BY contact_id DESC LIMIT 1), snapshot_cursor),
    next_seq = next_seq + wrote.deliveries,
    next_batch = next_batch + wrote.batches,
    selected_count = CASE WHEN taken.is_last THEN next_seq - 1 + wrote.deliveries
                          ELSE greatest(selected_count, next_seq - 1 + wrote.deliveries) END,
    snapshot_done = taken.is_last,
    state = CASE WHEN state = 'preparing' THEN 'sending' ELSE state END
FROM taken, wrote
WHERE id = wrote.run_id
RETURNING id, wrote.deliveries, snapshot_done
"""

# What one part writes: its rows, and its batches of them.
_PART: Final = """placed_{place} AS ({placed}
), written_{place} AS (
    INSERT INTO delivery (run_id, seq, contact_id, address, state, reason{device_id})
    SELECT ($1::bytea[])[{place}], seq, contact_id, address,
           CASE WHEN refusal IS NOT NULL THEN 'skipped' WHEN ($10::bool[])[{place}] THEN 'cancelled' ELSE 'pending' END,
           CASE WHEN refusal IS NOT NULL THEN refusal WHEN ($10::bool[])[{place}] THEN 'run_stopped' END{device_id}
    FROM placed_{place} ORDER BY seq
    RETURNING seq, state
), queued_{place} AS (
    INSERT INTO batch (run_id, no, lane, first_seq, last_seq)
    SELECT ($1::bytea[])[{place}], ($8::int[])[{place}] - 1 + row_number() OVER (ORDER BY min(seq)), $11::text,
           min(seq), max(seq)
    FROM written_{place} WHERE state = 'pending' GROUP BY (seq - ($7::int[])[{place}]) / $12::int
    RETURNING no
)"""
_WROTE: Final = (
    "(($1::bytea[])[{place}], (SELECT count(*)::int FROM placed_{place}), (SELECT count(*)::int FROM queued_{place}))"
)

_PLACED: Final = """
    SELECT contact_id, {address} AS address, {refusal} AS refusal,
           (($7::int[])[{place}] - 1 + row_number() OVER (ORDER BY contact_id))::int AS seq
    FROM people WHERE {is_for}"""

# index: device_by_contact, suppression_pkey and campaign_suppression_pkey per device.
_PLACED_BY_DEVICE: Final = """
    SELECT contact_id, address, device_id, refusal,
           (($7::int[])[{place}] - 1 + row_number() OVER (ORDER BY contact_id, device_id))::int AS seq
    FROM (
        SELECT contact_id, {address} AS address, device_id, {refusal} AS refusal
        FROM (SELECT p.contact_id, d.id AS device_id, d.token, d.p256dh, d.auth
              FROM people AS p JOIN device AS d ON d.contact_id = p.contact_id
              WHERE {is_for} AND p.push_refusal IS NULL AND d.retired_at IS NULL AND {serves}
        ) AS d {listed}
        {unreached}
    ) AS reached"""
_UNREACHED: Final = """UNION ALL
        SELECT contact_id, NULL, NULL, push_refusal FROM people WHERE {is_for} AND push_refusal IS NOT NULL"""
_SUBSCRIPTION: Final = "json_build_object('endpoint', d.token, 'p256dh', d.p256dh, 'auth', d.auth)::text"

# A test is written with the data of these people and asks nobody: it goes to one address.
_TESTED: Final = """
    SELECT s.contact_id, CASE WHEN c.deleted_at IS NOT NULL THEN 'contact_deleted' END AS refusal
    FROM slice AS s JOIN contact AS c ON c.id = s.contact_id AND c.id > $5"""

# index: delivery_once_per_contact. Whoever has a delivery of the run gets no other when its audience is read again.
_UNWRITTEN: Final = """
    WHERE NOT EXISTS (SELECT FROM delivery AS d
                      WHERE d.run_id = ANY($1::bytea[]) AND d.contact_id = s.contact_id AND d.given IS NULL)"""

_PLACES: Final = {
    "account": "$2",
    "groups": "$3::bytea[]",
    "contacts": "$4::bytea[]",
    "cursor": "$5",
    "limit": "$6",
    "snapshot": "$13::text::pg_snapshot",
}
_REACH: Final = Places(
    account="$2",
    category="$9::text",
    campaign="$15::bytea",
    apps="$16::text[]",
    platforms="$17::text[]",
    cursor="$5",
)
_ALWAYS: Final = 15
"""Parameters that every statement has; those of devices and of rules follow."""


async def take_slice(connection: Connection, first: int, limit: int, most_waiting: int | None) -> Slice | None:
    """Freezes the next slice of one run; see `application.ports.runs.Runs.take_slice`."""
    run = await connection.fetchrow(_NEXT_TO_FREEZE, most_waiting)
    if run is None:
        return None
    parts = await connection.fetch(_PARTS, run["id"])
    ways = await reach.ways_of(connection, [(ChannelName(part["channel"]), part["sender_id"]) for part in parts])
    is_test = run_is_test(parts)
    query, extra = _statement(run, ways, is_test=is_test)
    rows = await connection.fetch(
        query,
        [part["id"] for part in parts],
        run["account_id"],
        run["group_ids"],
        run["contact_ids"],
        run["snapshot_cursor"],
        first if all(part["next_seq"] == 1 for part in parts) else limit,
        [part["next_seq"] for part in parts],
        [part["next_batch"] for part in parts],
        run["category"],
        [part["is_over"] for part in parts],
        run["lane"],
        BATCH_SIZE,
        run["started_snapshot"],
        [part["test_address"] for part in parts],
        run["campaign_id"],
        *extra,
    )
    deliveries, is_done = sum(row["deliveries"] for row in rows), all(row["snapshot_done"] for row in rows)
    return Slice(Id(run["id"]), deliveries, is_done, run["waiting"])


def run_is_test(parts: Sequence[asyncpg.Record]) -> bool:
    """Whether every message of the run goes to an address of its own."""
    return parts[0]["test_address"] is not None


def _statement(run: asyncpg.Record, ways: Sequence[Way], *, is_test: bool) -> tuple[str, list[Any]]:
    """The statement for these parts, with or without rules, and its parameters after those that every one has."""
    extra: list[Any] = []
    if reach.has_push(ways) and not is_test:
        extra = [[way.app for way in ways], [way.platform for way in ways]]
    rules = [parse_rule(rule) for rule in run["segment_rules"]]
    members, values = _members(rules, _ALWAYS + 1 + len(extra))
    policy = ChannelPolicy(run["channel_policy"])
    parts = [_part(place, ways, policy, is_test=is_test) for place in range(1, len(ways) + 1)]
    query = _FREEZE.format(
        members=members,
        people=_people(ways, policy, is_test=is_test, is_read_again=run["is_read_again"]),
        parts=", ".join(parts),
        wrote=", ".join(_WROTE.format(place=place) for place in range(1, len(ways) + 1)),
    )
    return query, [*extra, *((run["read_at"], *values) if rules else ())]


def _members(rules: Sequence[Rule], place: int) -> tuple[str, list[Any]]:
    """The query for the people of the slice; from the place on are the parameters of its rules, the time first."""
    selected = ""
    selects, values = where(rules, place + 1)
    if rules:
        selected = audience.SELECTED_AT_START.format(rules=selects, read_at=f"${place}::timestamptz", **_PLACES)
    return audience.MEMBERS_AT_START.format(selected=selected, **_PLACES), values


def _people(ways: Sequence[Way], policy: ChannelPolicy, *, is_test: bool, is_read_again: bool) -> str:
    if is_test:
        return _TESTED
    return reach.people(ways, policy, "slice", _REACH, _UNWRITTEN if is_read_again else "")


def _part(place: int, ways: Sequence[Way], policy: ChannelPolicy, *, is_test: bool) -> str:
    way, device_id = ways[place - 1], ""
    if is_test:
        placed = _PLACED.format(address=f"($14::text[])[{place}]", refusal="refusal", is_for="true", place=place)
    elif way.channel is ChannelName.PUSH:
        placed, device_id = _placed_by_device(place, ways, policy), ", device_id"
    else:
        address = "email" if way.channel is ChannelName.EMAIL else "phone"
        is_for = reach.is_for(way, ways, policy)
        placed = _PLACED.format(address=address, refusal=f"{way.channel}_refusal", is_for=is_for, place=place)
    return _PART.format(place=place, placed=placed, device_id=device_id)


def _placed_by_device(place: int, ways: Sequence[Way], policy: ChannelPolicy) -> str:
    way = ways[place - 1]
    is_for = reach.is_for(way, ways, policy)
    return _PLACED_BY_DEVICE.format(
        place=place,
        is_for=is_for,
        address=_SUBSCRIPTION if way.platform == "web" else "d.token",
        refusal=reach.DEVICE_REFUSAL,
        serves=reach.serves(place, _REACH),
        listed=reach.listed_devices(_REACH),
        unreached=_UNREACHED.format(is_for=is_for) if reach.leads_push(place, ways) else "",
    )
