"""Refusals in the words of this API: `{"detail": …}`, or lists of sentences under the fields they are about.

A reader or a route raises one; `answers` sends it. Refusals by the use cases themselves are put into these words there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from clarion.domain.errors import Invalid, Problem

REQUIRED: Final = "This field is required."
NULL: Final = "This field may not be null."
BLANK: Final = "This field may not be blank."
NUL_CHARACTER: Final = "Null characters are not allowed."
NOT_UNIQUE: Final = "This field must be unique."
NOT_PROVIDED: Final = "Authentication credentials were not provided."
WHOLE_BODY: Final = "non_field_errors"
_VALUE_LIMIT: Final = 300
"""Characters of a value that are told back."""
_INDEX = re.compile(r"\[(\d+)\]")


class Refusal(Invalid):
    """A request refused with this body and this status."""

    def __init__(self, body: dict[str, Any], status: int = 400) -> None:
        super().__init__(Problem("body", "refused", str(body)))
        self.body = body
        self.status = status


def detail(text: str, status: int = 400) -> Refusal:
    """A refusal of the request as a whole, in one sentence."""
    return Refusal({"detail": text}, status)


def of_body(text: str) -> Refusal:
    """A refusal of a body whose fields are each right."""
    return Refusal({WHOLE_BODY: [text]})


def of_field(field: str, *sentences: str) -> Refusal:
    """A refusal of one field."""
    return Refusal({field: list(sentences)})


def no_such(value: object) -> str:
    """What is said of a reference that leads nowhere."""
    return f"No such object: {str(value)[:_VALUE_LIMIT]}"


def by_field(problems: Iterable[Problem]) -> dict[str, Any]:
    """Problems of the use cases under their fields; `urns[0]` becomes `{"urns": {"0": …}}`."""
    body: dict[str, Any] = {}
    for problem in problems:
        said = NUL_CHARACTER if problem.rule == "nul" else problem.message
        _put(body, _INDEX.sub(r".\1", problem.field).split("."), said[:1].upper() + said[1:])
    return body


def _put(body: dict[str, Any], path: list[str], sentence: str) -> None:
    first, *rest = path
    place = body.setdefault(WHOLE_BODY if first in ("", "body") else first, {} if rest else [])
    if rest and isinstance(place, dict):
        _put(place, rest, sentence)
    elif isinstance(place, list):
        place.append(sentence)
    else:
        place.setdefault(WHOLE_BODY, []).append(sentence)
