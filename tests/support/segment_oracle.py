"""What a segment's rule means, a second time and without a database: the oracle that its SQL is compared with."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any as Anything

from clarion.domain.contact import Contact
from clarion.domain.ids import Id
from clarion.domain.segment import (
    NEGATED,
    All,
    Any,
    Attribute,
    Column,
    Compare,
    Consent,
    FromNow,
    InGroup,
    Not,
    Operator,
    Rule,
)

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-](0\d|1[0-4]):?\d\d)?)?", re.ASCII
)  # fmt: skip
_ORDERS: dict[Operator, Callable[[Anything, Anything], bool]] = {
    Operator.EQUAL: lambda a, b: a == b,
    Operator.GREATER_THAN: lambda a, b: a > b,
    Operator.AT_LEAST: lambda a, b: a >= b,
    Operator.LESS_THAN: lambda a, b: a < b,
    Operator.AT_MOST: lambda a, b: a <= b,
    Operator.AFTER: lambda a, b: a > b,
    Operator.AT_OR_AFTER: lambda a, b: a >= b,
    Operator.BEFORE: lambda a, b: a < b,
    Operator.AT_OR_BEFORE: lambda a, b: a <= b,
}
_SEARCHES: dict[Operator, Callable[[str, str], bool]] = {
    Operator.CONTAINS: lambda text, part: part in text,
    Operator.STARTS_WITH: str.startswith,
    Operator.ENDS_WITH: str.endswith,
}


def selects(rule: Rule, contact: Contact, groups: frozenset[Id], now: datetime) -> bool:
    """Whether the rule is true for a contact who is in these groups."""
    found = True
    match rule:
        case All(rules):
            found = all(selects(one, contact, groups, now) for one in rules)
        case Any(rules):
            found = any(selects(one, contact, groups, now) for one in rules)
        case Not(inner):
            found = not selects(inner, contact, groups, now)
        case InGroup(group_id):
            found = group_id in groups
        case Consent(channel, value):
            found = getattr(contact.consent, channel) is value
        case Compare(field, operator, value) if operator in NEGATED:
            found = not selects(Compare(field, NEGATED[operator], value), contact, groups, now)
        case Compare(field, operator, value):
            wanted = now + value.offset if isinstance(value, FromNow) else value
            if isinstance(field, Attribute):
                found = _attribute(_at(contact.attributes, field.path), operator, wanted)
            else:
                found = _column(contact, field, operator, wanted)
    return found


def _column(contact: Contact, column: Column, operator: Operator, wanted: Anything) -> bool:
    email = contact.email_key
    special = {
        Column.EMAIL_DOMAIN: email and email.rpartition("@")[2],
        Column.STATUS: str(contact.status),
        Column.LANGUAGE: contact.language and contact.language.lower(),
    }
    name = re.sub("[A-Z]", lambda upper: "_" + upper[0].lower(), column)
    value = special[column] if column in special else getattr(contact, name)
    if operator is Operator.IS_SET:
        return value is not None
    if value is None:
        return False
    if operator in _SEARCHES:
        return _SEARCHES[operator](value.lower(), wanted.lower())
    key = email if column is Column.EMAIL else value
    return key in wanted if operator is Operator.IN else _ORDERS[operator](key, wanted)


def _attribute(value: Anything, operator: Operator, wanted: Anything) -> bool:
    if operator is Operator.IS_SET:
        return value is not None and value != ""
    if operator is Operator.IN:
        return any(_attribute(value, Operator.EQUAL, one) for one in wanted)
    if operator is Operator.CONTAINS and isinstance(value, list):
        return wanted in [one for one in value if isinstance(one, str)]
    if operator in _SEARCHES:
        return isinstance(value, str) and _SEARCHES[operator](value.lower(), wanted.lower())
    if isinstance(wanted, bool | str):
        return type(value) is type(wanted) and bool(value == wanted)
    read: Callable[[Anything], Anything] = _moment if isinstance(wanted, datetime) else _number
    return (found := read(value)) is not None and _ORDERS[operator](found, read(wanted))


def _at(value: Anything, path: tuple[str, ...]) -> Anything:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _number(value: Anything) -> Decimal | None:
    if isinstance(value, str):
        return Decimal(value) if _NUMBER.fullmatch(value) else None
    return None if isinstance(value, bool) or not isinstance(value, int | float) else Decimal(repr(value))


def _moment(value: Anything) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) and _MOMENT.fullmatch(value) else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
