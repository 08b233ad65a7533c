"""What a contact's fields may hold: every limit once, used by the API and by imports alike, with the sentence to say.

A reader takes a value as it came and gives the value to store, or a `Refusal` with the rule and a sentence. Nothing is
ever cleaned silently, except that spaces around a value are dropped and phone numbers lose their separators.
"""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec
import phonenumbers

from clarion.domain.contact import AttributeValue
from clarion.rendering.phone_numbers import look_up

EXTERNAL_ID_LIMIT: Final = 255
NAME_LIMIT: Final = 200
LANGUAGE_LIMIT: Final = 35
ATTRIBUTES_LIMIT: Final = 64 * 1024
"""Bytes of a contact's attributes, as JSON."""
ATTRIBUTES_DEPTH: Final = 8
ATTRIBUTES_KEYS: Final = 500
"""Keys of a contact's attributes, those of nested objects included."""
ATTRIBUTE_NAME_LIMIT: Final = 100
PUSH_TOKEN_LIMIT: Final = 4096

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_PHONE = re.compile(r"\+[0-9]{7,15}", re.ASCII)
_DIALLED = re.compile(r"[0-9]{3,20}", re.ASCII)
_PHONE_SEPARATORS: Final = str.maketrans("", "", " -.()")
_LANGUAGE = re.compile(  # RFC 5646 §2.1, without grandfathered tags
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?",
    re.ASCII | re.IGNORECASE,
)
_INT64: Final = 2**63


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a value cannot be stored."""

    rule: str
    message: str


_IMPOSSIBLE: Final = Refusal("phone", "is not a possible number in its country")


def read_line(value: str, limit: int) -> str | Refusal:
    """A text of 1 to `limit` characters on one line, without the spaces around it."""
    text = value.strip(" ")
    if 0 < len(text) <= limit and text.isprintable():
        return text
    if len(text) > limit:
        return Refusal("maxLength", f"must have at most {limit} characters")
    if _CONTROL.search(text):
        return Refusal("characters", "must not contain control characters, line breaks or NUL")
    if not text:
        return Refusal("minLength", "must not be empty; use null to clear it")
    return text


def read_external_id(value: str) -> str | Refusal:
    """The caller's own id of a contact: 1 to 255 characters, compared exactly."""
    return read_line(value, EXTERNAL_ID_LIMIT)


def read_name(value: str) -> str | Refusal:
    """A first or last name: 1 to 200 characters on one line."""
    return read_line(value, NAME_LIMIT)


@lru_cache(maxsize=1024)
def read_language(value: str) -> str | Refusal:
    """A BCP 47 language tag by its syntax (RFC 5646 §2.1), kept as written."""
    text = value.strip(" ")
    if len(text) <= LANGUAGE_LIMIT and _LANGUAGE.fullmatch(text):
        return text
    return Refusal("language", "must be a BCP 47 language tag such as en or pt-BR")


@lru_cache(maxsize=1)
def _timezones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "posixrules", "Factory"}


def read_timezone(value: str) -> str | Refusal:
    """A time zone of the IANA database, by its exact name."""
    text = value.strip(" ")
    if text in _timezones():
        return text
    return Refusal("timezone", "must be an IANA time zone such as Europe/Berlin")


def read_phone(value: str, country: str | None = None) -> str | Refusal:
    """A phone number in international form (E.164), stored as `+` and 7 to 15 ASCII digits.

    With a `country`, one that begins without a plus is read as people there dial it. Spaces, hyphens, dots and
    parentheses between digits are dropped; extensions, letters and other scripts' digits are refused.
    """
    text = value.translate(_PHONE_SEPARATORS)
    if country is not None and _DIALLED.fullmatch(text):
        return _read_dialled(text, country)
    if not _PHONE.fullmatch(text):
        return Refusal("phone", "must be in international form: + and 7 to 15 digits, for example +12025550123")
    if look_up(text):
        return text
    return _read_dialled(text, None)


def _read_dialled(text: str, country: str | None) -> str | Refusal:
    """A number that is no valid E.164 as it stands: a national one, one with its trunk zero, or one not given out."""
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return _IMPOSSIBLE
    read = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return read if phonenumbers.is_possible_number(number) and _PHONE.fullmatch(read) else _IMPOSSIBLE


def read_push_token(value: str) -> str | Refusal:
    """A device's push token: opaque, 1 to 4,096 characters on one line, compared exactly."""
    return read_line(value, PUSH_TOKEN_LIMIT)


def read_attributes(value: dict[str, AttributeValue]) -> dict[str, AttributeValue] | Refusal:
    """A JSON object of at most 64 kB, 8 levels and 500 keys; a top-level null removes that key when merged."""
    refusal = _Inspection().object_(value, 1)
    if refusal is None:
        size = len(msgspec.json.encode(value))
        if size > ATTRIBUTES_LIMIT:
            refusal = Refusal("maxBytes", f"must be at most {ATTRIBUTES_LIMIT // 1024} kB as JSON")
    return refusal or value


class _Inspection:
    """One walk over an attributes object, counting its keys."""

    def __init__(self) -> None:
        self.keys = 0

    def object_(self, value: dict[str, AttributeValue], depth: int) -> Refusal | None:
        if depth > ATTRIBUTES_DEPTH:
            return Refusal("maxDepth", f"must be nested at most {ATTRIBUTES_DEPTH} levels deep")
        self.keys += len(value)
        if self.keys > ATTRIBUTES_KEYS:
            return Refusal("maxProperties", f"must have at most {ATTRIBUTES_KEYS} keys")
        for name, inner in value.items():
            refusal = check_attribute_name(name) or self.value(inner, depth)
            if refusal:
                return refusal
        return None

    def value(self, value: AttributeValue, depth: int) -> Refusal | None:
        if isinstance(value, str):
            return check_text(value)
        if isinstance(value, dict):
            return self.object_(value, depth + 1)
        if isinstance(value, list):
            return self.list_(value, depth + 1)
        return _check_number(value)

    def list_(self, value: list[AttributeValue], depth: int) -> Refusal | None:
        if depth > ATTRIBUTES_DEPTH:
            return Refusal("maxDepth", f"must be nested at most {ATTRIBUTES_DEPTH} levels deep")
        return next((refusal for inner in value if (refusal := self.value(inner, depth))), None)


def check_text(value: str) -> Refusal | None:
    """Refuses what PostgreSQL cannot store: NUL and lone surrogates."""
    if not value.isprintable() and _UNSTORABLE.search(value):
        return Refusal("characters", "must not contain NUL or lone surrogates")
    return None


def check_attribute_name(name: str) -> Refusal | None:
    """An attribute's name has 1 to 100 characters without control characters."""
    if not name or len(name) > ATTRIBUTE_NAME_LIMIT:
        return Refusal("propertyNames", f"must have attribute names of 1 to {ATTRIBUTE_NAME_LIMIT} characters")
    if not name.isprintable() and _CONTROL.search(name):
        return Refusal("propertyNames", "must have attribute names without control characters")
    return None


def _check_number(value: float | bool | None) -> Refusal | None:  # noqa: FBT001 - a JSON value, not a switch
    # A larger float would come back from the database as a whole number of hundreds of digits.
    if value is not None and not -_INT64 <= value < _INT64:
        return Refusal("number", "must contain numbers of at most 64 bits, neither NaN nor infinite")
    return None
