"""Values of typed fields: what each type takes as JSON, and what it reads from text."""

from __future__ import annotations

import pytest

from clarion.application.contact_rules import Refusal
from clarion.application.field_values import check_value, read_value
from clarion.domain.contact_field import FieldType, is_key, key_of

TEXT, NUMBER, BOOLEAN, DATETIME = FieldType.TEXT, FieldType.NUMBER, FieldType.BOOLEAN, FieldType.DATETIME


@pytest.mark.parametrize(
    ("type_", "value", "stored"),
    [
        (TEXT, "x", "x"),
        (FieldType.WARD, "Kilimani", "Kilimani"),
        (NUMBER, 5, 5),
        (NUMBER, -1.5, -1.5),
        (BOOLEAN, False, False),
        (DATETIME, "2026-03-01T09:30:00+03:00", "2026-03-01T06:30:00Z"),
        (DATETIME, "2026-03-01 09:30Z", "2026-03-01T09:30:00Z"),
        (NUMBER, None, None),
    ],
)
def test_a_json_value_of_its_type_is_stored(type_: FieldType, value: object, stored: object) -> None:
    assert check_value(type_, value) == stored  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (TEXT, 5), (TEXT, True), (TEXT, ["x"]), (FieldType.STATE, {}), (NUMBER, "5"), (NUMBER, True), (NUMBER, []),
        (BOOLEAN, 1), (BOOLEAN, "true"), (DATETIME, 5), (DATETIME, "soon"), (DATETIME, "2026-03-01"),
        (DATETIME, "2026-03-01T09:30:00"), (DATETIME, "2026-13-01T00:00:00Z"), (DATETIME, "0001-01-01T00:00:00+23:59"),
        (DATETIME, "2026-W01-1"), (DATETIME, "2026-03-01T09:30:00Z\n"),
    ],
)  # fmt: skip
def test_a_json_value_of_another_type_is_refused(type_: FieldType, value: object) -> None:
    refused = check_value(type_, value)  # type: ignore[arg-type]
    assert isinstance(refused, Refusal)
    assert refused.rule == "type"


@pytest.mark.parametrize(
    ("type_", "text", "read"),
    [
        (TEXT, " as it is ", " as it is "),
        (NUMBER, " 007 ", 7),
        (NUMBER, "-1.50", -1.5),
        (NUMBER, "9223372036854775807", 2**63 - 1),
        (BOOLEAN, "Yes", True),
        (BOOLEAN, "off", False),
    ],
)
def test_text_is_read_as_the_type_says(type_: FieldType, text: str, read: object) -> None:
    value = read_value(type_, text)
    assert value == read
    assert type(value) is type(read)


@pytest.mark.parametrize(
    ("style", "text", "stored"),
    [
        ("day_first", "2026-03-01T09:30:00Z", "2026-03-01T09:30:00Z"),
        ("month_first", "2026-03-01", "2026-02-28T21:00:00Z"),
        ("day_first", "2026-03-01T09:30", "2026-03-01T06:30:00Z"),
        ("day_first", "01-03-2026", "2026-02-28T21:00:00Z"),
        ("month_first", "03/01/2026 3:00 pm", "2026-03-01T12:00:00Z"),
        ("month_first", "03/01/2026 12:00 AM", "2026-02-28T21:00:00Z"),
        ("day_first", "1.3.26 09:30:15", "2026-03-01T06:30:15Z"),
        ("day_first", "1.3.69", "1969-02-28T21:00:00Z"),
        ("year_first", "26/3/1", "2026-02-28T21:00:00Z"),
        ("day_first", "2026/3/1", "2026-02-28T21:00:00Z"),
    ],
)
def test_a_date_is_read_in_the_accounts_style_and_zone(style: str, text: str, stored: str) -> None:
    assert read_value(DATETIME, text, "Africa/Nairobi", style) == stored


@pytest.mark.parametrize(
    ("type_", "text", "rule"),
    [
        (TEXT, "a\0b", "characters"), (TEXT, "\ud800", "characters"),
        (NUMBER, "", "type"), (NUMBER, "1,5", "type"), (NUMBER, "1e9", "type"), (NUMBER, "NaN", "type"),
        (NUMBER, "\uff15", "type"), (NUMBER, "9" * 31, "type"), (NUMBER, "9223372036854775808", "number"),
        (BOOLEAN, "maybe", "type"), (DATETIME, "", "type"), (DATETIME, "31-02-2026", "type"),
        (DATETIME, "03-14-2026", "type"), (DATETIME, "1.3.2026 25:00", "type"), (DATETIME, "1.3.2026 13:00 pm", "type"),
        (DATETIME, "1.3.2026 0:00 am", "type"), (DATETIME, "0001-01-01", "type"), (DATETIME, "0000-01-01", "type"),
        (DATETIME, "1" * 100_000, "type"),
    ],
)  # fmt: skip
def test_text_that_is_none_of_its_type_is_refused(type_: FieldType, text: str, rule: str) -> None:
    refused = read_value(type_, text, "Africa/Nairobi", "day_first")
    assert isinstance(refused, Refusal)
    assert refused.rule == rule


@pytest.mark.parametrize(
    ("name", "key"),
    [("Joined On", "joined_on"), ("  Age (years) ", "age_years"), ("A--B", "a_b"), ("Größe", "gr_e"), ("has", "has")],
)
def test_a_key_is_made_from_the_name(name: str, key: str) -> None:
    assert key_of(name) == key


@pytest.mark.parametrize("key", ["", "1st", "has", "created_on", "email", "UPPER", "a" * 65, "a\n", "größe"])
def test_what_cannot_be_a_key(key: str) -> None:
    assert not is_key(key)
