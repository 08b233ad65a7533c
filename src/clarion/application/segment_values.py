"""What a condition of a segment's rule may compare: which operators fit a field, and which values fit both.

A reader takes a value as JSON has it and gives the value of the tree, or a `Refusal`. Where to read next:
`segment_rules`, which reads whole rules with these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from clarion.application import contact_rules as rules
from clarion.application.contact_rules import Refusal
from clarion.domain.contact import ContactStatus
from clarion.domain.segment import (
    DATE_COLUMNS,
    DATE_OPERATORS,
    EQUALITY_OPERATORS,
    FROM_NOW_LIMIT,
    LIST_LIMIT,
    LIST_OPERATORS,
    NUMBER_OPERATORS,
    PRESENCE_OPERATORS,
    TEXT_LIMIT,
    TEXT_OPERATORS,
    Attribute,
    Column,
    Field,
    FromNow,
    Number,
    Operator,
    Unit,
    Value,
)
from clarion.rendering.addresses import email_key

_MOMENT: Final = re.compile(  # RFC 3339, or a date alone
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:[Zz]|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_INT64: Final = 2**63

T = TypeVar("T")


def fitting_operators(field: Field) -> frozenset[Operator]:
    """The operators that may stand with a field."""
    if isinstance(field, Attribute):
        return frozenset(Operator)
    if field in DATE_COLUMNS:
        return DATE_OPERATORS | PRESENCE_OPERATORS
    whole = EQUALITY_OPERATORS | LIST_OPERATORS | PRESENCE_OPERATORS
    return whole if field is Column.STATUS else whole | TEXT_OPERATORS


def read_value(field: Field, operator: Operator, raw: object) -> Value | Refusal:
    """The value that a condition compares with, by what its operator takes. `isSet` and its like take none."""
    if operator in DATE_OPERATORS:
        return read_moment(raw)
    if operator in NUMBER_OPERATORS:
        return _read_number(raw)
    if operator in TEXT_OPERATORS:
        return _read_text(raw)
    if operator in LIST_OPERATORS:
        return _read_list(field, raw)
    return _read_scalar(field, raw)


def read_moment(raw: object) -> datetime | FromNow | Refusal:
    """A moment: ISO 8601 text (UTC where it says no offset), or `{"ago": {"days": 30}}`, `{"ahead": {"hours": 2}}`."""
    if isinstance(raw, dict):
        return _read_from_now(raw)
    if isinstance(raw, datetime):
        raw = raw.isoformat()
    if not isinstance(raw, str):
        return Refusal("type", 'must be a date as text, or such as {"ago": {"days": 30}}')
    try:
        moment = datetime.fromisoformat(raw) if _MOMENT.fullmatch(raw) else None
        if moment is not None:
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # a day or an hour that does not exist, or one beyond the calendar
    return Refusal("dateTime", "must be an ISO 8601 date such as 2026-01-31 or 2026-01-31T12:00:00Z")


def _read_from_now(raw: dict[Any, Any]) -> FromNow | Refusal:
    (word, length), *others = raw.items() or [("", None)]
    if others or word not in {"ago", "ahead"}:
        return Refusal("unknown", 'must have either "ago" or "ahead", and nothing else')
    if not isinstance(length, dict) or len(length) != 1:
        return Refusal("type", 'must be one length of time such as {"days": 30}')
    ((unit, amount),) = length.items()
    if unit not in set(Unit):
        return Refusal("enum", f"must be in one of {', '.join(Unit)}")
    if isinstance(amount, bool) or not isinstance(amount, int):
        return Refusal("type", "must be a whole number of " + unit)
    if not 0 <= amount <= FROM_NOW_LIMIT / timedelta(**{unit: 1}):
        return Refusal("range", f"must be at most {FROM_NOW_LIMIT.days} days from now")
    return FromNow(amount, Unit(unit), word == "ahead")


def _read_text(raw: object) -> str | Refusal:
    if not isinstance(raw, str):
        return Refusal("type", "must be text")
    if not raw:
        return Refusal("minLength", "must not be empty; isNotSet finds what is empty")
    if len(raw) > TEXT_LIMIT:
        return Refusal("maxLength", f"must have at most {TEXT_LIMIT} characters")
    return rules.check_text(raw) or raw


def _read_number(raw: object) -> Number | Refusal:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return Refusal("type", "must be a number")
    if not -_INT64 <= raw < _INT64:
        return Refusal("number", "must be a number of at most 64 bits, neither NaN nor infinite")
    return raw


def _read_scalar(field: Field, raw: object) -> Value | Refusal:
    if isinstance(field, Column):
        return _read_key(field, raw)
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int | float):
        return _read_number(raw)
    return _read_text(raw) if isinstance(raw, str) else Refusal("type", "must be text, a number, true or false")


def _read_list(field: Field, raw: object) -> Value | Refusal:
    if not isinstance(raw, list | tuple):
        return Refusal("type", "must be a list")
    if not raw:
        return Refusal("minItems", "must have at least one value")
    if len(raw) > LIST_LIMIT:
        return Refusal("maxItems", f"must have at most {LIST_LIMIT} values")
    if isinstance(field, Column):
        return _one_of_all([_read_key(field, one) for one in raw])
    if isinstance(raw[0], str):
        return _one_of_all([_read_text(one) for one in raw])
    return _one_of_all([_read_number(one) for one in raw])


def _one_of_all(values: Sequence[T | Refusal]) -> tuple[T, ...] | Refusal:
    found = [value for value in values if not isinstance(value, Refusal)]
    return tuple(found) if len(found) == len(values) else next(one for one in values if isinstance(one, Refusal))


def _read_key(column: Column, raw: object) -> str | Refusal:
    """A value that is compared with a whole column, in the spelling in which the column is compared."""
    text = _read_text(raw)
    reader = _KEY_READERS.get(column)
    return reader(text) if reader and isinstance(text, str) else text


def _read_language(text: str) -> str | Refusal:
    tag = rules.read_language(text)
    return tag.lower() if isinstance(tag, str) else tag


def _read_status(text: str) -> str | Refusal:
    return text if text in set(ContactStatus) else Refusal("enum", f"must be one of {', '.join(ContactStatus)}")


def _domain_key(text: str) -> str:
    return email_key(f"someone@{text}").rpartition("@")[2]


_KEY_READERS: Final[dict[Column, Callable[[str], str | Refusal]]] = {
    Column.EMAIL: email_key,
    Column.EMAIL_DOMAIN: _domain_key,
    Column.PHONE: rules.read_phone,
    Column.LANGUAGE: _read_language,
    Column.STATUS: _read_status,
}
