"""What this API refuses before a use case is asked, in its own words, and the readers of JSON that say so.

Every refusal is a 400 with one sentence. Read `answers` for the shape in which it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clarion.domain.errors import Invalid, Problem

Body = Mapping[str, Any]
LIST_LIMIT: Final = 100
"""Items of one list in a body."""


def refused(field: str, rule: str, message: str) -> Invalid:
    """A refusal of one field."""
    return Invalid(Problem(field, rule, message))


def required_text(body: Body, field: str, limit: int, at: str = "") -> str:
    """A text that must be there and not be blank. Raises `Invalid`."""
    text = optional_text(body, field, limit, at)
    if not text.strip():
        raise refused(at + field, "required", "is missing")
    return text


def optional_text(body: Body, field: str, limit: int, at: str = "") -> str:
    """A text; absent and null are empty. Raises `Invalid`."""
    value = body.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise refused(at + field, "type", "must be text")
    if len(value) > limit:
        raise refused(at + field, "maxLength", f"must have at most {limit} characters")
    return value


def objects(body: Body, field: str) -> list[dict[str, Any]]:
    """A list of objects; absent, null and an empty text are an empty one. Raises `Invalid`."""
    value = body.get(field)
    if value is None or value == "":
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise refused(field, "type", "must be a list of objects")
    if len(value) > LIST_LIMIT:
        raise refused(field, "maxItems", f"must have at most {LIST_LIMIT} items")
    return value


def whole_number(value: object) -> int | None:
    """A positive whole number of 63 bits, written as a number or in ASCII digits; None for everything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _DIGITS:
        number = int(value)
    else:
        return None
    return number if 0 < number < _NUMBERS else None


_NUMBERS: Final = 2**63
_DIGITS: Final = 40
