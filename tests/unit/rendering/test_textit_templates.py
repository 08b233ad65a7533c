"""TextIt's expressions in our own language: what they print, what prints nothing, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarion.domain.errors import Invalid
from clarion.rendering.language import engine_source, read_template
from clarion.rendering.templates import CompiledTemplate
from clarion.rendering.translation import Syntax, translate

CONTACT: dict[str, Any] = {
    "firstName": "Ada",
    "lastName": "Lovelace",
    "email": "ada@lovelace.example",
    "phone": "+12065551212",
    "language": "eng",
    "attributes": {"age": "36", "city": "paris", "joined": "2017-11-11T11:12:13Z", "no": "false", "zero": 0},
}


def printed(source: str, contact: dict[str, Any] | None = None) -> str:
    nodes = read_template(translate(Syntax.TEXTIT, source).text)
    data = {"contact": CONTACT if contact is None else contact}
    return CompiledTemplate(engine_source(nodes) + "\n", nodes, {}).render(1000, data)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("Hi @contact.name, @contact.", "Hi Ada Lovelace, Ada Lovelace."),
        ("@CONTACT.First_Name @contact.language", "Ada eng"),
        ("@fields.age @contact.fields.age.", "36 36."),
        ("@urns.tel @(format_urn(urns.tel)) @contact.urn", "tel:+12065551212 +12065551212 tel:+12065551212"),
        ('@(upper(contact.name) & "!")', "ADA LOVELACE!"),
        ("@@contact @bob bob@example.com @", "@contact @bob bob@example.com @"),
        ("@(contact.name", "@(contact.name"),
        ("{{ x }} {% raw %} {#", "{{ x }} {% raw %} {#"),
        ("@(1 + 2) @(fields.age + 1) @(10 / 4 * 2) @(-fields.age) @(fields.age / 5)", "3 37 5 -36 7.2"),
        ("[@(7 / 0)] [@(7 / fields.zero)]", "[] []"),
        ('@(if(fields.age >= 18, "adult", "minor")) @(if(fields.no, "yes", "no"))', "adult no"),
        ('@(fields.age = 36) @(fields.city = "paris") @(fields.city != "a") @(true & "!")', "true true true true!"),
        ("@(and(true, fields.age > 3)) @(or(fields.no, fields.zero))", "true false"),
        ('@(default(fields.nope, "there")) @(default(fields.city, "there"))', "there paris"),
        ("@(round(3.14159, 2)) @(round(2.6)) @(abs(-3)) @(mod(7, 4)) @(percent(0.25))", "3.14 3 3 3 25%"),
        ("@(max(1, fields.age, 3)) @(min(2, 1)) @(mean(1, 2))", "36 1 1.5"),
        ('@(title(fields.city)) @(trim(" a ")) @(text_length("abc")) @(text_slice("hello", 1, 3))', "Paris a 3 el"),
        ('@(replace("aXb", "X", "-")) @(url_encode("a b")) @("a""b\\"c")', 'a-b a%20b a"b"c'),
        ('@(format_date(fields.joined)) @(format_datetime(fields.joined, "DD MMM YYYY tt:mm"))',
         "11-11-2017 11 Nov 2017 11:12"),
        ("@(format_date(fields.city))", ""),
    ],
)  # fmt: skip
def test_expressions_print_what_they_print_over_there(source: str, shown: str) -> None:
    assert printed(source) == shown


def test_a_contact_without_data_prints_nothing() -> None:
    source = "[@contact][@contact.name][@fields.age][@(fields.age + 1)][@(upper(fields.city))][@urns.tel]"
    assert printed(source, {"attributes": {}}) == "[][][][1][][]"


@pytest.mark.parametrize("source", ["@(foo.bar)", "@contact.groups", "@(1 +)", "@globals.x", "@(upper())", "@(2 ^ 3)"])
def test_what_cannot_be_evaluated_prints_nothing_and_is_noted(source: str) -> None:
    assert printed(f"[{source}]") == "[]"
    [note] = translate(Syntax.TEXTIT, f"\n{source}").notes
    assert note.startswith(f"line 2: '{source}' prints nothing")


def test_a_function_that_is_not_available_is_refused_by_name_and_line() -> None:
    with pytest.raises(Invalid) as caught:
        translate(Syntax.TEXTIT, "Hello\n@(today())")
    [problem] = caught.value.problems
    assert (problem.rule, problem.message) == ("unsupported", "line 2: the function 'today' is not available")


@given(st.text())
def test_text_without_an_at_sign_survives_unchanged(text: str) -> None:
    if "@" not in text and "\r" not in text:
        assert printed(text) == text


@given(st.lists(st.sampled_from(
    ["@", "(", ")", "contact", ".name", "fields", ".age", '"', "\\", " & ", "1", "0.00001", " = ", "upper", "if", ",",
     "{{", "%}", "x", "-", "/", "[", "]", "\n", "null", "true", "round", "format_date", "max", "default"]
), max_size=30).map("".join) | st.text())  # fmt: skip
def test_a_translation_renders_or_is_refused_whatever_comes_in(source: str) -> None:
    try:
        translate(Syntax.TEXTIT, source)
    except Invalid:
        return
    printed(source)
