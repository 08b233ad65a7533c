"""Messages that are put together without the engine: a call into it costs more than all else that a message takes.

A plain value goes where it is printed. Whatever else a template prints depends on the values it looks up and on nothing
else, so the engine prints it once for each combination of them and it is kept. A person with a value that is not one
plain line goes the long way, which decides. Where to read next: `stretches` (how a template is cut), `body`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from clarion.rendering.context import LookedOver, look_over
from clarion.rendering.envelope import Urls
from clarion.rendering.stretches import Item, Kept, Slot, Stretches, Value, longest_line, room_in_lines
from clarion.rendering.templates import RenderFault

VALUES_LIMIT: Final = 4096
"""Characters of all values of a person that a message looks up; with more, bounds are worth being looked at."""
KEPT_LIMIT: Final = 512 * 1024
"""Octets kept for a run: one whose people differ more gains nothing."""
_HOPELESS: Final = 100
"""After so many people in a row who went the long way, nobody else is tried."""
_LARGEST: Final = 2**53
"""Whole numbers up to here look the same everywhere."""
_NOTHING: Final[dict[str, object]] = {}
_MARKUP = re.compile("[<>&\"'/]")
_ESCAPES: Final = str.maketrans(
    {"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "'": "&#x27;", "/": "&#x2f;"}
)  # as the engine writes them

Pick = Callable[[Sequence[bytes]], tuple[bytes, ...]]


class Direct:
    """Fills one run's message without the engine. Use from one thread at a time."""

    __slots__ = (
        "_attributes", "_body", "_columns", "_deep", "_fixed", "_kept", "_missed", "_room", "_stretches", "_subject",
        "_used", "_wanted",
    )  # fmt: skip

    def __init__(self, stretches: Stretches) -> None:
        subject, body = stretches.subject, stretches.body
        items = [*subject, *body]
        self._stretches = stretches
        self._room = room_in_lines(body)
        self._kept = [item for item in items if isinstance(item, Kept)]
        self._wanted = _in_order({item.value for item in items if isinstance(item, Slot)}, self._kept)
        self._columns = [value.names[1] for value in self._wanted if _is_column(value)]
        self._attributes = [value.names[2] for value in self._wanted if _is_attribute(value)]
        self._deep = [value.names for value in self._wanted[len(self._columns) + len(self._attributes) :]]
        for kept in self._kept:
            kept.at = [self._wanted.index(value) for value in kept.values]
        self._fixed = [item for item in items if isinstance(item, bytes)]
        self._subject, self._body = self._picks(subject, body)
        self._used = 0
        self._missed = 0

    def _picks(self, subject: Sequence[Item], body: Sequence[Item]) -> tuple[Pick, Pick]:
        """What takes the pieces in order out of all there are, as `fill` lays them out."""
        values, fixed = len(self._wanted), len(self._fixed)
        kept = {id(item): at for at, item in enumerate(self._kept, start=fixed + 2 * values)}
        links = fixed + 2 * values + len(self._kept)
        seen = 0

        def place(item: Item) -> int:
            nonlocal seen
            match item:
                case bytes():
                    seen += 1
                    return seen - 1
                case Slot(value, escaped):
                    return fixed + self._wanted.index(value) + (values if escaped else 0)
                case Kept():
                    return kept[id(item)]
                case _:
                    return links + (item == "view_url")

        return _pick([place(item) for item in subject]), _pick([place(item) for item in body])

    @property
    def is_hopeless(self) -> bool:
        """Whether trying is in vain: nobody of the last people had plain values that others have as well."""
        return self._missed >= _HOPELESS

    def fill(self, contact: Mapping[str, Any], urls: Urls, context: LookedOver) -> tuple[str, tuple[bytes, ...]] | None:
        """Subject and pieces of the body for one person, no line of it too long; None when it takes the long way."""
        self._missed += 1
        found = self._looked_up(contact, context)
        values = found
        try:
            joined = " ".join(values)
        except TypeError:
            if (completed := self._completed(found)) is None:
                return None
            values, joined = completed, " ".join(completed)
        if len(joined) > VALUES_LIMIT or not joined.isprintable() or joined.startswith(".") or " ." in joined:
            return None
        plain = escaped = [value.encode() for value in values]
        if _MARKUP.search(joined):
            escaped = [value.translate(_ESCAPES).encode() for value in values]
        links = urls.unsubscribe.encode(), urls.view.encode()
        if max(map(len, (*links, *escaped))) > self._room:
            return None
        kept = []
        for one in self._kept:
            text = one.texts.get(tuple([found[at] for at in one.at]))
            if text is None and (text := self._print(one, found, contact, context)) is None:
                return None
            kept.append(text)
        self._missed = 0
        pieces = (*self._fixed, *plain, *escaped, *kept, *links)
        return b"".join(self._subject(pieces)).decode(), self._body(pieces)

    def _looked_up(self, contact: Mapping[str, Any], context: LookedOver) -> list[Any]:
        found = [*map(contact.get, self._columns)]
        if self._attributes:
            attributes = contact.get("attributes")
            found += map((attributes if isinstance(attributes, dict) else _NOTHING).get, self._attributes)
        for root, *names in self._deep:
            value: Any = contact if root == "contact" else context.data
            for name in names:
                value = value.get(name) if isinstance(value, dict) else None
            found.append(value)
        return found

    def _completed(self, found: Sequence[Any]) -> list[str] | None:
        """The values as texts, what is missing by its default; None when one is neither text nor whole number."""
        texts: list[str] = []
        for value, wanted in zip(found, self._wanted, strict=True):
            if value is None:
                texts.append(wanted.default)
            elif type(value) is str:
                texts.append(value)
            elif type(value) is int and -_LARGEST <= value <= _LARGEST:
                texts.append(str(value))
            else:
                return None
        return texts

    def _print(self, kept: Kept, found: Sequence[Any], contact: Mapping[str, Any], context: LookedOver) -> bytes | None:
        """A text that is not kept yet, printed by the engine and kept; None when the long way has to decide."""
        if self._used > KEPT_LIMIT:
            return None
        try:
            person = look_over(contact)
            data = {"contact": person.data, "context": context.data}
            text = self._stretches.printed(kept, data, person.size + context.size)
        except (RenderFault, UnicodeError):
            return None
        if longest_line(text) > self._room:
            return None
        key = tuple([found[at] for at in kept.at])
        self._used += len(text) + sum(len(str(value)) for value in key)
        kept.texts[key] = text
        return text


def _in_order(printed: Iterable[Value], kept: Iterable[Kept]) -> list[Value]:
    """Each value once: columns of the contact first, then its attributes, then what lies deeper or elsewhere."""
    every = {*printed, *(value for one in kept for value in one.values)}
    return sorted(every, key=lambda value: (not _is_column(value), not _is_attribute(value), value))


def _is_column(value: Value) -> bool:
    return value.names[0] == "contact" and len(value.names) == 2


def _is_attribute(value: Value) -> bool:
    return value.names[:2] == ("contact", "attributes") and len(value.names) == 3


def _pick(places: list[int]) -> Pick:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda pieces: tuple([pieces[at] for at in places])
