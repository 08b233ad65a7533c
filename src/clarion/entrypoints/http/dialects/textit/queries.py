"""The query string as this API reads it: the first of each parameter counts, unknown ones are ignored.

Read `pages` for `cursor`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from clarion.domain.ids import Id, parse_uuid
from clarion.entrypoints.http.dialects.textit.refusals import NUL_CHARACTER, detail
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.strict_json import text_problem

NOBODY: Final = Id(bytes(12))
"""An id that names nothing: what a well-formed UUID of somewhere else is read as."""
_PARAMETERS: Final = 100
_YES: Final = frozenset({"true", "t", "y", "yes", "1"})


class Window(NamedTuple):
    """A span of time, both ends included. `is_void` is true when an end could not be read: then nothing is in it."""

    after: datetime | None
    before: datetime | None
    is_void: bool = False


class Query:
    """The parameters of one request."""

    def __init__(self, request: Incoming) -> None:
        raw = request.scope["query_string"].decode("ascii", "replace")
        try:
            self.pairs = parse_qsl(raw, keep_blank_values=True, errors="replace", max_num_fields=_PARAMETERS)
        except ValueError:
            raise detail(f"At most {_PARAMETERS} parameters are read.") from None
        if any(text_problem("", name + value) for name, value in self.pairs):
            raise detail(NUL_CHARACTER)
        self._first = dict(reversed(self.pairs))

    def text(self, name: str) -> str | None:
        """A parameter as it came; None when it did not, or came empty."""
        return self._first.get(name) or None

    def uuid(self, name: str = "uuid") -> Id | None:
        """The object a UUID names, `NOBODY` for a stranger. Raises `Refusal` when it is no UUID at all."""
        text = self.text(name)
        return None if text is None else read_uuid(name, text)

    def is_set(self, name: str) -> bool:
        """Whether a switch is on."""
        return (self.text(name) or "").lower() in _YES

    def exclusive(self, *names: str) -> None:
        """Raises `Refusal` when more than one of these parameters is given."""
        if sum(self.text(name) is not None for name in names) > 1:
            raise detail(f"You may only specify one of the {', '.join(names)} parameters")

    def window(self) -> Window:
        """`after` and `before`."""
        ends = [_moment(self.text(name)) for name in ("after", "before")]
        unreadable = [self.text(name) and end is None for name, end in zip(("after", "before"), ends, strict=True)]
        return Window(ends[0], ends[1], any(unreadable))


def read_uuid(name: str, text: str) -> Id:
    """The object a UUID names, `NOBODY` for a stranger. Raises `Refusal` when it is no UUID at all."""
    if not is_uuid(text):
        raise detail(f"Param '{name}': {text[:100]} is not a valid UUID.")
    return parse_uuid(text) or NOBODY


def is_uuid(text: str) -> bool:
    """Whether this is a UUID in any spelling."""
    digits = text.lower().replace("urn:", "").replace("uuid:", "").strip("{}").replace("-", "")
    return len(digits) == 32 and digits.isascii() and all(digit in "0123456789abcdef" for digit in digits)


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat((text or "").replace(" ", "+") if "T" in (text or "") else text or "")
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def required_uuid(query: Query) -> Id:
    """The object that `uuid` names. Raises `Refusal` when it is missing or no UUID."""
    found = query.uuid()
    if found is None:
        raise detail("URL must contain one of the following parameters: uuid")
    return found


def read_number(query: Query, name: str) -> int | None:
    """A whole number in the query. Raises `Refusal` when it is none; one that nothing can have is -1."""
    text = query.text(name)
    if text is None:
        return None
    if not text.isascii() or not text.removeprefix("-").isdecimal():
        raise detail(f"Value for {name} must be an integer")
    return int(text) if len(text) <= 18 else -1
