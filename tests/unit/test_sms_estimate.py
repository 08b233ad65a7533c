"""What text messages will be, told from people at hand: encodings, segments, countries, price and warnings."""

from __future__ import annotations

from decimal import Decimal

from tests.support.text_messages import plan_of

from clarion.application.ports.samples import Sampled
from clarion.application.sms_estimate import CountryShare, SegmentCounts, SmsEstimate, estimated
from clarion.domain.outcome import Reason
from clarion.domain.sms import SmsRules
from clarion.rendering.sms_encoding import Encoding

RULES = SmsRules(prices={"DE": Decimal("0.07"), "FR": Decimal("0.04")}, currency="EUR")
TEXT = "Hello {{ contact.firstName }}, " + "x" * 140


def estimate(people: list[Sampled], recipients: int, text: str = TEXT, rules: SmsRules = RULES) -> SmsEstimate:
    return estimated(plan_of(text, rules=rules), rules, people, recipients)


def germans(count: int, name: str = "Ada") -> list[Sampled]:
    return [Sampled(f"+49151234567{number:02}", {"firstName": name}) for number in range(count)]


def test_an_estimate_counts_what_everyone_would_get() -> None:
    people = [*germans(6), *germans(2, "\U0001f389"), Sampled("+33612345678", {"firstName": "A" * 10}),
              Sampled("+4930123456", {})]  # fmt: skip
    assert estimate(people, 1000) == SmsEstimate(
        sampled=10,
        recipients=1000,
        segments=SegmentCounts(1, 1, 3),
        encodings={Encoding.GSM: 7, Encoding.UCS2: 2},
        skipped={Reason.LANDLINE: 1},
        countries=(CountryShare("DE", 0.8, Decimal("0.07")), CountryShare("FR", 0.1, Decimal("0.04"))),
        total=1300,
        cost=Decimal("88.00"),
        currency="EUR",
        warnings=(
            "\U0001f389 is not of the GSM alphabet: 3 segments instead of 1, for 22% of the messages",
            "10% of those with a number are skipped: landline",
        ),
    )


def test_a_country_without_a_price_is_named_and_left_out_of_the_cost() -> None:
    told = estimate([*germans(1), Sampled("+447400123456", {})], 2)
    assert (told.cost, told.warnings) == (Decimal("0.07"), ("no price is known for GB",))
    unpriced = estimate(germans(1), 1, rules=SmsRules())
    assert (unpriced.cost, unpriced.currency, unpriced.warnings) == (None, None, ())


def test_without_anybody_the_message_is_counted_as_it_stands() -> None:
    told = estimate([], 0, text="Sale \U0001f389 " + "x" * 150)
    assert (told.segments, told.total, told.cost, told.countries) == (SegmentCounts(3, 3, 3), 0, None, ())
    assert "3 segments instead of 1" in told.warnings[0]
    assert estimate([], 0, text="{{ contact.firstName | required }}").segments is None
