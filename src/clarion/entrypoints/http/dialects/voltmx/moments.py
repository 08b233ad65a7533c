"""Dates as this API writes them: `MM/dd/yyyy hh:mm:ss aa`, wall clock in the `zone` of the campaign.

A zone is a label such as `(GMT+05:30) Chennai, Kolkata` or `GMT-05:00`, whose offset holds all year, or an IANA name.
What the server notes itself it writes in its own zone, the account's, with the abbreviation behind.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from clarion.application.contact_rules import Refusal, read_timezone

ZONE_LIMIT: Final = 200
"""Characters of a zone's label."""
_WRITTEN: Final = "%m/%d/%Y %I:%M:%S %p"
_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d{2}):(\d{2}) ([AaPp])[Mm]", re.ASCII)
_SHORT = re.compile(r"(?:GMT|UTC)(?:([+-])(\d{1,2}):?(\d{2}))?", re.ASCII)
_LONG = re.compile(r"\(((?:GMT|UTC)[^()]*)\)[^\x00-\x1f\x7f]*")
_NOON: Final = 12
_FARTHEST: Final = timedelta(hours=14)


def read_zone(label: str) -> tzinfo | None:
    """The zone that a label means; None for what is no zone."""
    if len(label) > ZONE_LIMIT:
        return None
    text = label.strip()
    long = _LONG.fullmatch(text)
    short = _SHORT.fullmatch(long[1].strip() if long else text)
    if short:
        return _offset(short)
    return None if long or isinstance(read_timezone(text), Refusal) else ZoneInfo(text)


def _offset(short: re.Match[str]) -> tzinfo | None:
    length = timedelta(hours=int(short[2] or 0), minutes=int(short[3] or 0))
    if length > _FARTHEST or int(short[3] or 0) > 59:
        return None
    return timezone(-length if short[1] == "-" else length)


def read_date(text: str, zone: tzinfo) -> datetime | None:
    """The moment, in UTC, that a wall clock in this zone shows; None for every other form and for no day there is."""
    match = _DATE.fullmatch(text.strip())
    if match is None or not 1 <= int(match[4]) <= _NOON:
        return None
    month, day, year, hour, minute, second = (int(match[place]) for place in range(1, 7))
    hour = hour % _NOON + (_NOON if match[7] in "Pp" else 0)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def written(moment: datetime | None, zone: tzinfo) -> str:
    """A moment as the wall clock in a zone shows it; an unset one is empty."""
    return "" if moment is None else _padded(moment.astimezone(zone))


def noted(moment: datetime, zone: tzinfo) -> str:
    """A moment as the server notes it: its own wall clock and the abbreviation of its zone."""
    local = moment.astimezone(zone)
    return f"{_padded(local)} {local.tzname()}"


def label_of(moment: datetime, zone: tzinfo) -> str:
    """The short label of the offset that a zone has at a moment."""
    offset = moment.astimezone(zone).utcoffset() or timedelta()
    minutes = int(abs(offset).total_seconds()) // 60
    return f"GMT{'-' if offset < timedelta() else '+'}{minutes // 60:02}:{minutes % 60:02}"


def _padded(local: datetime) -> str:
    """With four digits of the year, also where the platform writes fewer."""
    return local.strftime(_WRITTEN.replace("%Y", f"{local.year:04}"))
