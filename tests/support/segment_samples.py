"""Made-up contacts and rules for properties of segments: values of every kind, next to what rules compare with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any as Anything

from hypothesis import strategies as st

from clarion.domain.contact import ContactStatus
from clarion.domain.ids import Id
from clarion.domain.segment import (
    DATE_OPERATORS,
    EQUALITY_OPERATORS,
    LIST_OPERATORS,
    NUMBER_OPERATORS,
    PRESENCE_OPERATORS,
    TEXT_OPERATORS,
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
    Rule,
    Unit,
)

GROUPS = (Id(b"group-one-id"), Id(b"group-two-id"))
"""Groups that rules ask for; whoever stores a rule puts its own in their places."""
NAMES = ("a", "b", "c.d", "'; DROP TABLE contact; --", "$1", "{x}", "%s", "日本", "0")
TEXTS = ("Bergen", "bergen", "Ber", "en", "x' OR '1'='1", "%", "_", "\\", "42", "-4.50", "+7", "1e5", ".5", "true",
         "[1]", "{}", "null", "日本", "NaN", "9" * 400, "{value}", "$1")  # fmt: skip
DATES = (
    "2024-02-29", "2023-02-29", "2026-01-31T12:00:00Z", "2026-01-31 12:00:00", "2026-01-31T12:00:00.250Z",
    "2026-01-31T23:30:00-01:00", "2026-02-01T00:30:00+0000", "2026-02-01T13:59:00+14:00", "2026-13-01", "0000-01-01",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "2026-01-31T25:00:00Z", "2026-1-31", "now", "infinity",
    "2026-02-01", "2026-01-30", "20260131", "____-__-__", "2026-01-31T12:00:00ZZ", "2026-04-31",
)  # fmt: skip
NUMBERS = (0, 1, 42, -4.5, 7.0, 0.1, 2**63 - 1, -(2**63), 1e15, 4.5)
MOMENTS = tuple(
    datetime.fromisoformat(text).astimezone(UTC)
    for text in ("2026-02-01T00:30:00+00:00", "2026-01-31T12:00:00+00:00", "2024-02-29T00:00:00+00:00",
                 "2026-02-01T00:00:00+00:00", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00")
)  # fmt: skip

texts = st.sampled_from(TEXTS) | st.sampled_from(DATES)
numbers = st.sampled_from(NUMBERS)
leaves = st.none() | st.booleans() | numbers | texts | st.just("")
values: st.SearchStrategy[Anything] = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=4,
)
attributes = st.dictionaries(st.sampled_from(NAMES), values, max_size=6)

moments = st.sampled_from(MOMENTS) | st.builds(FromNow, st.integers(0, 500), st.sampled_from(Unit), st.booleans())
_paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2).map(lambda names: Attribute(tuple(names)))
_lists = st.lists(texts, min_size=1, max_size=4).map(tuple) | st.lists(numbers, min_size=1, max_size=4).map(tuple)


def _compare(field: st.SearchStrategy[Anything], operators: Anything, value: Anything) -> st.SearchStrategy[Rule]:
    return st.builds(Compare, field, st.sampled_from(sorted(operators)), value)


_COLUMN_VALUES = {
    Column.EMAIL: st.sampled_from(["ada@lovelace.example", "bob@b.example"]),
    Column.EMAIL_DOMAIN: st.sampled_from(["lovelace.example", "b.example"]),
    Column.PHONE: st.sampled_from(["+12025550123", "+4915123456789"]),
    Column.LANGUAGE: st.sampled_from(["en", "pt-br"]),
    Column.STATUS: st.sampled_from([status.value for status in ContactStatus]),
    Column.FIRST_NAME: st.sampled_from(["Ada", "Bo%b", "日本"]),
    Column.LAST_NAME: st.sampled_from(["Lovelace", "O'Neil"]),
    Column.EXTERNAL_ID: st.sampled_from(["42", "A-1"]),
    Column.TIMEZONE: st.sampled_from(["Europe/Berlin", "UTC"]),
}
_columns = [
    rule
    for column, value in _COLUMN_VALUES.items()
    for rule in (
        _compare(st.just(column), EQUALITY_OPERATORS, value),
        _compare(st.just(column), LIST_OPERATORS, st.lists(value, min_size=1, max_size=2).map(tuple)),
        _compare(st.just(column), PRESENCE_OPERATORS, st.none()),
    )
]
_searches = [
    _compare(st.just(column), TEXT_OPERATORS, value | st.sampled_from(["a", "LOVE", "B", "+49", "_"]))
    for column, value in _COLUMN_VALUES.items()
    if column is not Column.STATUS
]
_dates = [
    _compare(st.just(column), DATE_OPERATORS, moments)
    for column in (Column.CREATED_AT, Column.UPDATED_AT, Column.LAST_SEEN_AT)
]
conditions: st.SearchStrategy[Rule] = st.one_of(
    st.just(Everyone()),
    st.builds(InGroup, st.sampled_from(GROUPS)),
    st.builds(Consent, st.sampled_from(["email", "sms", "push"]), st.sampled_from([True, False, None])),
    _compare(_paths, EQUALITY_OPERATORS, texts | numbers | st.booleans()),
    _compare(_paths, LIST_OPERATORS, _lists),
    _compare(_paths, TEXT_OPERATORS, texts),
    _compare(_paths, NUMBER_OPERATORS, numbers),
    _compare(_paths, DATE_OPERATORS, moments),
    _compare(_paths, PRESENCE_OPERATORS, st.none()),
    *_columns,
    *_searches,
    *_dates,
)


def rules() -> st.SearchStrategy[Rule]:
    """Any rule that can be read from JSON, of a few conditions."""
    several = st.lists
    return st.recursive(
        conditions,
        lambda inner: st.one_of(
            st.builds(Not, inner),
            several(inner, min_size=1, max_size=3).map(lambda some: All(tuple(some))),
            several(inner, min_size=1, max_size=3).map(lambda some: Any(tuple(some))),
        ),
        max_leaves=5,
    )
