"""Whom a campaign can reach on which channel, in SQL: one row for each person, with why they cannot be.

Counting an audience and freezing it put this query together for the parts they concern, so that both say the same and
email alone costs nothing for the others. Never writes. Where to read next: `opening`, `freezing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clarion.adapters.postgres.connection import Connection
from clarion.domain.campaign import ChannelPolicy
from clarion.domain.channel import ChannelName
from clarion.domain.device import PLATFORM_OF
from clarion.domain.ids import Id
from clarion.domain.providers.provider import ProviderName

# index: sender_pkey.
_APPS: Final = "SELECT id, provider, config ->> 'app' AS app FROM sender WHERE id = ANY($1::bytea[])"


@dataclass(frozen=True, slots=True)
class Way:
    """A part as these queries know it: its channel, and for push the devices that its sender serves."""

    channel: ChannelName
    app: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the parameters of a statement stand. `apps` and `platforms` are arrays by part, read for push only.

    A statement with a `cursor` is about a slice behind it, one without counts.
    """

    account: str
    category: str
    campaign: str
    apps: str
    platforms: str
    cursor: str | None = None


async def ways_of(connection: Connection, senders: Sequence[tuple[ChannelName, Id]]) -> list[Way]:
    """What each of these parts is, with the devices that push senders serve."""
    pushing = [sender_id for channel, sender_id in senders if channel is ChannelName.PUSH]
    rows = await connection.fetch(_APPS, pushing) if pushing else []
    apps = {row["id"]: (row["app"] or "", PLATFORM_OF[ProviderName(row["provider"])]) for row in rows}
    return [Way(channel, *apps.get(sender_id, ("", ""))) for channel, sender_id in senders]


def has_push(ways: Sequence[Way]) -> bool:
    """Whether any part is for devices."""
    return any(way.channel is ChannelName.PUSH for way in ways)


# The order of the reasons is one for all channels, and the one of calls (application/intake).
_REFUSAL: Final = """
CASE WHEN c.deleted_at IS NOT NULL THEN 'contact_deleted'
     WHEN c.status <> 'active' THEN 'contact_blocked'
     WHEN c.{address} IS NULL THEN 'no_address'
     WHEN {category} = 'marketing' AND c.consent_{channel} IS FALSE THEN 'no_consent'
     WHEN {channel}_p.reason = 'unsubscribed' OR {channel}_q.address_key IS NOT NULL THEN 'unsubscribed'
     WHEN {channel}_p.reason IS NOT NULL THEN 'suppressed' END"""

# index: suppression_pkey, campaign_suppression_pkey. The limits keep each a look-up of one key: as plain joins, on a
# young table that the planner takes for an empty one, they would compare everybody with the whole list.
_LISTED: Final = """
LEFT JOIN LATERAL (
    SELECT reason FROM suppression
    WHERE account_id = {account} AND channel = '{channel}' AND address_key = {key}
      AND (reason <> 'unsubscribed' OR {category} = 'marketing') LIMIT 1) AS {channel}_p ON true
LEFT JOIN LATERAL (
    SELECT address_key FROM campaign_suppression
    WHERE campaign_id = {campaign} AND channel = '{channel}' AND address_key = {key} LIMIT 1) AS {channel}_q ON true"""

# The same for a slice that is written to on one of these channels alone, where the planner may choose.
_JOINED: Final = """
LEFT JOIN suppression AS {channel}_p
       ON {channel}_p.account_id = {account} AND {channel}_p.channel = '{channel}' AND {channel}_p.address_key = {key}
      AND ({channel}_p.reason <> 'unsubscribed' OR {category} = 'marketing')
LEFT JOIN campaign_suppression AS {channel}_q
       ON {channel}_q.campaign_id = {campaign} AND {channel}_q.channel = '{channel}'
      AND {channel}_q.address_key = {key}"""

# Whoever has devices, all of which are suppressed, cannot be reached at all: then the reason is theirs and not a
# device's. A device that is, beside others that are not, is skipped for itself.
_PUSH_REFUSAL: Final = """
CASE WHEN c.deleted_at IS NOT NULL THEN 'contact_deleted'
     WHEN c.status <> 'active' THEN 'contact_blocked'
     WHEN coalesce(held.devices, 0) = 0 THEN 'no_address'
     WHEN {category} = 'marketing' AND c.consent_push IS FALSE THEN 'no_consent'
     WHEN held.barred = held.devices THEN CASE WHEN held.unsubscribed THEN 'unsubscribed' ELSE 'suppressed' END END"""

# index: device_by_contact, suppression_pkey, campaign_suppression_pkey. By nothing but the person, for the same reason.
_DEVICES: Final = """
SELECT count(*) AS devices, count(*) FILTER (WHERE {barred}) AS barred,
       bool_and(push_q.address_key IS NOT NULL OR push_p.reason = 'unsubscribed') AS unsubscribed{by_part}
FROM device AS d {listed}
WHERE d.contact_id = s.contact_id AND d.retired_at IS NULL AND ({served})"""
_BARRED: Final = "(push_p.reason IS NOT NULL OR push_q.address_key IS NOT NULL)"
_ADDRESS: Final = {ChannelName.EMAIL: ("email", "c.email_key"), ChannelName.SMS: ("phone", "c.phone")}

DEVICE_REFUSAL: Final = """
CASE WHEN push_p.reason = 'unsubscribed' OR push_q.address_key IS NOT NULL THEN 'unsubscribed'
     WHEN push_p.reason IS NOT NULL THEN 'suppressed' END"""
"""Why one device of somebody is left out, under the joins of `listed_devices`."""


def people(ways: Sequence[Way], policy: ChannelPolicy, source: str, places: Places, condition: str = "") -> str:
    """A query with a row for everyone of `source` (which has their `contact_id`) who meets the condition.

    Columns: `contact_id`; for each channel among the ways its `<channel>_refusal`, and `email`, `phone`; for each push
    way `devices_<place>` and `barred_<place>` when people are counted; for the first available channel `chosen`.
    """
    channels = list(dict.fromkeys(way.channel for way in ways))
    columns, joins = ["s.contact_id"], []
    for channel in channels:
        if channel is ChannelName.PUSH:
            columns.append(f"{_PUSH_REFUSAL.format(category=places.category)} AS push_refusal")
            joins.append(_held(ways, places))
        else:
            address, key = _ADDRESS[channel]
            columns.append(f"c.{address}")
            columns.append(_REFUSAL.format(address=address, channel=channel, category=places.category))
            columns[-1] += f" AS {channel}_refusal"
            may_choose = places.cursor and len(channels) == 1
            joins.append(_listed(channel, key, places, _JOINED if may_choose else _LISTED))
    if has_push(ways) and places.cursor is None:
        columns += [
            f"held.{name}_{place}"
            for place, way in enumerate(ways, start=1)
            if way.channel is ChannelName.PUSH
            for name in ("devices", "barred")
        ]
    # Everyone of a slice stands behind its cursor; without saying so, a merge would read the contacts of all before.
    behind = f" AND c.id > {places.cursor}" if places.cursor else f" AND c.account_id = {places.account}"
    query = f"""
    SELECT {", ".join(columns)}
    FROM {source} AS s JOIN contact AS c ON c.id = s.contact_id{behind}{"".join(joins)} {condition}"""
    if policy is ChannelPolicy.ALL or len(channels) == 1:
        return query
    first = "".join(f" WHEN {channel}_refusal IS NULL THEN '{channel}'" for channel in channels)
    return f"SELECT *, CASE{first} ELSE '{channels[0]}' END AS chosen FROM ({query}) AS asked"


def is_for(way: Way, ways: Sequence[Way], policy: ChannelPolicy) -> str:
    """The condition under which one of the `people` belongs to a part."""
    if policy is ChannelPolicy.ALL or len({other.channel for other in ways}) == 1:
        return "true"
    return f"chosen = '{way.channel}'"


def serves(place: int, places: Places) -> str:
    """The condition under which a device `d` is one of the part at this place (from 1)."""
    return f"d.app = ({places.apps})[{place}] AND d.platform = ({places.platforms})[{place}]"


def listed_devices(places: Places) -> str:
    """The joins of a device `d` to the lists of suppressions."""
    return _listed(ChannelName.PUSH, "d.token", places)


def leads_push(place: int, ways: Sequence[Way]) -> bool:
    """Whether this part is the first for devices: whoever cannot be reached by push stands there, once."""
    return not any(way.channel is ChannelName.PUSH for way in ways[: place - 1])


def _listed(channel: ChannelName, key: str, places: Places, lists: str = _LISTED) -> str:
    return lists.format(
        channel=channel, key=key, account=places.account, category=places.category, campaign=places.campaign
    )


def _held(ways: Sequence[Way], places: Places) -> str:
    """The join of people to what they have of devices, as `held`."""
    pushing = [place for place, way in enumerate(ways, start=1) if way.channel is ChannelName.PUSH]
    by_part = "".join(
        f",\n       count(*) FILTER (WHERE {serves(place, places)}) AS devices_{place}"
        f",\n       count(*) FILTER (WHERE {serves(place, places)} AND {_BARRED}) AS barred_{place}"
        for place in pushing
    )
    query = _DEVICES.format(
        barred=_BARRED,
        by_part="" if places.cursor else by_part,
        listed=listed_devices(places),
        served=" OR ".join(f"({serves(place, places)})" for place in pushing),
    )
    return f"\nLEFT JOIN LATERAL ({query}) AS held ON true"
