"""The filters of the template language that the engine does not bring: numbers as people write them, and dates.

Each takes whatever the data holds and raises for nothing but a result that is too large. Read `templates` for where
they are given to the engine, `reader` for how many arguments each takes.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

_NUMBER: Final = re.compile(r"\s*[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?\s*", re.ASCII)
_LARGEST: Final = 10**15
_PLACES: Final = 9
_SHAPE_LIMIT: Final = 100
_MONTHS: Final = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
                  "November", "December")  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DATE_PART: Final = re.compile("YYYY|YY|MMMM|MMM|MM|M|DD|D|EEEE|EEE|HH|H|hh|h|mm|ss|aa|AA")


def number(value: object, default: float = 0) -> float:
    """A number, or a text that is one, as a whole number where it is one; anything else is the default."""
    found: float | None = None
    if isinstance(value, int | float):
        found = value
    elif isinstance(value, str) and _NUMBER.fullmatch(value):
        found = float(value) if "." in value else int(value)
    if found is None or not -_LARGEST <= found <= _LARGEST:  # also true of what is not a number
        return default
    rounded = round(found, _PLACES)
    return int(rounded) if rounded == int(rounded) else rounded


def date(value: object, shape: str = "YYYY-MM-DD") -> str:
    """A date or moment in ISO 8601, written in this shape, as in `DD.MM.YYYY HH:mm`; empty for anything else.

    The parts are YYYY YY, MMMM MMM MM M, DD D, EEEE EEE (days of the week), HH H (of 24), hh h (of 12), mm, ss, aa AA.
    Names are English; the offset is the value's own.
    """
    try:
        moment = datetime.fromisoformat(value.strip()) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        return ""
    return _DATE_PART.sub(lambda part: _shown(moment, part[0]), shape[:_SHAPE_LIMIT])


def _shown(moment: datetime, part: str) -> str:
    hour = moment.hour % 12 or 12
    half = "am" if moment.hour < 12 else "pm"
    return {
        "YYYY": f"{moment.year:04}", "YY": f"{moment.year % 100:02}",
        "MMMM": _MONTHS[moment.month - 1], "MMM": _MONTHS[moment.month - 1][:3],
        "MM": f"{moment.month:02}", "M": str(moment.month), "DD": f"{moment.day:02}", "D": str(moment.day),
        "EEEE": _DAYS[moment.weekday()], "EEE": _DAYS[moment.weekday()][:3],
        "HH": f"{moment.hour:02}", "H": str(moment.hour), "hh": f"{hour:02}", "h": str(hour),
        "mm": f"{moment.minute:02}", "ss": f"{moment.second:02}", "aa": half, "AA": half.upper(),
    }[part]  # fmt: skip
