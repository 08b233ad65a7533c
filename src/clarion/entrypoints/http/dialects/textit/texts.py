"""Reading a text that may come in several languages, by ISO 639-3 code: one string, or an object of them.

Read `wording` for how such a text becomes a message of ours.
"""

from __future__ import annotations

import re
from typing import Any, Final

from clarion.entrypoints.http.dialects.textit.inputs import Inputs, not_a_dict, too_long, too_many
from clarion.entrypoints.http.dialects.textit.refusals import BLANK, NULL
from clarion.entrypoints.http.strict_json import Json

TEXT_LIMIT: Final = 4096
LANGUAGES_LIMIT: Final = 50
_LANGUAGE = re.compile(r"[a-z]{3}", re.ASCII)
_NOT_A_LANGUAGE: Final = "Not an allowed ISO 639-3 language code."


def read_texts(inputs: Inputs, field: str, default_language: str) -> dict[str, str] | None:
    """The texts by language; a string is in the default language. None when absent or wrong, which is noted."""
    if field not in inputs:
        return None
    value = inputs.given(field)
    if isinstance(value, str):
        value = {default_language: value}
    if value is None:
        return None
    if not isinstance(value, dict):
        inputs.refuse(field, not_a_dict(value))
        return None
    if not value:
        inputs.refuse(field, "This dictionary may not be empty.")
        return None
    if len(value) > LANGUAGES_LIMIT:
        inputs.refuse(field, too_many(LANGUAGES_LIMIT))
        return None
    return _each(inputs, field, value)


def is_language(text: str) -> bool:
    """Whether this is written like an ISO 639-3 code."""
    return _LANGUAGE.fullmatch(text) is not None


def _each(inputs: Inputs, field: str, value: dict[str, Json]) -> dict[str, str] | None:
    strangers: dict[str, Any] = {name: [_NOT_A_LANGUAGE] for name in value if not is_language(name)}
    wrong = strangers or {
        language: [sentence] for language, text in value.items() if (sentence := _fault(text)) is not None
    }
    if wrong:
        inputs.problems[field] = wrong
        return None
    return {language: str(text).strip() for language, text in value.items()}


def _fault(text: Json) -> str | None:
    if text is None:
        return NULL
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        return "Not a valid string."
    stripped = str(text).strip()
    if not stripped:
        return BLANK
    return too_long(TEXT_LIMIT) if len(stripped) > TEXT_LIMIT else None
