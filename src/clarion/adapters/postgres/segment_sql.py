"""Turns a rule of `domain.segment` into SQL over `contact AS c`.

The text is put together from the constants below and from `$n`; values and attribute names are always bound. Whatever
a contact holds, the expression is true or false: never null, never an error. Read `domain.segment` for the meaning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from clarion.domain.segment import (
    DATE_OPERATORS,
    NEGATED,
    All,
    Any,
    Attribute,
    Column,
    Compare,
    Consent,
    Everyone,
    FromNow,
    InGroup,
    Not,
    Operator,
    Rule,
    Value,
)

_O = Operator

_COLUMNS: Final = {
    Column.EMAIL: "c.email",
    Column.EMAIL_DOMAIN: "split_part(c.email_key, '@', -1)",
    Column.PHONE: "c.phone",
    Column.FIRST_NAME: "c.first_name",
    Column.LAST_NAME: "c.last_name",
    Column.EXTERNAL_ID: "c.external_id",
    Column.LANGUAGE: "c.language",
    Column.TIMEZONE: "c.timezone",
    Column.STATUS: "c.status",
    Column.CREATED_AT: "c.created_at",
    Column.UPDATED_AT: "c.updated_at",
    Column.LAST_SEEN_AT: "c.last_seen_at",
}
_KEYS: Final = {Column.EMAIL: "c.email_key", Column.LANGUAGE: "lower(c.language)"}
"""What stands for a column where it is compared as a whole."""

_CONSENT: Final = {"email": "c.consent_email", "sms": "c.consent_sms", "push": "c.consent_push"}
_GIVEN: Final = {True: "{x} IS TRUE", False: "{x} IS FALSE", None: "{x} IS NULL"}

# index: group_member_pkey (index only) per contact; or the members as a hash, when they are few or must all be met.
_IN_GROUP: Final = "EXISTS (SELECT FROM group_member AS m WHERE m.group_id = {value} AND m.contact_id = c.id)"

_SIGNS: Final = {
    _O.EQUAL: "=",
    _O.GREATER_THAN: ">",
    _O.AT_LEAST: ">=",
    _O.LESS_THAN: "<",
    _O.AT_MOST: "<=",
    _O.BEFORE: "<",
    _O.AT_OR_BEFORE: "<=",
    _O.AFTER: ">",
    _O.AT_OR_AFTER: ">=",
}
_SEARCHES: Final = {
    _O.CONTAINS: "strpos(lower({x}), lower({value})) > 0",
    _O.STARTS_WITH: "starts_with(lower({x}), lower({value}))",
    _O.ENDS_WITH: "right(lower({x}), length(lower({value}))) = lower({value})",
}

_ONLY_OF_TEXT: Final = "{search} AND jsonb_typeof({node}) = 'string'"
_LIKE_ANOTHER_KIND: Final = re.compile(r"[-0-9\[{]|true\Z|false\Z")
"""Texts that a number, a truth value, a list or an object may look like once it is read as text."""

_ALSO_IN_LISTS: Final = "CASE jsonb_typeof({node}) WHEN 'string' THEN {search} WHEN 'array' THEN {node} ? {value} END"

# The number in an attribute: a JSON number, or a text that is one.
_NUMBER: Final = (
    "CASE jsonb_typeof({node}) WHEN 'number' THEN ({node})::numeric WHEN 'string' THEN number_of({text}) END"
)

# A date in an attribute is a text. Reading it costs more than everything else, so a text is first compared by its
# letters with a day before and a day after the moment asked for, two days away so that no offset matters: on the wrong
# side it need not be read at all, far on the right side it need only be a date.
_EARLIER: Final = """
{text} COLLATE "C" < {after} AND CASE WHEN {text} COLLATE "C" < {before} THEN is_instant({text})
    ELSE instant_of({text}) {sign} {moment} END
"""
_LATER: Final = """
{text} COLLATE "C" > {before} AND CASE WHEN {text} COLLATE "C" > {after} THEN is_instant({text})
    ELSE instant_of({text}) {sign} {moment} END
"""
_DATES: Final = {
    _O.BEFORE: _EARLIER,
    _O.AT_OR_BEFORE: _EARLIER,
    _O.AFTER: _LATER,
    _O.AT_OR_AFTER: _LATER,
}
_AWAY: Final = timedelta(days=2)


def where(rules: Sequence[Rule], first: int) -> tuple[str, list[object]]:
    """One boolean expression over `contact AS c`, true where any of the rules is, and its parameters from `$first` on.

    It is never null, so a `NOT` before it is its complement. It says nothing of the account or of deleted contacts:
    the statement around it does.
    """
    writer = _Writer(first)
    return writer.rule(Any(tuple(rules)) if len(rules) != 1 else rules[0]), writer.arguments


class _Writer:
    """Writes one expression, keeping its arguments in order."""

    def __init__(self, first: int) -> None:
        self._first = first
        self.arguments: list[object] = []

    def rule(self, rule: Rule) -> str:
        """Any rule, safe to stand beside `AND` and `OR`."""
        match rule:
            case Compare():
                return self._compare(rule)
            case InGroup(group_id):
                return _IN_GROUP.format(value=self._bind(group_id, "bytea"))
            case Consent(channel, value):
                return _GIVEN[value].format(x=_CONSENT[channel])
            case Not(inner):
                return f"(NOT {self.rule(inner)})"
            case All(inner) | Any(inner):
                return self._joined(inner, *((" AND ", "true") if isinstance(rule, All) else (" OR ", "false")))
            case Everyone():
                return "true"

    def _joined(self, rules: tuple[Rule, ...], word: str, empty: str) -> str:
        """The rules with the cheap ones first: the database looks at them from left to right and stops early."""
        return f"({word.join(self.rule(rule) for rule in sorted(rules, key=_cost))})" if rules else empty

    def _bind(self, value: object, kind: str) -> str:
        self.arguments.append(value)
        return f"${self._first + len(self.arguments) - 1}::{kind}"

    def _compare(self, rule: Compare) -> str:
        """True or false, also where the inner comparison is null.

        Inside a coalesce the planner takes every comparison for true of every second contact. Left to itself it takes
        one of an attribute for true of hardly any, and then looks members of a group up one by one.
        """
        if rule.operator in NEGATED:
            return f"(NOT {self._compare(Compare(rule.field, NEGATED[rule.operator], rule.value))})"
        if isinstance(rule.field, Attribute):
            return f"coalesce({self._attribute(rule.field.path, rule.operator, rule.value)}, false)"
        return f"coalesce({self._column(rule.field, rule.operator, rule.value)}, false)"

    def _column(self, column: Column, operator: Operator, value: Value) -> str:
        shown = _COLUMNS[column]
        if operator is _O.IS_SET:
            return f"{shown} IS NOT NULL"
        if operator in DATE_OPERATORS:
            return f"{shown} {_SIGNS[operator]} {self._moment(value)}"
        if operator in _SEARCHES:
            return _SEARCHES[operator].format(x=shown, value=self._bind(value, "text"))
        return f"{_KEYS.get(column, shown)} {self._equals(value)}"

    def _attribute(self, path: tuple[str, ...], operator: Operator, value: Value) -> str:
        *outer, last = [self._bind(name, "text") for name in path]
        parent = " -> ".join(["c.attributes", *outer])
        node, text = f"({parent} -> {last})", f"({parent} ->> {last})"
        if operator is _O.IS_SET:
            return f"{text} <> ''"
        if operator in DATE_OPERATORS:
            return self._date(text, operator, value)
        if operator in _SEARCHES:
            bound = self._bind(value, "text")
            search = _SEARCHES[operator].format(x=text, value=bound)
            template = _ALSO_IN_LISTS if operator is _O.CONTAINS else _ONLY_OF_TEXT
            return template.format(node=node, search=search, value=bound)
        return self._equality(node, text, operator, value)

    def _equality(self, node: str, text: str, operator: Operator, value: Value) -> str:
        if isinstance(value, bool):
            return f"{text} {self._equals(str(value).lower())} AND jsonb_typeof({node}) = 'boolean'"
        if isinstance(value, str) or (isinstance(value, tuple) and isinstance(value[0], str)):
            search = f"{text} {self._equals(value)}"
            if any(map(_LIKE_ANOTHER_KIND.match, [value] if isinstance(value, str) else map(str, value))):
                return _ONLY_OF_TEXT.format(node=node, search=search)
            return search
        return f"{_NUMBER.format(node=node, text=text)} {self._compares(operator, value)}"

    def _equals(self, value: Value) -> str:
        if isinstance(value, tuple):
            return f"= ANY({self._bind(list(value), 'text[]')})"
        return f"= {self._bind(value, 'text')}"

    def _compares(self, operator: Operator, value: Value) -> str:
        if isinstance(value, tuple):
            return f"= ANY({self._bind([_exact(one) for one in value], 'numeric[]')})"
        return f"{_SIGNS[operator]} {self._bind(_exact(value), 'numeric')}"

    def _date(self, text: str, operator: Operator, value: Value) -> str:
        days = [self._day(value, -_AWAY), self._day(value, _AWAY)]
        return _DATES[operator].format(
            text=text, before=days[0], after=days[1], sign=_SIGNS[operator], moment=self._moment(value)
        )

    def _moment(self, value: Value) -> str:
        """A subquery of its own is worked out once, not for every contact."""
        if isinstance(value, FromNow):
            return f"(SELECT now() + {self._bind(value.offset, 'interval')})"
        return self._bind(value, "timestamptz")

    def _day(self, value: Value, away: timedelta) -> str:
        if isinstance(value, FromNow):
            return f"(SELECT to_char(now() + {self._bind(value.offset + away, 'interval')}, 'YYYY-MM-DD'))"
        return self._bind(_day_near(value, away), "text")


def _day_near(moment: Value, away: timedelta) -> str:
    """The day so far from a moment; beyond the calendar, a text below or above every day."""
    try:
        return f"{moment + away:%Y-%m-%d}".rjust(10, "0") if isinstance(moment, datetime) else ""
    except OverflowError:
        return ":" if away > timedelta() else ""


def _exact(number: object) -> Decimal:
    """The decimal number as it is written: a float would be bound with the digits of its binary form."""
    return Decimal(repr(number))


def _cost(rule: Rule) -> int:
    """How dear a rule is to look at, roughly: only the order of the answers matters."""
    match rule:
        case Not(inner):
            return _cost(inner)
        case All(inner) | Any(inner):
            return sum(map(_cost, inner))
        case InGroup():
            return 20
        case Compare():
            return _compare_cost(rule)
        case Everyone() | Consent():
            return 0


def _compare_cost(rule: Compare) -> int:
    if isinstance(rule.field, Column):
        return 3 if rule.operator in _SEARCHES else 1
    if rule.operator in DATE_OPERATORS:
        return 12
    return 2 if isinstance(rule.value, str | bool) and rule.operator not in _SEARCHES else 5
