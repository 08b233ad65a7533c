"""What an SMS sender may say of itself: originators, countries and prices, each mistake named."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from clarion.domain.sms import NO_NAMES, OriginatorKind, SmsRules, originator_kind, originator_problems
from clarion.rendering.phone_numbers import COUNTRIES

GOOD = SmsRules(
    originators={"US": "+12025550199", "CA": "36180", "GB": "Clarion"},
    countries=("US", "CA", "GB", "DE"),
    prices={"US": Decimal("0.0079"), "*": Decimal("0.05")},
    currency="EUR",
)


def test_good_rules_have_no_problems_and_survive_storage() -> None:
    assert list(GOOD.problems("Clarion", COUNTRIES)) == []
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(GOOD)), SmsRules) == GOOD
    assert list(SmsRules().problems("", COUNTRIES)) == []


@pytest.mark.parametrize(
    ("said", "field", "rule"),
    [
        ({"originators": {"US": "Clarion"}}, "sms.originators.US", "numberOnly"),
        ({"originators": {"DE": "more than eleven"}}, "sms.originators.DE", "originator"),
        ({"originators": {"DE": ""}}, "sms.originators.DE", "minLength"),
        ({"originators": {"ZZ": "12345"}}, "sms.originators", "country"),
        ({"countries": ("US",)}, "sms.countries", "numberOnly"),
        ({"countries": ("de",)}, "sms.countries", "country"),
        ({"countries": ()}, "sms.countries", "minItems"),
        ({"countries": ("DE", "DE")}, "sms.countries", "uniqueItems"),
        ({"prices": {"DE": Decimal(1)}}, "sms.currency", "required"),
        ({"prices": {"DE": Decimal(-1)}, "currency": "EUR"}, "sms.prices.DE", "range"),
        ({"prices": {"*": Decimal("NaN")}, "currency": "EUR"}, "sms.prices.*", "range"),
        ({"prices": {"DE": Decimal("0.0000001")}, "currency": "EUR"}, "sms.prices.DE", "digits"),
        ({"prices": {"XX": Decimal(1)}, "currency": "EUR"}, "sms.prices", "country"),
        ({"currency": "euro"}, "sms.currency", "currency"),
    ],
)
def test_a_mistake_is_named(said: dict[str, Any], field: str, rule: str) -> None:
    problems = list(SmsRules(**said).problems("Clarion", COUNTRIES))
    assert [(problem.field, problem.rule) for problem in problems] == [(field, rule)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("+12025550123", OriginatorKind.NUMBER),
        ("36180", OriginatorKind.SHORT_CODE),
        ("Clarion", OriginatorKind.NAME),
        ("A-1 & Co", OriginatorKind.NAME),
        ("X", OriginatorKind.NAME),
        ("ElevenChars", OriginatorKind.NAME),
        ("TwelveCharss", None),
        ("12025550123", None),
        ("12", None),
        (" Clarion", None),
        ("Clari\u00f3n", None),
        ("", None),
    ],
)
def test_an_originator_is_a_number_a_short_code_or_a_name(text: str, kind: OriginatorKind | None) -> None:
    assert originator_kind(text) is kind
    assert bool(list(originator_problems(text, "fromAddress"))) == (kind is None and text != "")


def test_a_name_is_never_the_originator_where_names_are_not_taken() -> None:
    assert NO_NAMES <= COUNTRIES
    assert all(SmsRules().originator(country, "Clarion") is None for country in NO_NAMES)
    assert SmsRules().originator("DE", "Clarion") == "Clarion"
    assert SmsRules().originator("US", "36180") == "36180"
    assert SmsRules().originator("US", "") == ""


def test_a_price_is_the_countrys_or_that_of_everywhere_else() -> None:
    assert (GOOD.price("US"), GOOD.price("DE"), SmsRules().price("DE")) == (Decimal("0.0079"), Decimal("0.05"), None)
