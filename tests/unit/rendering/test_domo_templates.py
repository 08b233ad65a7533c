"""Domo's markup in our own language: what it prints, and what stays text."""

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
    "email": "ada@lovelace.example",
    "attributes": {"Region": "North", "region": "south", "Sales Rep": "Grace", 'a"b\\c': "odd"},
}
CONTEXT = {"first name": "Blaise", "value": "17", "items": "three"}


def printed(source: str) -> str:
    nodes = read_template(translate(Syntax.DOMO, source).text)
    data = {"contact": CONTACT, "context": CONTEXT, "unsubscribe_url": "https://mail.example/u"}
    return CompiledTemplate(engine_source(nodes) + "\n", nodes, {}).render(1000, data)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("Hi {{domo-distribution-First Name}}!", "Hi Ada!"),
        ("{{domo-distribution-E-Mail Address}} {{domo-distribution-first_name}}", "ada@lovelace.example Ada"),
        ("{{domo-distribution-email}}", "ada@lovelace.example"),
        ("{{domo-distribution-Region}}/{{domo-distribution-region}}/{{domo-distribution-REGION}}", "North/south/"),
        ("{{domo-distribution-Sales Rep}}", "Grace"),
        ('{{domo-distribution-a"b\\c}}', "odd"),
        ("{{domo-alert-first name}}, {{domo-alert-First name}}.", "Blaise, ."),
        ("{{domo-alert-items}} {{ domo-alert-value }}", "three 17"),
        ("{{domo-alert-unknown}}", ""),
        ("a{{! {{x}} -->}}b", "a -->}}b"),
        ("a{{!domo-content-1-chart}}b", "ab"),
        ("{{domo-unsubscribe}}", "https://mail.example/u"),
        ("{{{domo-alert-value}}}", "{17}"),
        ("{{ {{domo-alert-value}}", "{{ 17"),
        ("{{unclosed {{domo-alert-value", "{{unclosed {{domo-alert-value"),
        ("{{handlebars}} {% if x %} {# note #} {", "{{handlebars}} {% if x %} {# note #} {"),
        ("{{domo-alert-value}}\n", "17\n"),
    ],
)
def test_markup_prints_what_it_prints_over_there(source: str, shown: str) -> None:
    assert printed(source) == shown


@pytest.mark.parametrize(
    ("source", "rule", "where"),
    [
        ("x\n{{domo-content-7-chart}}", "unsupported", "line 2: '{{domo-content-7-chart}}'"),
        ("{{domo-alert-}}", "name", "line 1"),
        ("{{domo-distribution-_hidden}}", "name", "underscore"),
        ("{{domo-alert-a\nb}}", "name", "line 1"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name_and_line(source: str, rule: str, where: str) -> None:
    with pytest.raises(Invalid) as caught:
        translate(Syntax.DOMO, source)
    [problem] = caught.value.problems
    assert (problem.field, problem.rule) == ("source", rule)
    assert where in problem.message


@given(st.text())
def test_text_without_tags_survives_unchanged(text: str) -> None:
    if "domo-" not in text and "{{!" not in text and "\r" not in text:
        assert printed(text) == text


@given(st.text(st.sampled_from("{}%#!- \nab\"'\\") | st.characters()) | st.lists(
    st.sampled_from(["{{", "}}", "{", "{%", "domo-alert-", "domo-distribution-", "!", "x", "\n", "raw", "%}"])
).map("".join))  # fmt: skip
def test_a_translation_can_be_read_or_is_refused_whatever_comes_in(source: str) -> None:
    try:
        translated = translate(Syntax.DOMO, source)
    except Invalid:
        return
    read_template(translated.text)
