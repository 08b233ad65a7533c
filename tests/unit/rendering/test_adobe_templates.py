"""Adobe's templates in our own language: what they print, and what is refused by name and line."""

from __future__ import annotations

import pytest

from clarion.rendering.faults import LanguageFault
from clarion.rendering.language import engine_source, read_template
from clarion.rendering.markup import checked_html
from clarion.rendering.templates import CompiledTemplate
from clarion.rendering.translation.adobe import translate_adobe
from clarion.rendering.translation.adobe_names import facts_of_profile

CONTACT = {
    "firstName": "Ada",
    "email": "ada@lovelace.example",
    "attributes": {"acme": {"points": 120}, "homeAddress": {"city": "Paris"}, "tier": "gold", "vip": True},
}
CONTEXT = {
    "orderId": "17",
    "total": "120.50",
    "yes": "true",
    "no": "false",
    "html": "<b>x</b>",
    "my-key": "dash",
    "product": {"name": "Lamp & Co"},
    "items": [{"name": "Bolt", "price": "3"}, {"name": "Nut", "price": "12"}],
    "tags": ["x", "y"],
    "none": [],
    "url": "https://shop.example/?a=1&b=2",
}


def printed(source: str) -> str:
    """What a recipient sees of an HTML part."""
    nodes = checked_html(read_template(translate_adobe(source)))
    written = f"{{% autoescape 'html' %}}{engine_source(nodes)}{{% endautoescape %}}"
    data = {"contact": CONTACT, "context": CONTEXT, "view_url": "https://mail.example/v"}
    return CompiledTemplate(written, nodes, {}).render(1000, data)


def refused(source: str) -> LanguageFault:
    with pytest.raises(LanguageFault) as caught:
        translate_adobe(source)
    return caught.value


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("{{profile.person.name.firstName}}", "Ada"),
        ("{{ profile.personalEmail.address }}", "ada@lovelace.example"),
        ("{{profile.homeAddress.city}} {{profile._acme.points}}", "Paris 120"),
        ("{{context.orderId}} {{context.product.name}}", "17 Lamp &amp; Co"),
        ("{{{context.html}}} {{context.html}}", "<b>x</b> &lt;b&gt;x&lt;&#x2f;b&gt;"),
        ("[{{context.nothing.at.all}}]", "[]"),
        (
            "{{context.my-key}} {{context.[my-key]}} {%= context.`my-key` %} {%= context['my-key'] %}",
            "dash " * 3 + "dash",
        ),
        ("{{context.items.1.name}} {%= context.items[0].name %}", "Nut Bolt"),
        ('<a href="{{view_url}}">', '<a href="https://mail.example/v">'),
    ],
)
def test_names_are_those_of_profile_and_context(source: str, shown: str) -> None:
    assert printed(source) == shown


def test_a_raw_value_in_an_attribute_cannot_leave_it() -> None:
    assert printed('<a href="{{{context.url}}}" title="{{{context.html}}}">') == (
        '<a href="https://shop.example/?a=1&amp;b=2" title="&lt;b&gt;x&lt;&#x2f;b&gt;">'
    )


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ('{%= context.nick ?: "there" %} {%= context.orderId ?: "none" %}', "there 17"),
        ('{%= context.yes ? "a" : "b" %}{%= context.no ? "a" : "b" %}{%= context.gone ? "a" : "b" %}', "abb"),
        (
            "{%= upperCase(profile.person.name.firstName) %} {%= lowerCase('ÀB') %} {%= titleCase('ada byron') %}",
            "ADA àb Ada Byron",
        ),
        ("{%= trim(' x ') %}|{%= length(context.orderId) %}|{%= length(context.gone) %}", "x|2|0"),
        ('{%= concat("a", context.orderId, "z") %} {%= substr("abcdef", 1, 3) %}', "a17z bc"),
        ('{%= replaceAll(context.orderId, "1", "2") %} {%= toString(profile._acme.points) %}', "27 120"),
        (
            '{%= contains("Ada", "da") %} {%= startsWith("Ada", "ada") %} {%= startsWith("Ada", "ada", false) %}',
            "true false true",
        ),
        (
            '{%= equalsIgnoreCase("A", "a") %} {%= isEmpty(context.none) %} {%= isNull(context.orderId) %}',
            "true true false",
        ),
        ("{%= count(context.items) %} {%= head(context.tags) %} {%= count(context.orderId) %}", "2 x 0"),
        ("{%= (1 + 2) * 3 %} {%= 7 - 2 %} {%= -4 %}", "9 5 -4"),
        ('{%= context.orderId.startsWith("1") %} {%= distinct(context.tags).count() %}', "true 2"),
        ('{%= "a \\"quoted\\" {{ word" %}', "a &quot;quoted&quot; {{ word"),
    ],
)
def test_expressions_compute_what_they_say(source: str, shown: str) -> None:
    assert printed(source) == shown


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("context.total > 100", True),
        ("context.total <= 100", False),
        ("context.orderId = 17", True),
        ('context.orderId = "17" and profile.tier = "gold"', True),
        ('context.orderId != "17" or context.gone', False),
        ("context.yes = true and not context.no", True),
        ("profile.vip", True),
        ("context.gone = null", True),
        ("in(context.orderId, [16, 17])", True),
        ('context.orderId in ["1"]', False),
        ("stringToNumber(context.total) = 120.5", True),
        ("profile._acme.points > 100 and toBool(context.yes) = true", True),
    ],
)
def test_conditions_compare_text_as_the_author_means_it(condition: str, *, holds: bool) -> None:
    assert printed(f"{{%#if {condition}%}}yes{{%else%}}no{{%/if%}}") == ("yes" if holds else "no")


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ('{%#if context.a%}1{%else if context.orderId = "17"%}2{%else%}3{%/if%}', "2"),
        ("{%#unless context.no%}shown{%/unless%}{{#unless context.yes}}hidden{{/unless}}", "shown"),
        (
            "{{#each context.items as |it|}}{{@index}}{{it.name}}{{this.price}}{{name}};{{/each}}",
            "0Bolt3Bolt;1Nut12Nut;",
        ),
        ("{{#each context.tags}}{{this}}{{#unless @last}},{{/unless}}{{/each}}", "x,y"),
        ("{{#each context.none}}x{{else}}nothing{{/each}}", "nothing"),
        ("{{#each context.orderId}}x{{else}}no list{{/each}}", "no list"),
        (
            "{{#each context.items as |a|}}{{#each context.tags as |b|}}{{a.name}}{{b}} {{/each}}{{/each}}",
            "Boltx Bolty Nutx Nuty ",
        ),
        ("{{#with context.product as |p|}}{{p.name}}/{{this.name}}/{{name}}{{/with}}", "/".join(["Lamp &amp; Co"] * 3)),
        ("{% let v = 5 %}{% let v = v + 1 %}{%#if v > 5.5%}six{%/if%}", "six"),
        ('{%#if context.yes%}{% let g = "x" %}{%else%}{% let g = "y" %}{%/if%}{{g}}', "x"),
        (
            "{{#each context.items as |i|}}{% let p = toInt(i.price) %}{%#if p > 5%}{{i.name}}{{p}}{%/if%}{{/each}}",
            "Nut12",
        ),
        ("a{{! gone }}b{{!-- {{also}} gone --}}c", "abc"),
        ("before\n  {{#if context.yes}}\n  in\n  {{/if}}\nafter", "before\n  in\nafter"),
    ],
)
def test_blocks_choose_and_repeat(source: str, shown: str) -> None:
    assert printed(source) == shown


def test_braces_that_are_no_tags_are_printed_as_they_stand() -> None:
    text = "a { b }} \\{{not.a.tag}} {# not a comment #} {{{context.html}}}{"
    assert printed(text) == "a { b }} {{not.a.tag}} {# not a comment #} <b>x</b>{"
    assert printed("<style>@media{#a{b:c}}</style>") == "<style>@media{#a{b:c}}</style>"


@pytest.mark.parametrize(
    ("source", "rule", "named"),
    [
        ("{{context.system.secret}}", "reserved", "context.system"),
        ("{{firstName}}", "name", "firstName"),
        ("{{offers.image.x}}", "unsupported", "offers"),
        ('{%= formatDate(context.day, "yyyy") %}', "unsupported", "formatDate"),
        ('{%= replaceAll(context.a, "[0-9]+", "") %}', "unsupported", "regular expressions"),
        ("{{upperCase(context.a)}}", "syntax", "functions stand in"),
        ('{%= context.a == "b" %}', "syntax", "one '='"),
        ("{{> footer}}", "unsupported", "> footer"),
        ("{{fragment id='ajo:x'}}", "unsupported", "fragment"),
        ("{{#each context.items}}{{#each ../tags}}{{/each}}{{/each}}", "unsupported", "../"),
        ("{{#lookup context.a}}{{/lookup}}", "unsupported", "lookup"),
        ("{% if context.a %}", "unsupported", "if"),
        ("{{#if context.a}}", "syntax", "'if' is not closed"),
        ("{{#if context.a}}{{/each}}", "syntax", "/each"),
        ("{{else}}", "syntax", "else"),
        ("{{context.a", "syntax", "not closed"),
        ("{{@index}}", "unsupported", "@index"),
        (
            "{{#each context.items as |i|}}{% let n = 1 %}{% let n = 2 %}{{/each}}",
            "unsupported",
            "'n' cannot be set again",
        ),
        ("{%= " + "(" * 60 + "1" + ")" * 60 + " %}", "maxDepth", "nests"),
        ("{%= " + "not " * 500 + "1 %}", "maxLength", "words and signs"),
        ("{{}}", "syntax", "name of a value"),
        ("{%%}", "unsupported", "not available"),
        ("{%= upperCase() %}", "arguments", "upperCase"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name_and_line(source: str, rule: str, named: str) -> None:
    fault = refused("first line\n\n" + source)
    assert (fault.rule, fault.line) == (rule, 3)
    assert named in fault.message


def test_a_profile_of_a_call_is_laid_out_like_a_contact() -> None:
    profile = {
        "person": {"name": {"firstName": "Ada", "middleName": "K"}, "gender": "female"},
        "mobilePhone": {"number": "+4930123"},
        "_acme": {"points": 3},
    }
    assert facts_of_profile(profile) == {
        "firstName": "Ada",
        "phone": "+4930123",
        "attributes": {"person": {"name": {"middleName": "K"}, "gender": "female"}, "_acme": {"points": 3}},
    }


def test_safe_stands_only_where_its_value_is_printed() -> None:
    for source in (
        "{{ (contact.email | safe) ~ 'x' }}",
        "{% set a = contact.email | safe %}",
        "{% if a | safe %}{% endif %}",
    ):
        with pytest.raises(LanguageFault, match="safe"):
            read_template(source)
