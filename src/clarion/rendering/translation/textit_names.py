"""What TextIt's names look up here: `contact`, `fields`, `globals` and `urns`, the roots of a broadcast.

A field is the contact's attribute of the same key. What a contact here does not have (its groups, its channel) prints
nothing, as an unknown property does over there, and the author is told. Read `textit_expressions` for who asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clarion.rendering.expressions import Choice, Const, Expr, Filter, Item, Name, Operation
from clarion.rendering.translation.textit_functions import BadCall

ROOTS: Final = frozenset({"contact", "fields", "globals", "urns"})
"""The names a text may begin with; every other word behind an @ is text."""


def looked_up(path: Sequence[str]) -> Expr:
    """The value of a dotted name, in lower case. Raises `BadCall` when nobody here has it."""
    match list(path):
        case ["contact"]:
            name = _name()
            return Choice(name, name, _address())
        case ["contact", column] if column in _COLUMNS:
            return _COLUMNS[column]
        case ["contact", "fields", key] | ["fields", key] if not key.startswith("_"):
            return Item(_column("attributes"), Const(key))
        case ["contact", "urns", scheme] | ["urns", scheme] if scheme in _URNS:
            return _URNS[scheme]
        case _:
            raise BadCall(f"nothing is named '{'.'.join(path)}'")


def without_scheme(urn: Expr) -> Expr | None:
    """The bare number or address of a URN that `looked_up` gave."""
    return _BARE.get(urn)


def _column(name: str) -> Expr:
    return Item(Name("contact"), Const(name))


def _name() -> Expr:
    both = Operation("~", (Operation("~", (_column("firstName"), Const(" "))), _column("lastName")))
    return Filter("trim", both)


def _urn(scheme: str, column: str) -> Expr:
    value = _column(column)
    return Choice(value, Operation("~", (Const(f"{scheme}:"), value)), Const(""))


def _address() -> Expr:
    return Choice(_column("phone"), _column("phone"), Filter("default", _column("email"), (Const(""),)))


_TEL: Final = _urn("tel", "phone")
_MAILTO: Final = _urn("mailto", "email")
_URN: Final = Choice(_column("phone"), _TEL, _MAILTO)
_URNS: Final[dict[str, Expr]] = {"tel": _TEL, "mailto": _MAILTO}
_BARE: Final[dict[Expr, Expr]] = {_TEL: _column("phone"), _MAILTO: _column("email"), _URN: _address()}
_COLUMNS: Final[dict[str, Expr]] = {
    "first_name": _column("firstName"),
    "language": _column("language"),
    "name": _name(),
    "timezone": _column("timezone"),
    "urn": _URN,
}
