"""Three ways to a message, and one result: filled without the engine, joined around its gaps, printed in one piece."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.templates import DATE, facts, plan_of

from clarion.domain.content import EmailContent
from clarion.domain.errors import Problem
from clarion.rendering.body import Body, Printed
from clarion.rendering.context import NO_CONTEXT, LookedOver, look_over
from clarion.rendering.direct import KEPT_LIMIT
from clarion.rendering.email import WireEmail, has_long_line, stuffed
from clarion.rendering.envelope import Urls
from clarion.rendering.plan import Refusal
from clarion.rendering.templates import RenderFault

TO = "ada@clarion.test"
URLS = Urls("https://mail.clarion.test/u/x", "https://mail.clarion.test/v/y?a=1&b=2", "x")
LONG = "Plain words about spring, of more than a few characters.\n"
CONTACT = {"firstName": "Ada", "lastName": "Lovelace", "attributes": {"city": "Berlin", "tags": ["a", "b"], "n": 3}}
PARTS = [
    "nothing of anybody",
    LONG * 3,
    "",
    f"{LONG}{{{{ contact.firstName }}}}{LONG}{{{{ contact.lastName }}}}{LONG}",
    "{{ contact.firstName }}{{ contact.lastName }}",
    f"{{{{ contact.firstName }}}} {LONG}·é漢 {{{{ contact.attributes.nothing }}}}",
    f"{LONG}{{% if contact.attributes.n == 3 %}}{LONG}yes{{% else %}}{LONG}no{{% endif %}}{LONG}",
    f"{LONG}{{% for tag in contact.attributes.tags %}}{LONG}{{{{ tag }}}}{{% endfor %}}{LONG}",
    f"{LONG}{{% set town = contact.attributes.city %}}{LONG}{{{{ town }}}}{LONG}{{{{ town | upper }}}}",
    f".{LONG}.{LONG}{{{{ contact.firstName }}}}\n.{LONG}",
    f"{LONG}{{% if contact.firstName %}}{LONG}{{% if contact.lastName %}}x{{% endif %}}{{% endif %}}{{{{ '{{{{' }}}}",
    "{{ contact.attributes.n }}, {{ contact.attributes.n + 1 }}, {{ contact.lastName | default('<none>') | upper }}",
    "{{ contact.firstName | default('.') }}{{ account.name }}, {{ campaign.name | lower }}{{ nothing }}",
    '<a href="{{ unsubscribe_url }}">a</a> <a href="https://a.test/{{ contact.lastName }}">{{ contact.firstName }}</a>',
    "{{ contact.attributes['a.b'] }}{{ contact.attributes.a.b | default('-') }}{{ contact.attributes.items }}",
    "{{ context.order.id }} {% if context.order.id is defined %}{{ context.order.id }}{% endif %}",
    "It is {{ 'one' if contact.attributes.city == 'Berlin' else 'other' }} {{ contact.firstName[:2] }}",
]


def body_of(text: str, html: str, subject: str = "Hello {{ contact.firstName }}") -> Body:
    problems: list[Problem] = []
    content = EmailContent(subject=subject, html=f"<p>{html}</p>", text=text)
    body = Body.read(content, "=_boundary", facts(), problems)
    assert body is not None, problems
    return body


def joined(printed: Printed) -> tuple[str, bytes]:
    """Subject and body as they would go out."""
    subject, pieces, careful, _ = printed
    return subject, stuffed(b"".join(pieces)) if careful else b"".join(pieces)


def by_engine(body: Body, contact: dict[str, Any], context: LookedOver = NO_CONTEXT) -> tuple[str, bytes] | None:
    """Subject and body as the engine prints them, or None when it cannot."""
    try:
        return joined(body.engine_print(contact, URLS, context))
    except RenderFault:
        return None


def went_short(body: Body, contact: dict[str, Any]) -> bool:
    """Whether this person's message is put together without the engine: only then its lines need no second look."""
    return body.render(contact, URLS)[3]


@pytest.mark.parametrize("text", PARTS)
@pytest.mark.parametrize("html", PARTS)
def test_a_joined_message_is_the_one_printed_in_one_piece(text: str, html: str) -> None:
    body = body_of(text, html)
    # A value that needs a second look, though nothing prints it, is printed in one piece.
    whole = by_engine(body, {**CONTACT, "phone": "\\"})
    assert whole is not None
    assert whole == by_engine(body, CONTACT)
    assert whole == joined(body.render(CONTACT, URLS))


@pytest.mark.parametrize("part", [part for part in PARTS if "{% set" not in part and "{% for" not in part])
def test_an_ordinary_person_needs_no_engine(part: str) -> None:
    assert went_short(body_of(part, part), CONTACT)


words = st.text(st.sampled_from("abZ é漢./<>&'\"\\\n\t\x1e{%}=_-\u2028"), max_size=12)
values = st.one_of(
    words,
    st.none(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False),
    st.booleans(),
    st.lists(words, max_size=2),
)
things = st.one_of(values, st.dictionaries(st.sampled_from(["a", "b", "id"]), values, max_size=2))
people = st.fixed_dictionaries(
    {},
    optional={
        "firstName": values, "lastName": values,
        "attributes": st.dictionaries(st.sampled_from(["city", "n", "tags", "a", "a.b", "items"]), things, max_size=4),
    },
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PARTS), st.sampled_from(PARTS), st.lists(people, min_size=1, max_size=4), things)
def test_whatever_the_data_says_the_short_way_prints_what_the_engine_prints(
    text: str, html: str, several: list[dict[str, Any]], order: object
) -> None:
    body = body_of(text, html, "{{ contact.firstName }}: {{ contact.lastName }} {{ contact.firstName }}")
    context = NO_CONTEXT if order is None else look_over({"order": order})
    for contact in [*several, *several]:  # the second time from what is kept
        expected = by_engine(body, contact, context)
        try:
            message = body.render(contact, URLS, context)
        except RenderFault:
            assert expected is None
            continue
        assert joined(message) == expected
        assert not (message[3] and has_long_line(joined(message)[1]))


def test_a_line_that_would_be_too_long_takes_the_long_way() -> None:
    body = body_of("a", f"<b>{{{{ contact.firstName }}}}</b>{'x' * 500}{{{{ contact.lastName }}}}\n")
    assert went_short(body, {"firstName": "a" * 200, "lastName": "b" * 200})
    assert not went_short(body, {"firstName": "a" * 400, "lastName": "b" * 400})
    kept = body_of("a", f"{{% if contact.firstName %}}{'x' * 900}\n{{% endif %}}{'y' * 900}")
    assert not went_short(kept, {"firstName": "a"})


def test_what_is_kept_is_bounded() -> None:
    body = body_of("a", "{{ contact.attributes.text | upper }}")
    text, count = "many words " * 60 + "end", 0
    while went_short(body, {"attributes": {"text": f"{count} {text}"}}):
        count += 1
        assert count * len(text) <= KEPT_LIMIT
    assert went_short(body, {"attributes": {"text": f"0 {text}"}})


def test_a_run_whose_people_all_take_the_long_way_is_no_longer_tried() -> None:
    body = body_of("a", "{{ contact.firstName }}", "News")
    for _ in range(100):
        assert not went_short(body, {"firstName": "line\nline"})
    assert not went_short(body, CONTACT)


def test_a_separator_in_a_value_fills_no_gap() -> None:
    plan = plan_of(f"<p>{LONG}{{{{ contact.firstName }}}}{LONG}</p>")
    assert isinstance(plan.render(1, TO, {"firstName": "A\x1eda"}, DATE), Refusal)


def test_the_separator_of_the_parts_is_found_also_where_values_meet() -> None:
    plan = plan_of("<p>{{ contact.firstName }}{{ contact.lastName }}</p>")
    message = plan.render(1, TO, CONTACT, DATE)
    assert isinstance(message, WireEmail)
    boundary = message.data.partition(b'boundary="')[2].partition(b'"')[0].decode()
    assert isinstance(plan.render(1, TO, {"firstName": boundary[:9], "lastName": boundary[9:]}, DATE), Refusal)


def test_a_subject_that_talks_of_a_boundary_is_not_taken_for_the_header() -> None:
    message = plan_of("<p>Grüße</p>", subject="{{ contact.firstName }}").render(
        1, TO, {"firstName": 'boundary="x"'}, DATE
    )
    assert isinstance(message, WireEmail)
    assert b'Subject: boundary="x"' in message.seven_bit().data
    assert message.seven_bit().data.isascii()
