"""Who a campaign reaches, in SQL: the fragments that counting, freezing and checking an audience share.

Parameters are named by position in the statements that use them. A member is whoever the groups held, the list named or
a segment's rule selects; whoever may not be written to stays in the audience and is skipped with a reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from clarion.adapters.postgres import reach
from clarion.adapters.postgres.connection import Connection
from clarion.adapters.postgres.reach import Places, Way
from clarion.adapters.postgres.segment_sql import where
from clarion.domain.campaign import AudienceCount, Campaign, ChannelPolicy, Part, PartCount
from clarion.domain.channel import ChannelName
from clarion.domain.segment import Rule

_LOOKED_AT: Final = 4_000
"""People who are looked at, each on every channel: all of a smaller audience, at most so many of a larger one."""
_GROUPS_APART: Final = 8
"""Groups that are counted one by one; more are put together and sorted."""

# index: group_member_pkey (index only), contact_pkey.
_MEMBERS: Final = """
SELECT contact_id FROM group_member WHERE group_id = ANY($2::bytea[])
UNION
SELECT id FROM contact WHERE id = ANY($3::bytea[]) AND account_id = $1 AND deleted_at IS NULL
"""

# index: contact_by_account; every contact is looked at.
_SELECTED: Final = (
    "SELECT c.id AS contact_id FROM contact AS c WHERE c.account_id = $1 AND c.deleted_at IS NULL AND {rules}"
)

# index: group_member_pkey (index only). Of each group those who are in none before it, so that nothing needs sorting.
_OF_GROUP: Final = """
SELECT m.contact_id FROM group_member AS m WHERE m.group_id = ($2::bytea[])[{place}] {unseen}
"""
_UNSEEN_IN: Final = """
AND NOT EXISTS (SELECT FROM group_member AS o WHERE o.group_id IN ({groups}) AND o.contact_id = m.contact_id)
"""

_NAMED: Final = """
({person} = ANY($3::bytea[])
 OR EXISTS (SELECT FROM group_member AS m WHERE m.group_id = ANY($2::bytea[]) AND m.contact_id = {person}))
"""

# Two conditions, not one with an OR: so they are joins and not a look-up for each contact.
_UNNAMED: Final = """
AND c.id <> ALL($3::bytea[])
AND NOT EXISTS (SELECT FROM group_member AS m WHERE m.group_id = ANY($2::bytea[]) AND m.contact_id = c.id)
"""

_NOBODY: Final = "SELECT NULL::bytea AS contact_id WHERE false"

# Said twice, of the list and of the contact, so that contacts are looked up and not all read. index: contact_pkey.
_LOOKED_UP: Final = "WHERE c.id = ANY($2::bytea[])"

# index: those of the audience; one pass over it. Of each sixteen ids that follow one another one is taken, and of the
# next sixteen another: ids of one import do. A real digest would take longer than all the rest.
_COUNT_AND_CHOOSE: Final = """
SELECT count(*), array_agg(contact_id) FILTER (
           WHERE get_byte(contact_id, 11) & 15 = (get_byte(contact_id, 11) / 16 * 7 + get_byte(contact_id, 10) * 5) & 15
       ), pg_current_snapshot()::text, ($1::bytea, $2::bytea[], $3::bytea[]) IS NULL
FROM ({everyone}) AS everyone
"""

# index: contact_not_mailable, contact_by_email per suppression, group_member_pkey per candidate.
_COUNT_BLOCKED: Final = """
SELECT count(*) FROM (
    SELECT c.id FROM contact AS c
    WHERE c.account_id = $1
      AND (c.email IS NULL OR c.consent_email IS FALSE OR c.deleted_at IS NOT NULL OR c.status <> 'active')
      AND (c.email IS NULL OR c.deleted_at IS NOT NULL OR c.status <> 'active' OR $4::text = 'marketing')
    UNION
    SELECT c.id FROM suppression AS s JOIN contact AS c ON c.account_id = s.account_id AND c.email_key = s.address_key
    WHERE s.account_id = $1 AND s.channel = 'email' AND (s.reason <> 'unsubscribed' OR $4::text = 'marketing')
    UNION
    SELECT c.id FROM campaign_suppression AS s JOIN contact AS c ON c.account_id = $1 AND c.email_key = s.address_key
    WHERE s.campaign_id = $5 AND s.channel = 'email'
) AS blocked {joined} WHERE {belongs}
"""

# From the cursor on. index: group_member_pkey, group_member_removed_by_group per group; contact_by_account for rules.
MEMBERS_AT_START: Final = """
SELECT contact_id FROM (
    SELECT m.contact_id
    FROM unnest({groups}) AS g (id) CROSS JOIN LATERAL (
        SELECT contact_id FROM group_member
        WHERE group_id = g.id AND contact_id > {cursor} AND pg_visible_in_snapshot(added_xid, {snapshot})
        ORDER BY contact_id LIMIT {limit}) AS m
    UNION
    SELECT m.contact_id
    FROM unnest({groups}) AS g (id) CROSS JOIN LATERAL (
        SELECT contact_id FROM group_member_removed
        WHERE group_id = g.id AND contact_id > {cursor} AND pg_visible_in_snapshot(added_xid, {snapshot})
          AND NOT pg_visible_in_snapshot(removed_xid, {snapshot})
        ORDER BY contact_id LIMIT {limit}) AS m
    UNION
    SELECT c FROM unnest({contacts}) AS c WHERE c > {cursor}
    {selected}
) AS everyone
ORDER BY contact_id LIMIT {limit}
"""

# Whoever became a contact after the audience was counted is left out.
SELECTED_AT_START: Final = """
UNION
SELECT id FROM (
    SELECT c.id FROM contact AS c
    WHERE c.account_id = {account} AND c.id > {cursor} AND c.deleted_at IS NULL AND c.created_at <= {read_at}
      AND {rules}
    ORDER BY c.id LIMIT {limit}) AS s
"""

# index: contact_by_email per address, group_member_pkey per contact.
_AMONG: Final = """
SELECT c.email_key, c.id FROM contact AS c
WHERE c.account_id = $1 AND c.email_key = ANY($4::text[]) AND c.deleted_at IS NULL AND {belongs}
"""


def counting(account_id: bytes, campaign: Campaign, rules: Sequence[Rule]) -> tuple[str, list[Any]]:
    """The statement that counts an audience and those of it who may not be written to, and its parameters.

    One statement, so both counts and the snapshot it returns see the same members.
    """
    selects, values = where(rules, 6)
    selected = f"(SELECT count(*) FROM ({_everyone(campaign, selects if rules else None)}) AS everyone)"
    if rules:
        blocked = _COUNT_BLOCKED.format(joined="JOIN contact AS c ON c.id = blocked.id", belongs=_belongs(selects))
    else:
        blocked = _COUNT_BLOCKED.format(joined="", belongs=_NAMED.format(person="blocked.id"))
    # What a statement does not mention has no type, and then no value can be bound to it.
    typed = "($2::bytea[], $3::bytea[], $4::text, $5::bytea) IS NULL"
    query = f"SELECT {selected}, ({blocked}), pg_current_snapshot()::text, {typed}"
    return query, [*_of(account_id, campaign), campaign.category, campaign.id, *(values if rules else ())]


async def count(
    connection: Connection, account_id: bytes, campaign: Campaign, rules: Sequence[Rule], parts: Sequence[Part]
) -> tuple[AudienceCount, str]:
    """Counts whom these parts would reach now, and the snapshot in which the people were counted.

    The people are counted exactly. Whom email alone reaches is known by the few that cannot be written to; for other
    channels people are looked at, and of a large audience a sample of them.
    """
    if {part.channel for part in parts} <= {ChannelName.EMAIL}:
        query, values = counting(account_id, campaign, rules)
        selected, blocked, snapshot, _ = await connection.fetchrow(query, *values) or (0, 0, "", None)
        counted = [PartCount(ChannelName.EMAIL, selected, selected - blocked) for _ in parts]
        return AudienceCount(selected, selected - blocked, tuple(counted)), snapshot
    selected, people, snapshot = await _count_and_choose(connection, account_id, campaign, rules)
    ways = await reach.ways_of(connection, parts)
    query, values = _counting_parts(account_id, campaign, ways, people)
    ((eligible, *figures),) = await connection.fetch(query, *values)
    scale = selected / len(people) if people else 0
    eligible, *figures = [round(figure * scale) for figure in (eligible, *figures)]
    pairs = zip(parts, figures[::2], figures[1::2], strict=True)
    counts = tuple(PartCount(part.channel, *pair) for part, *pair in pairs)
    return AudienceCount(selected, eligible, counts, is_estimate=selected > _LOOKED_AT), snapshot


async def _count_and_choose(
    connection: Connection, account_id: bytes, campaign: Campaign, rules: Sequence[Rule]
) -> tuple[int, list[bytes], str]:
    """How many there are, those of them to look at (all of a few, else some from everywhere), and the snapshot."""
    selects, values = where(rules, 4)
    query = _COUNT_AND_CHOOSE.format(everyone=_everyone(campaign, selects if rules else None))
    # Not fetchrow: the driver asks for one row only, and the server then uses one process only.
    ((selected, chosen, snapshot, _),) = await connection.fetch(
        query, *_of(account_id, campaign), *(values if rules else ())
    )
    if selected <= _LOOKED_AT:
        query, values = members(account_id, campaign, rules)
        return selected, [contact_id for (contact_id,) in await connection.fetch(query, *values)], snapshot
    spread = chosen or []
    return selected, spread[:: len(spread) // _LOOKED_AT + 1], snapshot


def _counting_parts(
    account_id: bytes, campaign: Campaign, ways: Sequence[Way], people: Sequence[bytes]
) -> tuple[str, list[Any]]:
    """The statement that looks at these people on every channel, and its parameters.

    The columns: how many can be reached at all; then for each part its deliveries, and those of them that may be sent.
    """
    values = [account_id, people, campaign.category, campaign.id]
    places = Places(account="$1", category="$3::text", campaign="$4::bytea", apps="$5::text[]", platforms="$6::text[]")
    if reach.has_push(ways):
        values += [[way.app for way in ways], [way.platform for way in ways]]
    policy = campaign.channel_policy
    counts = [count for place in range(1, len(ways) + 1) for count in _part_counts(place, ways, policy)]
    reachable = " OR ".join(f"{channel}_refusal IS NULL" for channel in dict.fromkeys(way.channel for way in ways))
    source = "(SELECT unnest($2::bytea[]) AS contact_id)"
    return (
        f"""
        SELECT count(*) FILTER (WHERE {reachable}), {", ".join(counts)}
        FROM ({reach.people(ways, policy, source, places, _LOOKED_UP)}) AS people
    """,
        values,
    )


def _part_counts(place: int, ways: Sequence[Way], policy: ChannelPolicy) -> list[str]:
    """Of one part: how many deliveries `freezing` will write, and how many of them are to be sent."""
    way = ways[place - 1]
    is_for = reach.is_for(way, ways, policy)
    if way.channel is not ChannelName.PUSH:
        return [
            f"count(*) FILTER (WHERE {is_for})",
            f"count(*) FILTER (WHERE {is_for} AND {way.channel}_refusal IS NULL)",
        ]
    unreached = f"count(*) FILTER (WHERE {is_for} AND push_refusal IS NOT NULL)"
    reached = f"FILTER (WHERE {is_for} AND push_refusal IS NULL)"
    devices = f"coalesce(sum(devices_{place}) {reached}, 0)::bigint"
    free = f"coalesce(sum(devices_{place} - barred_{place}) {reached}, 0)::bigint"
    return [f"{devices} + {unreached}" if reach.leads_push(place, ways) else devices, free]


def among(account_id: bytes, campaign: Campaign, rules: Sequence[Rule], keys: Sequence[str]) -> tuple[str, list[Any]]:
    """The statement that finds which of these addresses belong to the audience, and its parameters."""
    selects, values = where(rules, 5)
    query = _AMONG.format(belongs=_belongs(selects if rules else None))
    return query, [*_of(account_id, campaign), list(keys), *(values if rules else ())]


def members(account_id: bytes, campaign: Campaign, rules: Sequence[Rule]) -> tuple[str, list[Any]]:
    """A query for the ids of the audience as it is now, as `contact_id`, and its parameters."""
    selects, values = where(rules, 4)
    query = f"{_MEMBERS} UNION {_SELECTED.format(rules=selects)}" if rules else _MEMBERS
    return query, [*_of(account_id, campaign), *(values if rules else ())]


def _of(account_id: bytes, campaign: Campaign) -> tuple[object, ...]:
    return account_id, list(campaign.group_ids), list(campaign.contact_ids)


def _belongs(selects: str | None) -> str:
    named = _NAMED.format(person="c.id")
    return named if selects is None else f"({named} OR (c.deleted_at IS NULL AND {selects}))"


def _everyone(campaign: Campaign, selects: str | None) -> str:
    """A query for the audience, each once: the named, and whom rules select; None when there are no rules."""
    named = _named(campaign)
    if selects is None:
        return named or _NOBODY
    selected = _SELECTED.format(rules=selects)
    return f"{named} UNION ALL {selected} {_UNNAMED}" if named else selected


def _named(campaign: Campaign) -> str | None:
    """A query for the members of the groups and the contacts named, each once; None when there are neither."""
    groups = len(campaign.group_ids)
    if campaign.contact_ids or groups > _GROUPS_APART:
        return f"SELECT contact_id FROM ({_MEMBERS}) AS m"
    members = []
    for place in range(1, groups + 1):
        before = ", ".join(f"($2::bytea[])[{other}]" for other in range(1, place))
        unseen = _UNSEEN_IN.format(groups=before) if before else ""
        members.append(_OF_GROUP.format(place=place, unseen=unseen))
    return " UNION ALL ".join(members) or None
