"""Numbers looked up in the numbering plans, against the library's own, slower answers."""

from __future__ import annotations

import random

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from clarion.application.contact_rules import Refusal, read_phone
from clarion.rendering.phone_numbers import Line, Place, look_up

LINES = {
    PhoneNumberType.MOBILE: Line.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: Line.MOBILE,
    PhoneNumberType.FIXED_LINE: Line.FIXED,
    PhoneNumberType.PREMIUM_RATE: Line.PREMIUM,
    PhoneNumberType.SHARED_COST: Line.PREMIUM,
}


def expected(number: str) -> Place | None:
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.format_number(parsed, PhoneNumberFormat.E164) != number:
        return None  # written with a trunk prefix: not E.164
    country = phonenumbers.region_code_for_number(parsed)
    if country is None or not phonenumbers.is_valid_number(parsed):
        return None
    return Place(country, LINES.get(phonenumbers.number_type(parsed), Line.OTHER))


def numbers_of_every_country() -> list[str]:
    chance = random.Random(7)
    found = []
    for country in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in PhoneNumberType.values():
            example = phonenumbers.example_number_for_type(country, kind)
            if example:
                number = phonenumbers.format_number(example, PhoneNumberFormat.E164)
                changed = [number[:-many] + f"{chance.randrange(10**many):0{many}}" for many in (1, 2, 4, 6)]
                found += [number, number + "1", number[:-1], *changed]
    return [number for number in found if 8 <= len(number) <= 16]


def test_every_answer_is_the_one_of_the_library() -> None:
    numbers = numbers_of_every_country()
    differing = [number for number in numbers if look_up(number) != expected(number)]
    assert len(numbers) > 5000
    assert not differing


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "49151",
        "+49",
        "+0151234567",
        "+491512345678901234",
        "+49151x2345678",
        "+" + chr(0xFF14) + "91512345678",
    ],
)
def test_what_is_no_number_is_nowhere(text: str) -> None:
    assert look_up(text) is None


@pytest.mark.parametrize(
    ("text", "country", "read"),
    [
        ("0151 23456789", "DE", "+4915123456789"),
        ("0049 151 2345-6789", "DE", "+4915123456789"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("+49 151 23456789", "US", "+4915123456789"),
        ("+49 (0)151 23456789", "US", "+4915123456789"),
        ("0712345678", "KE", "+254712345678"),
    ],
)
def test_a_number_without_its_country_is_of_the_accounts(text: str, country: str, read: str) -> None:
    assert read_phone(text, country) == read


@pytest.mark.parametrize(
    ("text", "country"), [("0151 23456789", None), ("999", "GB"), ("1800FLOWERS", "US"), ("1", "US")]
)
def test_what_cannot_be_dialled_is_refused(text: str, country: str | None) -> None:
    assert isinstance(read_phone(text, country), Refusal)
