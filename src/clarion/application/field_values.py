"""Values of typed contact fields: checking a JSON value, and reading one that somebody wrote as text.

Dates are kept as ISO 8601 in UTC, so that equal moments are equal texts. Where to read next: `contact_fields`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from clarion.application import contact_rules as rules
from clarion.application.contact_rules import Refusal
from clarion.domain.contact import AttributeValue
from clarion.domain.contact_field import FieldType

_INT64: Final = 2**63
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?)?",
    re.ASCII,
)
_WRITTEN = re.compile(
    r"(?P<a>[0-9]{1,4})[-/.](?P<b>[0-9]{1,2})[-/.](?P<c>[0-9]{4}|[0-9]{2}|[0-9])"
    r"(?:[ T]+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?(?: ?(?P<half>[ap])\.?m\.?)?)?",
    re.ASCII | re.IGNORECASE,
)
_PLACES: Final[Mapping[str, str]] = {"day_first": "cba", "month_first": "cab", "year_first": "abc"}
"""Where year, month and day stand in a written date, by date style."""
_CENTURY_TURNS: Final = 69
"""Two-digit years below it are of this century (POSIX strptime)."""
_YES: Final = frozenset({"true", "yes", "y", "1", "t", "on"})
_NO: Final = frozenset({"false", "no", "n", "0", "f", "off"})

_NO_NUMBER: Final = Refusal("type", "must be a number")
_NO_BOOLEAN: Final = Refusal("type", "must be true or false")
_NO_DATETIME: Final = Refusal("type", "must be a date and time such as 2026-03-01T09:30:00Z")


def check_value(type_: FieldType, value: AttributeValue) -> AttributeValue | Refusal:
    """A JSON value as it is stored in a field of this type; None stays None. A date and time must name its zone."""
    if value is None:
        return None
    if type_ is FieldType.NUMBER:
        return value if isinstance(value, int | float) and not isinstance(value, bool) else _NO_NUMBER
    if type_ is FieldType.BOOLEAN:
        return value if isinstance(value, bool) else _NO_BOOLEAN
    if not isinstance(value, str):
        return _NO_DATETIME if type_ is FieldType.DATETIME else Refusal("type", "must be a string")
    if type_ is not FieldType.DATETIME:
        return value
    moment = _parse_iso(value)
    return _NO_DATETIME if moment is None or moment.tzinfo is None else _stored(moment)


def read_value(
    type_: FieldType, value: str, timezone: str = "UTC", date_style: str = "day_first"
) -> AttributeValue | Refusal:
    """A value that was written as text, as it is stored in a field of this type.

    Dates are read in ISO 8601, else in the account's `date_style`; what names no zone is in `timezone`, and what names
    no time is midnight there. Two-digit years are those from 1969 to 2068.
    """
    text = value.strip(" ")
    if type_ is FieldType.NUMBER:
        return _read_number(text)
    if type_ is FieldType.BOOLEAN:
        known = text.lower()
        return known in _YES if known in _YES or known in _NO else _NO_BOOLEAN
    if type_ is FieldType.DATETIME:
        moment = _parse_iso(text) or _parse_written(text, date_style)
        return _NO_DATETIME if moment is None else _stored(_placed(moment, timezone))
    return rules.check_text(value) or value


def _read_number(text: str) -> int | float | Refusal:
    match = _NUMBER.fullmatch(text)
    if not match:
        return _NO_NUMBER
    number = float(text) if match[1] else int(text)
    return number if -_INT64 <= number < _INT64 else Refusal("number", "must be a number of at most 64 bits")


def _parse_iso(text: str) -> datetime | None:
    if not _ISO.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None


def _parse_written(text: str, date_style: str) -> datetime | None:
    found = _WRITTEN.fullmatch(text)
    if not found:
        return None
    places = "abc" if len(found["a"]) > 2 else _PLACES[date_style]
    year, month, day = (int(found[place]) for place in places)
    hour = int(found["hour"] or 0)
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"].lower() == "p" else 0)
    if len(found[places[0]]) <= 2:
        year += 2000 if year < _CENTURY_TURNS else 1900
    try:
        return datetime(year, month, day, hour, int(found["minute"] or 0), int(found["second"] or 0))  # noqa: DTZ001 - the caller places it
    except ValueError:
        return None


def _placed(moment: datetime, timezone: str) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))


def _stored(moment: datetime) -> str | Refusal:
    try:
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError):
        return Refusal("type", "is outside the calendar")
