"""Where Adobe's names for a person's data are kept here, and what a name means at one place of a template.

A profile follows the Experience Data Model (XDM): its well-known paths are columns of a contact, every other one is the
same path below its attributes. The `profile` of a call is laid out by the same table. Read `adobe` for who asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from clarion.rendering.expressions import Const, Expr, Item, Name, children
from clarion.rendering.faults import LanguageFault

COLUMNS: Final[dict[tuple[str, ...], str]] = {
    ("person", "name", "firstName"): "firstName",
    ("person", "name", "lastName"): "lastName",
    ("personalEmail", "address"): "email",
    ("mobilePhone", "number"): "phone",
    ("preferredLanguage",): "language",
    ("timeZone",): "timezone",
    ("personID",): "externalId",
}
"""From a profile's path to the contact's own name for it."""

_LINKS: Final = ("unsubscribe_url", "view_url")
_NOT_HERE: Final = frozenset({"audience", "segmentMembership", "offers", "xEvent", "inventory", "decisions"})
_LOOP: Final = {"@index": "index0", "@first": "first", "@last": "last"}

Segment = str | int


def kept(key: str) -> str:
    """How a key is kept: without leading underscores, which no template may look up (`_acme` is kept as `acme`)."""
    return key.lstrip("_")


def facts_of_profile(profile: Mapping[str, Any]) -> dict[str, Any]:
    """A profile as a call brings it, as templates see a contact: columns by name, the rest in `attributes`."""
    facts: dict[str, Any] = {}
    attributes = _without_columns(profile, (), facts)
    if attributes:
        facts["attributes"] = attributes
    return facts


def _without_columns(node: Mapping[str, Any], path: tuple[str, ...], facts: dict[str, Any]) -> dict[str, Any]:
    left: dict[str, Any] = {}
    for key, value in node.items():
        here = (*path, key)
        column = COLUMNS.get(here)
        if column is not None and isinstance(value, str | int | float):
            facts[column] = value if isinstance(value, str) else str(value)
        elif isinstance(value, Mapping) and len(here) < _DEEPEST:
            if inner := _without_columns(value, here, facts):
                left[key] = inner
        else:
            left[key] = value
    return left


_DEEPEST: Final = max(map(len, COLUMNS))


@dataclass(slots=True)
class Scope:
    """What names mean at one place: those the template made, and what `this` is there."""

    names: dict[str, Expr] = field(default_factory=dict)
    this: Expr | None = None
    is_loop: bool = False

    def inner(self, this: Expr | None = None, *, is_loop: bool = False) -> Scope:
        """The scope of a block inside this one. In a loop of its own, what the loop around it counts is not known."""
        names = {name: expr for name, expr in self.names.items() if not (is_loop and _counts(expr))}
        return Scope(names, this or self.this, self.is_loop or is_loop)

    def find(self, path: Sequence[Segment], line: int) -> Expr:
        """What a dotted name looks up. Raises `LanguageFault` for what nobody here can answer."""
        head, rest = path[0], path[1:]
        if head == "profile":
            return _profile(rest, line)
        if head == "context":
            return _context(rest, line)
        if head in self.names:
            return below(self.names[str(head)], rest, line)
        if isinstance(head, str) and head.startswith("@"):
            return self._loop(head, line)
        if head in _LINKS and not rest:
            return Name(str(head))
        if head in _NOT_HERE:
            raise LanguageFault("unsupported", f"'{head}' is not available; there are profile and context", line)
        if self.this is None:
            raise LanguageFault("name", f"nothing is named '{head}'; names begin with profile or context", line)
        return below(self.this, rest if head == "this" else path, line)

    def _loop(self, head: str, line: int) -> Expr:
        if head not in _LOOP or not self.is_loop:
            raise LanguageFault("unsupported", f"'{head}' is not available here", line)
        return Item(Name("loop"), Const(_LOOP[head]))


def _counts(expr: Expr) -> bool:
    return expr == Name("loop") or any(map(_counts, children(expr)))


def _profile(rest: Sequence[Segment], line: int) -> Expr:
    if not rest:
        raise LanguageFault("name", "'profile' needs the name of an attribute", line)
    column = COLUMNS.get(tuple(map(str, rest)))
    if column:
        return Item(Name("contact"), Const(column))
    return below(Item(Name("contact"), Const("attributes")), rest, line)


def _context(rest: Sequence[Segment], line: int) -> Expr:
    if rest and rest[0] == "system":
        raise LanguageFault("reserved", "'context.system' is reserved and cannot be used", line)
    return below(Name("context"), rest, line)


def below(target: Expr, path: Sequence[Segment], line: int) -> Expr:
    """The value at a path below another."""
    for segment in path:
        key = kept(segment) if isinstance(segment, str) else segment
        if key == "":
            raise LanguageFault("name", f"'{segment}' is not a name", line)
        target = Item(target, Const(key))
    return target
