"""A plain text as HTML: escaped, line by line, with what is printed into it left for the engine to escape."""

from __future__ import annotations

import pytest

from clarion.application.broadcasts import in_languages, name_of
from clarion.domain.errors import Invalid
from clarion.rendering.text_as_html import text_as_html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("", ""),
        ("a < b & c\r\nd\re", "a &lt; b &amp; c<br>\nd<br>\ne"),
        ("Hi {{ contact.firstName }}!", "Hi {{ contact.firstName }}!"),
        ('{{ contact.attributes.city | default("a & b") }}', '{{ (contact.attributes.city | default("a & b")) }}'),
        ("{% raw %}{{ not a tag }}{% endraw %}", "{% raw %}{{% endraw %}{ not a tag }}"),
    ],
)
def test_what_was_typed_is_escaped_and_what_is_printed_is_not(text: str, html: str) -> None:
    assert text_as_html(text) == html


@pytest.mark.parametrize("text", ["{% if contact.email %}x{% endif %}", "{{ nobody }", "{% for"])
def test_more_than_texts_and_values_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        text_as_html(text, field="text.eng")
    assert refused.value.problems[0].field == "text.eng"


def test_one_language_needs_no_question() -> None:
    assert in_languages({"eng": "Hi"}, "eng") == "Hi"


def test_everybody_without_a_text_of_their_own_gets_the_fallback() -> None:
    assert in_languages({"fra": "Salut", "eng": "Hi", "deu": "Hallo"}, "eng") == (
        '{% if contact.language == "fra" %}Salut{% elif contact.language == "deu" %}Hallo{% else %}Hi{% endif %}'
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [("Hi\n there\t!", "Hi there !"), ("\x00\n", "Broadcast"), ("x" * 61, "x" * 59 + "…"), ("x" * 60, "x" * 60)],
)
def test_a_broadcast_is_called_by_the_beginning_of_its_text(text: str, name: str) -> None:
    assert name_of(text) == name
