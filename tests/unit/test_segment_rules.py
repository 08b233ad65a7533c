"""The rule of a segment as JSON: what is read, what is refused with which words, what is written back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any as Anything

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.segment_samples import rules

from clarion.application.segment_rules import parse_rule, rule_to_json
from clarion.domain.errors import Invalid, Problem
from clarion.domain.ids import parse_id
from clarion.domain.segment import (
    RULE_DEPTH,
    RULE_NODES,
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
    Unit,
    fixed_at,
)

GROUP = "507f1f77bcf86cd799439011"
CITY = {"field": "attributes.city", "operator": "equal", "value": "Bergen"}


def refusals(value: object) -> list[tuple[str, str]]:
    """Where and why a rule is refused."""
    with pytest.raises(Invalid) as caught:
        parse_rule(value)
    return [(problem.field, problem.rule) for problem in caught.value.problems]


def test_every_kind_of_rule_is_read() -> None:
    written = {
        "all": [
            {"any": [CITY, {"group": GROUP}]},
            {"not": {"consent": "sms", "value": None}},
            {"field": "createdAt", "operator": "after", "value": {"ago": {"days": 30}}},
            {"everyone": True},
        ]
    }
    group_id = parse_id(GROUP)
    assert group_id is not None
    assert parse_rule(written) == All(
        (
            Any((Compare(Attribute(("city",)), Operator.EQUAL, "Bergen"), InGroup(group_id))),
            Not(Consent("sms", None)),
            Compare(Column.CREATED_AT, Operator.AFTER, FromNow(30, Unit.DAYS)),
            Everyone(),
        )
    )


@pytest.mark.parametrize(
    ("field", "operator", "value", "read"),
    [
        ("email", "equal", " Ada@LOVELACE.example", "ada@lovelace.example"),
        ("emailDomain", "in", ["LOVELACE.example"], ("lovelace.example",)),
        ("phone", "equal", "+1 (202) 555-0123", "+12025550123"),
        ("language", "equal", "pt-BR", "pt-br"),
        ("status", "notEqual", "blocked", "blocked"),
        ("attributes.score", "atLeast", 4.5, 4.5),
        ("attributes.score", "in", [1, 2.0], (1, 2.0)),
        ("attributes.member", "equal", False, False),
        ("lastSeenAt", "before", "2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("attributes.due", "atOrAfter", "2026-01-31T12:00:00+02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("attributes.due", "atOrBefore", {"ahead": {"weeks": 2}}, FromNow(2, Unit.WEEKS, ahead=True)),
    ],
)
def test_a_value_is_kept_in_the_spelling_in_which_it_is_compared(
    field: str, operator: str, value: object, read: object
) -> None:
    rule = parse_rule({"field": field, "operator": operator, "value": value})
    assert isinstance(rule, Compare)
    assert rule.value == read


def test_a_name_with_a_dot_is_given_as_a_list() -> None:
    written = {"field": ["attributes", "shop.example", "visits"], "operator": "isSet"}
    assert parse_rule(written) == Compare(Attribute(("shop.example", "visits")), Operator.IS_SET)
    assert rule_to_json(parse_rule(written)) == written


@pytest.mark.parametrize(
    ("value", "at", "rule"),
    [
        ("everyone", "rule", "type"),
        ({}, "rule", "required"),
        ({"all": []}, "rule.all", "minItems"),
        ({"any": {}}, "rule.any", "type"),
        ({"all": [CITY], "any": [CITY]}, "rule.any", "unknown"),
        ({"everyone": False}, "rule.everyone", "enum"),
        ({"group": "Newsletter"}, "rule.group", "pattern"),
        ({"group": 5}, "rule.group", "pattern"),
        ({"consent": "fax", "value": True}, "rule.consent", "enum"),
        ({"consent": ["email"], "value": True}, "rule.consent", "enum"),
        ({"consent": "email"}, "rule.value", "enum"),
        ({"field": "shoeSize", "operator": "isSet"}, "rule.field", "enum"),
        ({"field": "attributes", "operator": "isSet"}, "rule.field", "enum"),
        ({"field": "attributes.", "operator": "isSet"}, "rule.field", "propertyNames"),
        ({"field": "attributes.a\0b", "operator": "isSet"}, "rule.field", "propertyNames"),
        ({"field": ["attributes", 5], "operator": "isSet"}, "rule.field", "type"),
        ({"field": "attributes" + 9 * ".a", "operator": "isSet"}, "rule.field", "maxItems"),
        ({"field": "email"}, "rule.operator", "required"),
        ({"field": "email", "operator": "resembles", "value": "a"}, "rule.operator", "enum"),
        ({"field": "email", "operator": ["equal"], "value": "a"}, "rule.operator", "enum"),
        ({"field": "email", "operator": "before", "value": "2026-01-01"}, "rule.operator", "enum"),
        ({"field": "createdAt", "operator": "contains", "value": "2026"}, "rule.operator", "enum"),
        ({"field": "status", "operator": "contains", "value": "act"}, "rule.operator", "enum"),
        ({"field": "email", "operator": "isSet", "value": "a"}, "rule.value", "unknown"),
        ({"field": "email", "operator": "equal"}, "rule.value", "required"),
        ({"field": "email", "operator": "equal", "value": 5}, "rule.value", "type"),
        ({"field": "email", "operator": "equal", "value": ""}, "rule.value", "minLength"),
        ({"field": "firstName", "operator": "equal", "value": "a" * 1001}, "rule.value", "maxLength"),
        ({"field": "firstName", "operator": "contains", "value": "a\0"}, "rule.value", "characters"),
        ({"field": "firstName", "operator": "contains", "value": "\ud800"}, "rule.value", "characters"),
        ({"field": "phone", "operator": "equal", "value": "0123"}, "rule.value", "phone"),
        ({"field": "status", "operator": "in", "value": ["asleep"]}, "rule.value", "enum"),
        ({"field": "firstName", "operator": "in", "value": []}, "rule.value", "minItems"),
        ({"field": "firstName", "operator": "in", "value": ["a"] * 1001}, "rule.value", "maxItems"),
        ({"field": "firstName", "operator": "in", "value": "Ada"}, "rule.value", "type"),
        ({"field": "attributes.a", "operator": "in", "value": ["a", 1]}, "rule.value", "type"),
        ({"field": "attributes.a", "operator": "in", "value": [1, True]}, "rule.value", "type"),
        ({"field": "attributes.a", "operator": "equal", "value": {"b": 1}}, "rule.value", "type"),
        ({"field": "attributes.a", "operator": "equal", "value": 10**400}, "rule.value", "number"),
        ({"field": "attributes.a", "operator": "atLeast", "value": float("nan")}, "rule.value", "number"),
        ({"field": "attributes.a", "operator": "atLeast", "value": "5"}, "rule.value", "type"),
        ({"field": "attributes.a", "operator": "atLeast", "value": True}, "rule.value", "type"),
        ({"field": "createdAt", "operator": "after", "value": 5}, "rule.value", "type"),
        ({"field": "createdAt", "operator": "after", "value": "yesterday"}, "rule.value", "dateTime"),
        ({"field": "createdAt", "operator": "after", "value": "2026-02-30"}, "rule.value", "dateTime"),
        ({"field": "createdAt", "operator": "after", "value": "0001-01-01T00:00+14:00"}, "rule.value", "dateTime"),
        ({"field": "createdAt", "operator": "after", "value": {}}, "rule.value", "unknown"),
        ({"field": "createdAt", "operator": "after", "value": {"since": {"days": 1}}}, "rule.value", "unknown"),
        ({"field": "createdAt", "operator": "after", "value": {"ago": {"days": 1, "hours": 1}}}, "rule.value", "type"),
        ({"field": "createdAt", "operator": "after", "value": {"ago": {"months": 1}}}, "rule.value", "enum"),
        ({"field": "createdAt", "operator": "after", "value": {"ago": {"days": 1.5}}}, "rule.value", "type"),
        ({"field": "createdAt", "operator": "after", "value": {"ago": {"days": -1}}}, "rule.value", "range"),
        ({"field": "createdAt", "operator": "after", "value": {"ago": {"weeks": 10**30}}}, "rule.value", "range"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_its_rule(value: object, at: str, rule: str) -> None:
    assert refusals(value) == [(at, rule)]


def test_every_mistaken_condition_is_named_at_once() -> None:
    value = {"all": [CITY, {"not": {"group": "x"}}, {"any": [{"field": "age"}, CITY | {"value": None}]}]}
    assert refusals(value) == [
        ("rule.all[1].not.group", "pattern"),
        ("rule.all[2].any[0].field", "enum"),
        ("rule.all[2].any[1].value", "type"),
    ]


def test_a_rule_is_at_most_ten_levels_deep() -> None:
    rule: dict[str, Anything] = CITY
    for _ in range(RULE_DEPTH - 1):
        rule = {"not": rule}
    assert isinstance(parse_rule(rule), Not)
    assert refusals({"not": rule}) == [("rule" + ".not" * RULE_DEPTH, "maxDepth")]


def test_a_rule_has_at_most_a_hundred_parts() -> None:
    assert isinstance(parse_rule({"any": [CITY] * (RULE_NODES - 1)}), Any)
    assert refusals({"any": [CITY] * 100_000}) == [("rule.any[99]", "maxNodes")]
    assert refusals({"any": [{"any": [CITY] * 60}] * 3}) == [("rule.any[1].any[37]", "maxNodes")]


def test_relative_moments_can_be_fixed() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    rule = All((Not(Compare(Column.LAST_SEEN_AT, Operator.BEFORE, FromNow(1, Unit.DAYS))), Everyone()))
    fixed = All((Not(Compare(Column.LAST_SEEN_AT, Operator.BEFORE, datetime(2026, 2, 28, tzinfo=UTC))), Everyone()))
    assert fixed_at(rule, now) == fixed


@given(rules())
@settings(max_examples=300, deadline=None)
def test_a_rule_written_as_json_is_read_back_as_the_same_rule(rule: Rule) -> None:
    assert parse_rule(rule_to_json(rule)) == rule


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(GROUP)
words = st.sampled_from(
    ["all", "any", "not", "field", "operator", "value", "group", "consent", "everyone", "ago", "days", "email",
     "attributes.a", "equal", "in", "after", "atLeast", "isSet"]
)  # fmt: skip
anything = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=3), inner, max_size=4),
    max_leaves=30,
)


@given(anything)
@settings(max_examples=500, deadline=None)
def test_any_json_is_a_rule_or_refused(value: object) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        rule = parse_rule(value)
    except Invalid as error:
        problems = error.problems
    else:
        assert parse_rule(rule_to_json(rule)) == rule
    assert all(problem.field.startswith("rule") and problem.message for problem in problems)
