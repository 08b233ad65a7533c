"""Reading the fields of a body by this API's rules: every mistake is collected, each in the vendor's own sentence.

Nothing here asks the database; references are resolved by the routes. Read `refusals` for the shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from clarion.entrypoints.http.dialects.textit.refusals import BLANK, NULL, REQUIRED, Refusal
from clarion.entrypoints.http.strict_json import Json

NAME_LIMIT: Final = 64
REFERENCES_LIMIT: Final = 100
_NOT_A_STRING: Final = "Not a valid string."
_NOT_WHOLE: Final = "A valid integer is required."
_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,18}\s*", re.ASCII)
_INT32: Final = 2**31
Reference = str | int


class Inputs:
    """The fields of one body. A reader gives None for what is absent or wrong; `close` raises what was found wrong."""

    def __init__(self, said: Mapping[str, Json]) -> None:
        self.said = said
        self.problems: dict[str, Any] = {}

    def __contains__(self, field: str) -> bool:
        return field in self.said

    def refuse(self, field: str, *sentences: str) -> None:
        """Notes what is wrong with a field."""
        self.problems.setdefault(field, []).extend(sentences)

    def close(self) -> None:
        """Raises `Refusal` with everything noted so far."""
        if self.problems:
            raise Refusal(self.problems)

    def given(self, field: str, *, required: bool = True, nullable: bool = False) -> Json:
        """A value as it came. Notes when it is missing or null and may not be."""
        if field not in self.said:
            if required:
                self.refuse(field, REQUIRED)
            return None
        value = self.said[field]
        if value is None and not nullable:
            self.refuse(field, NULL)
        return value

    def text(self, field: str, *, limit: int, required: bool = True, nullable: bool = False) -> str | None:
        """A text without blanks around it; numbers become texts."""
        value = self.given(field, required=required, nullable=nullable)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return self._no(field, _NOT_A_STRING)
        text = str(value).strip()
        if not text:
            return None if nullable else self._no(field, BLANK)
        return self._no(field, too_long(limit)) if len(text) > limit else text

    def name(self, field: str = "name", limit: int = NAME_LIMIT) -> str | None:
        """A name by the rule of all names."""
        text = self.text(field, limit=1 << 30)
        if text is None:
            return None
        if len(text) > limit:
            return self._no(field, f"Cannot be longer than {limit} characters.", too_long(limit))
        for char in '"\\':
            if char in text:
                return self._no(field, f"Cannot contain the character: {char}")
        return text

    def whole(self, field: str, least: int = -_INT32, most: int = _INT32 - 1) -> int | None:
        """A whole number between two bounds."""
        value = self.given(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int) or not _WHOLE.fullmatch(str(value)):
            self.refuse(field, _NOT_WHOLE)
            return None
        number = int(value)
        if number > most:
            self.refuse(field, f"Ensure this value is less than or equal to {most}.")
        elif number < least:
            self.refuse(field, f"Ensure this value is greater than or equal to {least}.")
        return number

    def choice(self, field: str, choices: tuple[str, ...]) -> str | None:
        """One of some words, exactly."""
        value = self.given(field)
        if value is None:
            return None
        if not isinstance(value, str) or value not in choices:
            return self._no(field, f'"{_shown(value)}" is not a valid choice.')
        return value

    def reference(self, field: str, *, required: bool = True) -> str | None:
        """What names another object: a text or a number."""
        value = self.given(field, required=required)
        if value is None:
            return None
        text, sentence = read_reference(value)
        return text if sentence is None else self._no(field, sentence)

    def references(self, field: str, limit: int = REFERENCES_LIMIT) -> list[str] | None:
        """A list of what names other objects; None when it is not given."""
        value = self.given(field, required=False)
        if value is None:
            return None
        if not isinstance(value, list):
            self.refuse(field, not_a_list(value))
            return None
        if len(value) > limit:
            self.refuse(field, too_many(limit))
            return None
        read = [read_reference(one) for one in value]
        wrong = {str(place): [sentence] for place, (_, sentence) in enumerate(read) if sentence}
        if wrong:
            self.problems[field] = wrong
            return None
        return [text for text, _ in read]

    def _no(self, field: str, *sentences: str) -> str | None:
        self.refuse(field, *sentences)
        return None


def read_reference(value: Json) -> tuple[str, str | None]:
    """The text of a reference, or what is wrong with it."""
    if value is None or value == "":
        return "", NULL
    if not isinstance(value, str | int):
        return "", "Must be a string or integer"
    return str(value), None


def too_long(limit: int) -> str:
    """What is said of a text of too many characters."""
    return f"Ensure this field has no more than {limit} characters."


def too_many(limit: int) -> str:
    """What is said of a list or an object of too many elements."""
    return f"Ensure this field has no more than {limit} elements."


def not_a_list(value: Json) -> str:
    """What is said of something else where a list should be."""
    return f'Expected a list of items but got type "{type_name(value)}".'


def not_a_dict(value: Json) -> str:
    """What is said of something else where an object should be."""
    return f'Expected a dictionary of items but got type "{type_name(value)}".'


def type_name(value: Json) -> str:
    """How this API calls the type of a value."""
    return type(value).__name__


def _shown(value: Json) -> str:
    return str(value)[:100]
