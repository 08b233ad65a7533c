"""Two small languages of Volt MX: expressions over numbered conditions, and dates on the wall clock of a zone."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarion.entrypoints.http.dialects.voltmx.conditions import Unreadable, combine
from clarion.entrypoints.http.dialects.voltmx.moments import read_date, read_zone, written

FACTS = {1: True, 2: False, 3: True}
CONDITIONS: dict[int, dict[str, Any]] = {number: {"field": str(number)} for number in FACTS}


def holds(rule: dict[str, Any]) -> bool:
    """What a rule says when its conditions are these facts."""
    ((kind, inner),) = rule.items()
    if kind == "field":
        return FACTS[int(inner)]
    if kind == "not":
        return not holds(inner)
    return (all if kind == "all" else any)(holds(one) for one in inner)


@pytest.mark.parametrize(
    ("expression", "is_true"),
    [
        ("1", True),
        ("NOT 1", False),
        ("1 OR 2 AND (NOT 1)", True),
        ("(1 OR 2) AND (NOT 1)", False),
        ("NOT 2 AND 3", True),
        ("NOT (2 AND 3)", True),
        ("not not 1", True),
        ("(1)AND(3)", True),
        ("2 OR\n2 or 3", True),
    ],
)
def test_not_binds_before_and_before_or(expression: str, is_true: bool) -> None:  # noqa: FBT001 - the expected answer
    assert holds(combine(expression, CONDITIONS)) is is_true


def _grown(inner: st.SearchStrategy[tuple[str, bool]]) -> st.SearchStrategy[tuple[str, bool]]:
    """Longer expressions, each part in parentheses, with what they come to."""
    return st.one_of(
        inner.map(lambda one: (f"NOT ({one[0]})", not one[1])),
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]}) AND ({two[1][0]})", two[0][1] and two[1][1])),
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]}) or ({two[1][0]})", two[0][1] or two[1][1])),
    )


LEAVES = st.sampled_from([(str(number), fact) for number, fact in FACTS.items()])


@given(st.recursive(LEAVES, _grown, max_leaves=8))
def test_an_expression_in_parentheses_means_what_it_says(expression: tuple[str, bool]) -> None:
    text, expected = expression
    if max(depths(text)) < 18:
        assert holds(combine(text, CONDITIONS)) is expected


def depths(text: str) -> list[int]:
    """How deep each character stands, counting a NOT as a level."""
    found, depth = [0], 0
    for place, char in enumerate(text):
        depth += (char == "(") * (2 if text[:place].endswith("NOT ") else 1) - (char == ")")
        found.append(depth)
    return found


@pytest.mark.parametrize(
    "expression",
    [
        "", "()", "1 2", "1 AND", "AND 1", "(1", "1)", "4", "1a", "1 && 2", "1 OR1", "٣", "(" * 30 + "1" + ")" * 30,
        "1 " * 3000,
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(Unreadable):
        combine(expression, CONDITIONS)


@given(st.text(max_size=40))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    with contextlib.suppress(Unreadable):
        holds(combine(text, CONDITIONS))


@pytest.mark.parametrize(
    ("zone", "text", "moment"),
    [
        ("GMT", "03/20/2027 12:00:00 AM", datetime(2027, 3, 20, 0, tzinfo=UTC)),
        ("GMT-05:00", "03/20/2027 12:00:00 PM", datetime(2027, 3, 20, 17, tzinfo=UTC)),
        ("(GMT+05:30) Chennai, Kolkata", "3/20/2027 05:30:00 am", datetime(2027, 3, 20, 0, tzinfo=UTC)),
        ("(GMT-03:30) Newfoundland", "12/31/2026 09:00:00 PM", datetime(2027, 1, 1, 0, 30, tzinfo=UTC)),
        ("Europe/Berlin", "07/01/2027 02:00:00 AM", datetime(2027, 7, 1, 0, tzinfo=UTC)),
        ("UTC+2:00", "07/01/2027 02:00:00 AM", datetime(2027, 7, 1, 0, tzinfo=UTC)),
    ],
)
def test_a_date_is_the_wall_clock_of_its_zone(zone: str, text: str, moment: datetime) -> None:
    read = read_zone(zone)
    assert read is not None
    assert read_date(text, read) == moment
    assert read_date(written(moment, read), read) == moment


@pytest.mark.parametrize(
    "label", ["", "x", "GMT+", "GMT+14:01", "GMT+05:60", "(GMT+05:30", "+05:30", "(Europe/Berlin)", "../etc"]
)
def test_what_is_no_zone_is_none(label: str) -> None:
    assert read_zone(label) is None


@pytest.mark.parametrize(
    "text",
    [
        "", "2027-03-20", "03/20/2027", "13/01/2027 01:00:00 AM", "02/29/2027 01:00:00 AM", "03/20/2027 00:00:00 AM",
        "03/20/2027 01:60:00 AM", "03/20/0000 01:00:00 AM", "03/20/27 01:00:00 AM", "03/20/2027 01:00:00", "x" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_date_is_none(text: str) -> None:
    assert read_date(text, UTC) is None
