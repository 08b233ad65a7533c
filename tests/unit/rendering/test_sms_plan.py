"""Text messages made for people: what goes out, who gets none and why, and what an author is told."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.templates import DATE, RUN, facts
from tests.support.text_messages import plan_of, sender

from clarion.domain.campaign import Category
from clarion.domain.content import SmsContent
from clarion.domain.errors import Invalid
from clarion.domain.outcome import Reason
from clarion.domain.sms import SmsRules
from clarion.rendering.context import look_over
from clarion.rendering.message import Plan, Refusal
from clarion.rendering.sms import WireSms
from clarion.rendering.sms_encoding import Encoding
from clarion.rendering.sms_plan import SmsPlan, compile_sms

GERMAN, AMERICAN, FRENCH = "+4915123456789", "+12025550123", "+33612345678"
HEAVY: dict[str, object] = {"attributes": {"text": "x" * 60_000}}


def wire(plan: SmsPlan, contact: dict[str, object] | None = None, to: str = GERMAN) -> WireSms:
    message = plan.render(7, to, contact or {}, DATE)
    assert isinstance(message, WireSms), message
    return message


def refusal(plan: SmsPlan, contact: dict[str, object] | None = None, to: str = GERMAN) -> Reason:
    message = plan.render(7, to, contact or {}, DATE)
    assert isinstance(message, Refusal), message
    return message.reason


def test_everyone_gets_their_own_message_under_the_id_of_their_delivery() -> None:
    plan = plan_of("Hello {{ contact.firstName }}, {{ context.code }} for {{ campaign.name }} by {{ account.name }}")
    said = look_over({"code": "X7"})
    message = plan.render(7, GERMAN, {"firstName": "Ada"}, DATE, said)
    text = "Hello Ada, X7 for Spring by Clarion Test"
    assert message == WireSms(GERMAN, "Clarion", text, Encoding.GSM, (text,), f"{RUN.hex()}-7")
    assert (sorted(plan.columns), plan.reads_context, plan.key(GERMAN)) == (["first_name"], True, GERMAN)
    as_plan: Plan = plan
    assert as_plan.warnings == ()


def test_links_lead_to_the_delivery_and_only_where_they_are_used() -> None:
    text = wire(plan_of("Stop: {{ unsubscribe_url }} Look: {{ view_url }}", category=Category.MARKETING)).text
    assert text.startswith("Stop: https://mail.clarion.test/u/")
    assert " Look: https://mail.clarion.test/v/" in text
    assert "http" not in wire(plan_of("Sale today. STOP to stop", category=Category.MARKETING)).text


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("+4915", Reason.UNROUTABLE),
        ("+999123456789", Reason.UNROUTABLE),
        ("+491900123456", Reason.UNROUTABLE),
        ("+4930123456", Reason.LANDLINE),
        (FRENCH, Reason.COUNTRY_NOT_ALLOWED),
        (AMERICAN, Reason.NO_ORIGINATOR),
        ("not a number", Reason.UNROUTABLE),
    ],
)
def test_whoever_cannot_be_reached_is_skipped_with_a_reason(to: str, reason: Reason) -> None:
    rules = SmsRules(countries=("DE", "US"))
    assert refusal(plan_of("Hello", rules=rules), to=to) is reason


def test_a_premium_number_is_never_written_to() -> None:
    message = plan_of("Hello").render(1, "+449098790000", {}, DATE)
    assert isinstance(message, Refusal)
    assert (message.reason, "premium" in message.detail) == (Reason.UNROUTABLE, True)


def test_a_message_comes_from_the_number_of_its_country() -> None:
    plan = plan_of("Hello", rules=SmsRules(originators={"US": "+12025550199", "FR": "36180"}))
    assert [wire(plan, to=to).from_ for to in (GERMAN, AMERICAN, FRENCH)] == ["Clarion", "+12025550199", "36180"]


def test_an_emoji_makes_segments_of_seventy() -> None:
    plan = plan_of("{{ contact.firstName }}" + "x" * 150)
    assert (wire(plan, {"firstName": "Ada"}).encoding, len(wire(plan, {"firstName": "Ada"}).parts)) == (Encoding.GSM, 1)
    message = wire(plan, {"firstName": "Ada \U0001f389"})
    assert (message.encoding, len(message.parts), "".join(message.parts)) == (Encoding.UCS2, 3, message.text)


def test_whoever_would_get_more_segments_than_allowed_gets_none() -> None:
    plan = plan_of("{{ contact.firstName }}" + "x" * 150, max_segments=2)
    assert len(wire(plan, {"firstName": "A" * 20}).parts) == 2
    assert refusal(plan, {"firstName": "\U0001f389"}) is Reason.TOO_LONG
    assert refusal(plan_of("{{ contact.attributes.text }}"), HEAVY) is Reason.TOO_LONG


def test_transliteration_is_asked_for() -> None:
    text = "{{ contact.firstName }}\u2019s \u201cdeal\u201d"
    assert wire(plan_of(text, transliterate=True), {"firstName": "Zo\u00eb"}).text == 'Zoe\'s "deal"'
    assert wire(plan_of(text), {"firstName": "Zo\u00eb"}).encoding is Encoding.UCS2


def test_lines_end_as_phones_know_it_and_control_characters_are_refused() -> None:
    plan = plan_of("One\r\nTwo\tthree {{ contact.firstName }}")
    assert wire(plan, {"firstName": "a\u2028b\rc"}).text == "One\nTwo three a\nb\nc"
    for bad in ("\0", "\x1b", "\ud800"):
        assert refusal(plan, {"firstName": bad}) is Reason.RENDER_FAILED


def test_an_empty_or_missing_value_that_matters_is_no_message() -> None:
    assert refusal(plan_of(" {{ contact.firstName }} ")) is Reason.RENDER_FAILED
    assert refusal(plan_of("Hi {{ contact.firstName | required('no name') }}")) is Reason.RENDER_FAILED
    endless = plan_of("{% for one in contact.attributes.list %}{{ one }}{% endfor %}")
    assert refusal(endless, {"attributes": {"list": ["a"] * 30_000}}) is Reason.TEMPLATE_TOO_EXPENSIVE


@pytest.mark.parametrize(
    ("options", "field", "rule"),
    [
        ({"text": ""}, "message.sms.text", "minLength"),
        ({"text": " \n"}, "message.sms.text", "minLength"),
        ({"text": "{{ contact."}, "message.sms.text", "syntax"),
        ({"text": "x" * 4097}, "message.sms.text", "maxLength"),
        ({"text": "a\0b"}, "message.sms.text", "characters"),
        ({"text": "Hi", "max_segments": 0}, "message.sms.maxSegments", "range"),
        ({"text": "Hi", "max_segments": 256}, "message.sms.maxSegments", "range"),
    ],
)
def test_a_mistake_of_the_author_is_named(options: dict[str, object], field: str, rule: str) -> None:
    with pytest.raises(Invalid) as caught:
        plan_of(**options)  # type: ignore[arg-type]
    assert [(problem.field, problem.rule) for problem in caught.value.problems] == [(field, rule)]


@pytest.mark.parametrize(
    ("text", "category", "said"),
    [
        ("Sale today", Category.MARKETING, "how to stop"),
        ("The weekend ends: cancel nothing", Category.MARKETING, "how to stop"),
        ("Hi {{ contact.nickname }} STOP", Category.MARKETING, "nothing is named 'contact.nickname'"),
        ("Sale \U0001f389 today", Category.TRANSACTIONAL, "GSM alphabet cannot say (\U0001f389)"),
    ],
)
def test_an_author_is_warned(text: str, category: Category, said: str) -> None:
    warnings = plan_of(text, category=category).warnings
    assert len(warnings) == 1
    assert said in warnings[0]


@pytest.mark.parametrize(
    "text", ["Reply STOP to stop", "Txt \u201cStop\u201d", "Abmelden: {{ unsubscribe_url }}", "ARR\u00caT"]
)
def test_whoever_says_how_to_stop_is_not_warned_of_it(text: str) -> None:
    plan = plan_of(text, category=Category.MARKETING, transliterate=True)
    assert not any("stop" in warning for warning in plan.warnings)


@given(st.dictionaries(st.sampled_from(["firstName", "lastName"]), st.one_of(st.none(), st.text(), st.integers())))
def test_no_data_raises(contact: dict[str, object]) -> None:
    message = PERSONAL.render(1, GERMAN, contact, DATE)
    assert isinstance(message, Refusal) or "".join(message.parts) == message.text


PERSONAL = plan_of("Hi {{ contact.firstName }} {{ contact.lastName }}", transliterate=True)


def test_a_plan_without_rules_goes_everywhere() -> None:
    nowhere = dataclasses.replace(sender(None), sms=None)
    plan = compile_sms(SmsContent(text="Hi"), facts=facts(from_address="+12025550199"), sender=nowhere, links=None)
    assert [wire(plan, to=to).from_ for to in (GERMAN, AMERICAN)] == ["+12025550199"] * 2
