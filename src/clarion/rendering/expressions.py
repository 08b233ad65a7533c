"""Expressions of the template language as a tree: what it may hold, and how it is written for the engine.

Whatever has no node here does not exist in the language. Where to read next: `reader`, which makes these trees from an
author's text, and `bounds`, which says how much one can produce.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

NUMERIC_FILTERS: Final = frozenset({"abs", "count", "float", "int", "length", "number", "round", "sum"})
_METHODS: Final = frozenset(name for kind in (dict, list) for name in dir(kind))
_ARITHMETIC: Final = frozenset({"+", "-", "*", "/", "//", "%"})


@dataclass(frozen=True, slots=True)
class Const:
    """A literal."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Name:
    """A name looked up among the data, the loop variables and the set ones."""

    name: str


@dataclass(frozen=True, slots=True)
class Item:
    """`target.key` or `target[key]`."""

    target: Expr
    key: Expr


@dataclass(frozen=True, slots=True)
class Slice:
    """`target[start:stop]`."""

    target: Expr
    start: Expr | None
    stop: Expr | None


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator over one or two operands."""

    sign: str
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """`target | name(arguments)`."""

    name: str
    target: Expr
    arguments: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Test:
    """`target is [not] name`."""

    name: str
    target: Expr
    arguments: tuple[Expr, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """`yes if condition else no`."""

    condition: Expr
    yes: Expr
    no: Expr


@dataclass(frozen=True, slots=True)
class Sequence:
    """`[a, b]`."""

    elements: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """`range(stop)` or `range(start, stop)` with literal bounds."""

    start: int
    stop: int


Expr = Const | Name | Item | Slice | Operation | Filter | Test | Choice | Sequence | Range


def is_numeric(expr: Expr) -> bool:
    """Whether an expression is a number whatever the data says, so that `*` cannot repeat a text."""
    match expr:
        case Const(value):
            return isinstance(value, int | float)
        case Filter(name, _, _):
            return name in NUMERIC_FILTERS
        case Operation(sign, operands):
            return sign in _ARITHMETIC and all(map(is_numeric, operands))
        case Item(Name("loop"), _):
            return True
        case _:
            return False


def written(expr: Expr) -> str:  # noqa: C901, PLR0911, PLR0912 - one case a kind of expression
    """The expression as source for the engine, fully parenthesised.

    A key that is also a method of a Python dict or list goes through our own look-up, since the engine would find the
    method where the key is missing.
    """
    match expr:
        case Const(value):
            return _literal(value)
        case Name(name):
            return name
        case Item(target, Const(str(key))) if key in _METHODS and target != Name("loop"):
            return f'({written(target)}|field("{key}"))'
        case Item(target, key):
            return f"{written(target)}[{written(key)}]"
        case Slice(target, start, stop):
            return f"{written(target)}[{written(start) if start else ''}:{written(stop) if stop else ''}]"
        case Operation("not", (inner,)):
            return f"(not {written(inner)})"
        case Operation("-", (inner,)):
            return f"(-{written(inner)})"
        case Operation(sign, (left, right)):
            return f"({written(left)} {sign} {written(right)})"
        case Filter(name, target, arguments):
            return f"({written(target)}|{name}{_listed(arguments)})"
        case Test(name, target, arguments, negated):
            return f"({written(target)} is {'not ' if negated else ''}{name}{_listed(arguments)})"
        case Choice(condition, yes, no):
            return f"({written(yes)} if {written(condition)} else {written(no)})"
        case Sequence(elements):
            return f"[{', '.join(map(written, elements))}]"
        case Range(start, stop):
            return f"range({start}, {stop})"
    msg = f"unknown expression {expr!r}"
    raise AssertionError(msg)


def _literal(value: str | float | None) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _listed(arguments: tuple[Expr, ...]) -> str:
    return f"({', '.join(map(written, arguments))})" if arguments else ""


def path(expr: Expr) -> tuple[str, ...] | None:
    """The dotted name an expression looks up, such as ("contact", "firstName"), or None when it is not just that."""
    match expr:
        case Name(name):
            return (name,)
        case Item(target, Const(str(key))):
            inner = path(target)
            return (*inner, key) if inner else None
        case _:
            return None


def children(expr: Expr) -> tuple[Expr, ...]:  # noqa: PLR0911 - one case a kind of expression
    """The expressions directly inside one."""
    match expr:
        case Item(target, key):
            return (target, key)
        case Slice(target, start, stop):
            return tuple(part for part in (target, start, stop) if part is not None)
        case Operation(_, operands):
            return operands
        case Filter(_, target, arguments) | Test(_, target, arguments, _):
            return (target, *arguments)
        case Choice(condition, yes, no):
            return (condition, yes, no)
        case Sequence(elements):
            return elements
        case _:
            return ()
