"""The conditions of a segment in this API's words, written as a rule in ours.

An attribute goes by its display name: a contact's own column, a contact field of that name, else the attribute as it is
called. A value is text on the wire; what it is compared as depends on the attribute and on the operator. Where to read
next: `conditions`, `application.segment_rules`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from clarion.domain.contact_field import ContactField, FieldType, key_of
from clarion.domain.segment import TEXT_LIMIT
from clarion.entrypoints.http.dialects.voltmx.conditions import EXPRESSION_LIMIT, Rule, Unreadable, combine
from clarion.entrypoints.http.dialects.voltmx.moments import read_date
from clarion.entrypoints.http.dialects.voltmx.refusals import Body, objects, refused, required_text, whole_number
from clarion.rendering.translation.voltmx import COLUMNS

NAME_LIMIT: Final = 100
_DATE_COLUMNS: Final = {
    "created_date": "createdAt",
    "last_modified_date": "updatedAt",
    "last_active_date": "lastSeenAt",
}
_RELATIVE: Final = {
    "greaterthancurrentdateminus": ("after", "ago"),
    "greaterthancurrentdateplus": ("after", "ahead"),
    "lessthancurrentdateminus": ("before", "ago"),
    "lessthancurrentdateplus": ("before", "ahead"),
}
_OPERATORS: Final = {
    "contains": "contains",
    "equal": "equal",
    "equals": "equal",
    "equalto": "equal",
    "notequal": "notEqual",
    "notequals": "notEqual",
    "notequalto": "notEqual",
    "greaterthan": "greaterThan",
    "lessthan": "lessThan",
}
_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_DAY = re.compile(r"\d{1,2}/\d{1,2}/\d{4}", re.ASCII)
_SIGNS = re.compile(r"[^a-z]+")


@dataclass(frozen=True, slots=True)
class Attribute:
    """What a display name stands for: the field of a rule, and its type where one is known."""

    field: str | list[str]
    type: FieldType | None = None


class Attributes:
    """The attributes of one account by display name."""

    def __init__(self, fields: Iterable[ContactField], zone: tzinfo) -> None:
        self.zone = zone
        self._fields: dict[str, ContactField] = {}
        for field in fields:
            self._fields |= {field.key: field, field.name.casefold(): field}

    def named(self, name: str) -> Attribute:
        """What a display name stands for; the name of a field may be in any capitals."""
        key = key_of(name)
        if key in COLUMNS:
            return Attribute(COLUMNS[key], FieldType.TEXT)
        if key in _DATE_COLUMNS:
            return Attribute(_DATE_COLUMNS[key], FieldType.DATETIME)
        field = self._fields.get(name.casefold()) or self._fields.get(key)
        if field:
            return Attribute(["attributes", field.key], field.type)
        return Attribute(["attributes", name])


def rule_of(body: Body, attributes: Attributes) -> Rule:
    """The rule that the body of a segment describes, as JSON.

    Raises:
        Invalid: naming the first part that is missing or wrong.
    """
    kind = required_text(body, "conditionType", NAME_LIMIT).strip().lower()
    if kind not in ("any", "all", "advanced"):
        raise refused("conditionType", "enum", "must be any, all or advanced")
    conditions = _conditions(body, attributes)
    if kind != "advanced":
        return {kind: list(conditions.values())}
    expression = required_text(body, "segmentDefinition", EXPRESSION_LIMIT)
    try:
        return combine(expression, conditions)
    except Unreadable as error:
        raise refused("segmentDefinition", "expression", str(error)) from None


def _conditions(body: Body, attributes: Attributes) -> dict[int, Rule]:
    items = objects(body, "segmentAudienceList")
    if not items:
        raise refused("segmentAudienceList", "required", "is missing")
    found: dict[int, Rule] = {}
    for place, item in enumerate(items):
        at = f"segmentAudienceList[{place}]."
        name = required_text(item, "attributeName", NAME_LIMIT, at).strip()
        operator = required_text(item, "attributeOperator", NAME_LIMIT, at)
        value = _value(item, at)
        number = whole_number(item.get("conditionNo"))
        if item.get("conditionNo") in (None, ""):
            raise refused(f"{at}conditionNo", "required", "is missing")
        if number is None or number in found:
            raise refused(f"{at}conditionNo", "unique", "must be a positive whole number of its own")
        found[number] = _condition(attributes.named(name), operator, value, _Place(at, attributes.zone))
    return found


def _value(item: Body, at: str) -> str:
    value = item.get("attributeValue")
    if isinstance(value, int | float):  # also true and false
        value = str(value).lower()
    return required_text({"attributeValue": value}, "attributeValue", TEXT_LIMIT, at).strip()


@dataclass(frozen=True, slots=True)
class _Place:
    at: str
    zone: tzinfo

    def value(self, rule: str, message: str) -> Exception:
        return refused(f"{self.at}attributeValue", rule, message)

    def operator(self, message: str) -> Exception:
        return refused(f"{self.at}attributeOperator", "enum", message)


def _condition(attribute: Attribute, said: str, value: str, place: _Place) -> Rule:
    word = _SIGNS.sub("", said.lower())
    if word in _RELATIVE:
        return _relative(attribute, word, value, place)
    operator = _OPERATORS.get(word)
    if operator is None:
        raise place.operator("must be Contains, Equal, NotEqual, GreaterThan, LessThan or one relative to CurrentDate")
    if operator == "contains":
        return _compare(attribute, operator, value)
    if attribute.type is FieldType.DATETIME or (attribute.type is None and _DAY.match(value)):
        return _dated(attribute, operator, value, place)
    if operator in ("greaterThan", "lessThan"):
        if not _NUMBER.fullmatch(value):
            raise place.value("number", "must be a number, or a date such as 12/31/2026")
        return _compare(attribute, operator, _number(value))
    same = _same(attribute, value)
    return same if operator == "equal" else {"not": same}


def _relative(attribute: Attribute, word: str, value: str, place: _Place) -> Rule:
    if attribute.type not in (None, FieldType.DATETIME):
        raise place.operator("needs an attribute that is a date")
    if not value.isascii() or not value.isdecimal() or len(value) > _DAYS_DIGITS:
        raise place.value("number", "must be a number of days")
    operator, direction = _RELATIVE[word]
    return _compare(attribute, operator, {direction: {"days": int(value)}})


_DAYS_DIGITS: Final = 5


def _dated(attribute: Attribute, operator: str, value: str, place: _Place) -> Rule:
    is_day = _DAY.fullmatch(value) is not None
    begin = read_date(f"{value} 12:00:00 AM" if is_day else value, place.zone)
    if begin is None:
        raise place.value("date", "must be a date such as 12/31/2026 or 12/31/2026 11:59:59 PM")
    try:
        end = _after(begin, place.zone) if is_day else begin + timedelta(seconds=1)
    except OverflowError:
        raise place.value("date", "is the last day of the calendar") from None
    return _DATED[operator](attribute, begin, end)


def _after(begin: datetime, zone: tzinfo) -> datetime:
    """When the day that begins then is over, on the wall clock of the zone."""
    local = begin.astimezone(zone).replace(tzinfo=None) + timedelta(days=1)
    return local.replace(tzinfo=zone).astimezone(UTC)


def _within(attribute: Attribute, begin: datetime, end: datetime) -> Rule:
    return {"all": [_compare(attribute, "atOrAfter", _iso(begin)), _compare(attribute, "before", _iso(end))]}


_DATED: Final[Mapping[str, Callable[[Attribute, datetime, datetime], Rule]]] = {
    "equal": _within,
    "notEqual": lambda attribute, begin, end: {"not": _within(attribute, begin, end)},
    "greaterThan": lambda attribute, _, end: _compare(attribute, "atOrAfter", _iso(end)),
    "lessThan": lambda attribute, begin, _: _compare(attribute, "before", _iso(begin)),
}


def _same(attribute: Attribute, value: str) -> Rule:
    """Equality with every value that this text may stand for: the wire knows texts only."""
    meant: list[Any] = [value]
    if not isinstance(attribute.field, str):
        meant += [_number(value)] if _NUMBER.fullmatch(value) else []
        meant += [value.lower() == "true"] if value.lower() in ("true", "false") else []
    rules = [_compare(attribute, "equal", one) for one in meant]
    return rules[0] if len(rules) == 1 else {"any": rules}


def _compare(attribute: Attribute, operator: str, value: object) -> Rule:
    return {"field": attribute.field, "operator": operator, "value": value}


def _number(value: str) -> int | float:
    return float(value) if "." in value else int(value)


def _iso(moment: datetime) -> str:
    return moment.isoformat()
