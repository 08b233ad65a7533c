"""What an SMS sender keeps to: who a message comes from in each country, where it may go, and what a segment costs.

Pure rules, the same for every provider. Numbers are looked up in `rendering/phone_numbers`. Where to read next:
`rendering/sms_plan`, which applies them to each message.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from clarion.domain.errors import Problem

ANYWHERE: Final = "*"
"""In a price list: every country that is not listed."""
PRICE_LIMIT: Final = Decimal(100)
"""What a segment may cost at most: whoever enters more has mistaken the unit."""
_PRICE_DIGITS: Final = 6

NO_NAMES: Final = frozenset({"AR", "BR", "CA", "CL", "CN", "CO", "CR", "DO", "EC", "PE", "PR", "PY", "US", "UY", "VE"})
"""Countries whose networks take no name as the originator: "Sender IDs: No" in AWS End User Messaging's "Supported
countries", and Telnyx's "Alphanumeric Sender ID" for Puerto Rico. Providers replace or refuse a name there."""

E164: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
"""A number in E.164 with its plus sign, as far as its shape tells."""
_SHORT_CODE = re.compile(r"[0-9]{3,8}", re.ASCII)
_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9&._-](?:[A-Za-z0-9 &._-]{0,9}[A-Za-z0-9&._-])?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


class OriginatorKind(StrEnum):
    """What a message can come from."""

    NUMBER = "number"
    SHORT_CODE = "short_code"
    NAME = "name"


def originator_kind(text: str) -> OriginatorKind | None:
    """What kind of originator this is, None when it is none.

    A number is in E.164 with its plus sign (ITU-T E.164), a short code has 3 to 8 digits, a name 1 to 11 characters
    with a letter among them (TS 23.040 §9.1.2.5: eleven septets).
    """
    if E164.fullmatch(text):
        return OriginatorKind.NUMBER
    if _SHORT_CODE.fullmatch(text):
        return OriginatorKind.SHORT_CODE
    return OriginatorKind.NAME if _NAME.fullmatch(text) else None


def originator_problems(text: str, field: str) -> Iterator[Problem]:
    """What is wrong with an originator; an empty one leaves the choice to the provider."""
    if text and originator_kind(text) is None:
        message = "a number such as +12025550123, a short code, or a name of 1 to 11 letters, digits, spaces or & . _ -"
        yield Problem(field, "originator", message)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsRules:
    """The rules of one SMS sender. Countries are ISO 3166 in two letters.

    `originators` say who a message comes from in a country; elsewhere it comes from the sender's `from_address`.
    `countries` are those it may go to; None is everywhere. `prices` are for one segment, in `currency`.
    """

    originators: Mapping[str, str] = field(default_factory=dict)
    countries: tuple[str, ...] | None = None
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    currency: str | None = None

    def allows(self, country: str) -> bool:
        """Whether messages may go to this country."""
        return self.countries is None or country in self.countries

    def originator(self, country: str, from_address: str) -> str | None:
        """Who a message to this country comes from; None when it would be a name, and names are not taken there."""
        chosen = self.originators.get(country, from_address)
        return None if country in NO_NAMES and originator_kind(chosen) is OriginatorKind.NAME else chosen

    def price(self, country: str) -> Decimal | None:
        """What a segment to this country costs; None when nobody said."""
        return self.prices.get(country, self.prices.get(ANYWHERE))

    def problems(self, from_address: str, known: Container[str]) -> Iterator[Problem]:
        """Everything that is wrong with the rules, given the sender's own originator and the countries that exist."""
        yield from self._originator_problems(from_address)
        yield from self._price_problems()
        for name, countries in (
            ("originators", self.originators),
            ("countries", self.countries or ()),
            ("prices", [country for country in self.prices if country != ANYWHERE]),
        ):
            for country in countries:
                if country not in known:
                    yield Problem(f"sms.{name}", "country", f"{country[:20]!r} is no country of ISO 3166, such as KE")
        if self.countries is not None and not self.countries:
            yield Problem("sms.countries", "minItems", "at least one country; null allows all")
        elif self.countries and len(set(self.countries)) != len(self.countries):
            yield Problem("sms.countries", "uniqueItems", "each country once")

    def _originator_problems(self, from_address: str) -> Iterator[Problem]:
        for country, originator in self.originators.items():
            at = f"sms.originators.{country[:20]}"
            if not originator:
                yield Problem(at, "minLength", "must not be empty; leave the country out to use fromAddress there")
            yield from originator_problems(originator, at)
            if self.originator(country, from_address) is None:
                yield Problem(at, "numberOnly", f"networks in {country} take no names: a number or a short code")
        for country in self.countries or ():
            if country not in self.originators and self.originator(country, from_address) is None:
                why = f"networks in {country} take no names such as {from_address}: give it a number in sms.originators"
                yield Problem("sms.countries", "numberOnly", why)

    def _price_problems(self) -> Iterator[Problem]:
        for country, price in self.prices.items():
            at = f"sms.prices.{country[:20]}"
            if not price.is_finite() or not 0 <= price <= PRICE_LIMIT:
                yield Problem(at, "range", f"0 to {PRICE_LIMIT} for a segment")
            elif -int(price.as_tuple().exponent) > _PRICE_DIGITS:
                yield Problem(at, "digits", f"at most {_PRICE_DIGITS} digits after the point")
        if self.currency is not None and not _CURRENCY.fullmatch(self.currency):
            yield Problem("sms.currency", "currency", "a currency of ISO 4217 in three letters, such as EUR")
        if self.prices and self.currency is None:
            yield Problem("sms.currency", "required", "prices need a currency")


NO_RULES: Final = SmsRules()
"""Of a sender that keeps to none: one originator, everywhere, at no known price."""
