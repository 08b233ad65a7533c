"""Telephone numbers: which country one is of, and whether a text message can reach it.

Answers come from the numbering plans that `phonenumbers` carries (libphonenumber's metadata) and are those that library
gives itself. `look_up` asks the plans directly, because parsing a number that is known to be in E.164 costs ten times
as much, for every message. Where to read next: `sms_plan`, which asks for each recipient.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberDesc

from clarion.domain.sms import E164

COUNTRIES: Final = frozenset(phonenumbers.SUPPORTED_REGIONS)
"""The countries that have a numbering plan, by ISO 3166 in two letters."""
_CODE_DIGITS: Final = 3
"""Digits of a country calling code at most (ITU-T E.164 §6.1)."""
_NO_COUNTRY: Final = "001"
"""What the metadata calls the codes that belong to no country, such as satellite phones."""


class Line(StrEnum):
    """What a number leads to, as far as its digits tell."""

    MOBILE = "mobile"
    """A mobile phone, or one that cannot be told from it, as in North America."""
    FIXED = "fixed"
    PREMIUM = "premium"
    """Calls and messages cost the sender: premium rate and shared cost."""
    OTHER = "other"
    """Internet telephony, toll-free, pagers and the like: some take messages."""


class Place(NamedTuple):
    """Where a number is: its country, and what it leads to there."""

    country: str
    line: Line


_Test = Callable[[str], object]


class _Plan(NamedTuple):
    """One country's numbering plan, its patterns ready to be asked."""

    country: str
    leads: _Test | None
    valid: _Test
    premium: tuple[_Test, ...]
    mobile: _Test
    other: tuple[_Test, ...]
    fixed: _Test

    def line(self, national: str) -> Line | None:
        """What a national number leads to; None when no number of this plan looks so."""
        if not self.valid(national):
            return None
        if any(test(national) for test in self.premium):
            return Line.PREMIUM
        if self.mobile(national):
            return Line.MOBILE
        if any(test(national) for test in self.other):
            return Line.OTHER
        return Line.FIXED if self.fixed(national) else None


def look_up(number: str) -> Place | None:
    """Where a number in E.164, with its plus sign, leads; None when its country gives out no such number.

    The plans are as new as the installed `phonenumbers`. Never raises; pure.
    """
    if not E164.fullmatch(number):
        return None
    for end in range(2, _CODE_DIGITS + 2):
        plans = _plans(number[1:end])
        if plans:
            return _place(plans, number[end:])
    return None


def _place(plans: tuple[_Plan, ...], national: str) -> Place | None:
    """Countries that share a calling code are told apart by the first digits, or by what numbers they give out."""
    for plan in plans:
        if plan.leads:
            if plan.leads(national):
                line = plan.line(national)
                return Place(plan.country, line) if line else None
        elif line := plan.line(national):
            return Place(plan.country, line)
    return None


@lru_cache(maxsize=1024)
def _plans(calling_code: str) -> tuple[_Plan, ...]:
    code = int(calling_code)
    found = []
    for country in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ()):
        metadata = (
            PhoneMetadata.metadata_for_nongeo_region(code, None)
            if country == _NO_COUNTRY
            else PhoneMetadata.metadata_for_region(country, None)
        )
        if metadata:
            found.append(_read(country, metadata))
    return tuple(found)


def _read(country: str, metadata: PhoneMetadata) -> _Plan:
    other = (metadata.toll_free, metadata.voip, metadata.personal_number, metadata.pager, metadata.uan,
             metadata.voicemail)  # fmt: skip
    return _Plan(
        country=country,
        leads=re.compile(metadata.leading_digits).match if metadata.leading_digits else None,
        valid=_test(metadata.general_desc),
        premium=(_test(metadata.premium_rate), _test(metadata.shared_cost)),
        mobile=_test(metadata.mobile),
        other=tuple(map(_test, other)),
        fixed=_test(metadata.fixed_line),
    )


def _test(pattern: PhoneNumberDesc | None) -> _Test:
    if pattern is None or not pattern.national_number_pattern:
        return _never
    matches = re.compile(pattern.national_number_pattern).fullmatch
    lengths = frozenset(pattern.possible_length or ())
    return (lambda national: len(national) in lengths and matches(national)) if lengths else matches


def _never(_national: str) -> None:
    return None
