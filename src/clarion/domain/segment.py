"""Segments: stored rules that select contacts. A rule is a tree of conditions, true or false for every contact.

A value that is missing or of another kind makes a comparison false, and whatever says *not* is the exact complement of
what it negates. Nothing here reads JSON or writes SQL: see `application.segment_rules` and
`adapters.postgres.segment_sql`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any as Anything
from typing import Final

from clarion.domain.ids import Id

SEGMENT_NAME_LIMIT: Final = 200
"""Characters of a segment's name."""
RULE_DEPTH: Final = 10
"""Levels of a rule: a lone condition has one."""
RULE_NODES: Final = 100
"""Conditions and connectives of a rule together."""
TEXT_LIMIT: Final = 1000
"""Characters of a text that is compared."""
LIST_LIMIT: Final = 1000
"""Values of one `in` or `notIn`."""
PATH_LIMIT: Final = 8
"""Names in the path of an attribute."""


class Column(StrEnum):
    """What every contact has, by the names the API uses. `emailDomain` is the part of the address after the @."""

    EMAIL = "email"
    EMAIL_DOMAIN = "emailDomain"
    PHONE = "phone"
    FIRST_NAME = "firstName"
    LAST_NAME = "lastName"
    EXTERNAL_ID = "externalId"
    LANGUAGE = "language"
    TIMEZONE = "timezone"
    STATUS = "status"
    CREATED_AT = "createdAt"
    UPDATED_AT = "updatedAt"
    LAST_SEEN_AT = "lastSeenAt"


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute by the names that lead to it, outermost first. A list is a value, not a step of a path."""

    path: tuple[str, ...]


Field = Column | Attribute


class Operator(StrEnum):
    """How a field is compared; each fits some kinds of values only (see the tables below)."""

    EQUAL = "equal"
    """The same value: texts letter by letter, numbers by their amount."""
    NOT_EQUAL = "notEqual"
    IN = "in"
    """Equal to one of a list."""
    NOT_IN = "notIn"
    CONTAINS = "contains"
    """The text occurs somewhere, in either case; or a list has it as an element."""
    NOT_CONTAINS = "notContains"
    STARTS_WITH = "startsWith"
    ENDS_WITH = "endsWith"
    GREATER_THAN = "greaterThan"
    AT_LEAST = "atLeast"
    LESS_THAN = "lessThan"
    AT_MOST = "atMost"
    BEFORE = "before"
    AT_OR_BEFORE = "atOrBefore"
    AFTER = "after"
    AT_OR_AFTER = "atOrAfter"
    IS_SET = "isSet"
    """There is a value: neither null nor an empty text."""
    IS_NOT_SET = "isNotSet"


NEGATED: Final = {
    Operator.NOT_EQUAL: Operator.EQUAL,
    Operator.NOT_IN: Operator.IN,
    Operator.NOT_CONTAINS: Operator.CONTAINS,
    Operator.IS_NOT_SET: Operator.IS_SET,
}
"""Operators that are true exactly where another one is false."""

PRESENCE_OPERATORS: Final = frozenset({Operator.IS_SET, Operator.IS_NOT_SET})
EQUALITY_OPERATORS: Final = frozenset({Operator.EQUAL, Operator.NOT_EQUAL})
LIST_OPERATORS: Final = frozenset({Operator.IN, Operator.NOT_IN})
TEXT_OPERATORS: Final = frozenset({Operator.CONTAINS, Operator.NOT_CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH})
NUMBER_OPERATORS: Final = frozenset({Operator.GREATER_THAN, Operator.AT_LEAST, Operator.LESS_THAN, Operator.AT_MOST})
DATE_OPERATORS: Final = frozenset({Operator.BEFORE, Operator.AT_OR_BEFORE, Operator.AFTER, Operator.AT_OR_AFTER})
DATE_COLUMNS: Final = frozenset({Column.CREATED_AT, Column.UPDATED_AT, Column.LAST_SEEN_AT})


class Unit(StrEnum):
    """A length of time that is the same everywhere; a day has 24 hours."""

    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"


@dataclass(frozen=True, slots=True)
class FromNow:
    """A moment so far from now: in the future (`ahead`), or in the past."""

    amount: int
    unit: Unit
    ahead: bool = False

    @property
    def offset(self) -> timedelta:
        """What to add to now."""
        length = timedelta(**{self.unit.value: self.amount})
        return length if self.ahead else -length


FROM_NOW_LIMIT: Final = timedelta(days=36_525)
"""The farthest moment from now that a rule may name: a century."""

Number = int | float
Value = str | bool | Number | datetime | FromNow | tuple[str, ...] | tuple[Number, ...] | None


@dataclass(frozen=True, slots=True)
class Everyone:
    """True for every contact."""


@dataclass(frozen=True, slots=True)
class Compare:
    """True where the field holds a value that compares so; `value` is None for `isSet` and `isNotSet` only."""

    field: Field
    operator: Operator
    value: Value = None


@dataclass(frozen=True, slots=True)
class InGroup:
    """True for the members of a group; a group that no longer exists has none."""

    group_id: Id


@dataclass(frozen=True, slots=True)
class Consent:
    """True where consent on a channel (`email`, `sms` or `push`) is given, refused (False) or never asked (None)."""

    channel: str
    value: bool | None


@dataclass(frozen=True, slots=True)
class Not:
    """True where the rule is false."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class All:
    """True where all of the rules are; of none, for everyone."""

    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """True where one of the rules is; of none, for nobody."""

    rules: tuple[Rule, ...]


Rule = Everyone | Compare | InGroup | Consent | Not | All | Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stored rule. `number` names it in whole numbers; `extras` is what a dialect's caller said, by dialect."""

    id: Id
    number: int
    name: str
    rule: Rule
    extras: dict[str, Anything] = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime


def fixed_at(rule: Rule, now: datetime) -> Rule:
    """The same rule with every moment relative to now replaced by the moment it means at `now`."""
    if isinstance(rule, Compare) and isinstance(rule.value, FromNow):
        return replace(rule, value=now + rule.value.offset)
    if isinstance(rule, Not):
        return Not(fixed_at(rule.rule, now))
    if isinstance(rule, All | Any):
        return type(rule)(tuple(fixed_at(inner, now) for inner in rule.rules))
    return rule
