"""Volt MX's personalisation tokens in our own language: what they print, and what stays text."""

from __future__ import annotations

import pytest

from clarion.rendering.language import engine_source, read_template
from clarion.rendering.markup import checked_html
from clarion.rendering.templates import CompiledTemplate
from clarion.rendering.translation import Syntax, translate

CONTACT = {
    "firstName": "Ada",
    "lastName": "Lovelace",
    "email": "ada@lovelace.example",
    "phone": "+441234567890",
    "attributes": {"loyalty_tier": "gold", "Shoe Size": 38, "Größe": "M"},
}


def printed(source: str) -> str:
    """What a recipient sees of an HTML part."""
    nodes = checked_html(read_template(translate(Syntax.VOLTMX, source).text))
    written = f"{{% autoescape 'html' %}}{engine_source(nodes)}{{% endautoescape %}}"
    return CompiledTemplate(written, nodes, {}).render(1000, {"contact": CONTACT})


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("Hello ##First Name## ##Last Name##!", "Hello Ada Lovelace!"),
        ("##Email##, ##Mobile Number##", "ada@lovelace.example, +441234567890"),
        ("##first name##", "Ada"),
        ("##Loyalty Tier## ##loyalty_tier##", "gold gold"),
        ("##Shoe Size## ##Größe##", "38 M"),
        ("[##Nothing Such##]", "[]"),
        ("##First Name####Last Name##", "AdaLovelace"),
    ],
)
def test_a_display_name_prints_the_attribute(source: str, shown: str) -> None:
    assert printed(source) == shown


@pytest.mark.parametrize(
    "source",
    [
        "{{ contact.firstName }}",
        "{% if x %}{# no #}",
        "a { b } {{{ }}} {",
        "## First Name ##",
        "##First\nName##",
        "##1## OR ##2##",
        "####",
        "#First Name# and ##First Name",
        "##<b>##",
        "{" * 50 + "%" * 50,
        "",
    ],
)
def test_everything_else_survives_as_it_stands(source: str) -> None:
    nodes = read_template(translate(Syntax.VOLTMX, source).text)
    assert CompiledTemplate(engine_source(nodes), nodes, {}).render(100_000, {"contact": CONTACT}) == source


def test_a_token_between_braces_keeps_the_braces() -> None:
    assert printed("{##First Name##} {{##First Name##}} {%##First Name##%}") == "{Ada} {{Ada}} {%Ada%}"
