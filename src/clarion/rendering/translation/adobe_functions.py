"""The functions of Adobe's expressions that this engine can compute, each as a tree of our own language.

Values from a call are text, and text that is missing is empty: so every function that works on text asks for it as
text first, and one that works on a list takes anything else for an empty one. Read `adobe_expressions` for who asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Final, NamedTuple

from clarion.rendering.expressions import Choice, Const, Expr, Filter, Item, Name, Operation, Slice, Test, is_numeric
from clarion.rendering.expressions import Sequence as ListOf
from clarion.rendering.faults import LanguageFault

_TRUTHS: Final = frozenset({"and", "or", "not", "==", "!=", "<", "<=", ">", ">=", "in"})
_REGEX_SIGNS: Final = re.compile(r"[\\^$.|?*+()\[\]{}]")


class _Function(NamedTuple):
    """How many arguments a function takes, and what it becomes."""

    least: int
    most: int
    build: Callable[[Sequence[Expr], int], Expr]


def is_value(expr: Expr) -> bool:
    """Whether an expression is data looked up by name, whose type is not known."""
    return isinstance(expr, Item | Name) and not (isinstance(expr, Item) and expr.target == Name("loop"))


def as_text(expr: Expr) -> Expr:
    """The value as text; missing is empty."""
    return expr if isinstance(expr, Const) and isinstance(expr.value, str) else Filter("string", expr)


def as_number(expr: Expr) -> Expr:
    """The value as a number; what is none is 0."""
    return expr if is_numeric(expr) else Filter("float", expr, (Const(0),))


def as_printed(expr: Expr) -> Expr:
    """The value as it is printed: what is true or false by its form is written in lower case."""
    is_truth = isinstance(expr, Test) or (isinstance(expr, Operation) and expr.sign in _TRUTHS)
    return Choice(expr, Const("true"), Const("false")) if is_truth else expr


def as_list(expr: Expr) -> Expr:
    """The value when it is a list, else an empty list."""
    return expr if isinstance(expr, ListOf) else Choice(Test("sequence", expr, (), negated=False), expr, ListOf(()))


def as_truth(expr: Expr) -> Expr:
    """Whether the value counts as true: looked-up data that is empty, missing or the text `false` does not."""
    if is_value(expr):
        return Operation("and", (expr, Operation("!=", (lowered(expr), Const("false")))))
    return expr


def lowered(expr: Expr) -> Expr:
    """The value as text in lower case."""
    return Filter("lower", as_text(expr))


def negated(expr: Expr) -> Expr:
    """The opposite."""
    return Operation("not", (expr,))


def same(left: Expr, right: Expr) -> Expr:
    """Whether two values are equal; looked-up data is compared with a literal as that literal is written."""
    for value, literal in ((left, right), (right, left)):
        if is_value(value) and isinstance(literal, Const):
            return _is_literal(value, literal)
    return Operation("==", (left, right))


def _is_literal(value: Expr, literal: Const) -> Expr:
    if literal.value is None:
        return Test("defined", value, (), negated=True)
    if isinstance(literal.value, bool):
        return Operation("==", (lowered(value), Const("true" if literal.value else "false")))
    if isinstance(literal.value, float):
        return Operation("==", (as_number(value), literal))
    return Operation("==", (as_text(value), Const(str(literal.value))))


def among(value: Expr, items: Expr) -> Expr:
    """Whether a value is in a list; literals are compared as text."""
    if isinstance(items, ListOf) and all(isinstance(item, Const) for item in items.elements):
        texts = tuple(Const(str(item.value)) for item in items.elements if isinstance(item, Const))
        return Operation("in", (as_text(value), ListOf(texts)))
    return Operation("in", (value, as_list(items)))


def called(name: str, arguments: Sequence[Expr], line: int) -> Expr:
    """The function of this name over its arguments. Raises `LanguageFault` when there is no such function here."""
    function = _FUNCTIONS.get(name)
    if function is None:
        raise LanguageFault("unsupported", f"the function '{name}' is not available", line)
    if not function.least <= len(arguments) <= function.most:
        raise LanguageFault("arguments", f"'{name}' takes {function.least} to {function.most} arguments", line)
    return function.build(arguments, line)


def _filtered(name: str) -> _Function:
    return _Function(1, 1, lambda given, _: Filter(name, as_text(given[0])))


def _comparing(build: Callable[[Expr, Expr], Expr]) -> _Function:
    """A comparison of two texts whose third argument, when false, makes it ignore case."""

    def built(given: Sequence[Expr], _: int) -> Expr:
        ignores = len(given) > 2 and given[2] == Const(value=False)
        shown = lowered if ignores else as_text
        return build(shown(given[0]), shown(given[1]))

    return _Function(2, 3, built)


def _replaced(given: Sequence[Expr], line: int) -> Expr:
    pattern = given[1]
    if not isinstance(pattern, Const) or not isinstance(pattern.value, str) or _REGEX_SIGNS.search(pattern.value):
        raise LanguageFault("unsupported", "regular expressions are not available in 'replaceAll'", line)
    return Filter("replace", as_text(given[0]), (pattern, as_text(given[2])))


def _part(given: Sequence[Expr], line: int) -> Expr:
    if any(not isinstance(bound, Const) or type(bound.value) is not int for bound in given[1:]):
        raise LanguageFault("unsupported", "'substr' needs whole numbers written out", line)
    return Slice(as_text(given[0]), given[1], given[2] if len(given) > 2 else None)


def _got(given: Sequence[Expr], line: int) -> Expr:
    key = given[1]
    if not isinstance(key, Const) or not isinstance(key.value, str) or not key.value.strip("_"):
        raise LanguageFault("unsupported", "'get' needs a key written out", line)
    return Item(given[0], Const(key.value.lstrip("_")))


def _joined(given: Sequence[Expr], _: int) -> Expr:
    return reduce(lambda left, right: Operation("~", (left, right)), given)


_starts = _comparing(lambda text, start: Test("startingwith", text, (start,), negated=False))
_ends = _comparing(lambda text, end: Test("endingwith", text, (end,), negated=False))
_contains = _comparing(lambda text, part: Operation("in", (part, text)))


def _not(function: _Function) -> _Function:
    return _Function(function.least, function.most, lambda given, line: negated(function.build(given, line)))


_equals = _Function(2, 2, lambda given, _: same(given[0], given[1]))
_upper, _lower = _filtered("upper"), _filtered("lower")
_in = _Function(2, 2, lambda given, _: among(given[0], given[1]))
_whole = _Function(1, 1, lambda given, _: Filter("int", as_number(given[0]), (Const(0),)))
_number = _Function(1, 1, lambda given, _: as_number(given[0]))
_empty = _Function(1, 1, lambda given, _: negated(given[0]))
_missing = _Function(1, 1, lambda given, _: Test("defined", given[0], (), negated=True))

_FUNCTIONS: Final[dict[str, _Function]] = {
    "absolute": _Function(1, 1, lambda given, _: Filter("abs", as_number(given[0]))),
    "concat": _Function(2, 30, _joined),
    "contains": _contains,
    "count": _Function(1, 1, lambda given, _: Filter("length", as_list(given[0]))),
    "distinct": _Function(1, 1, lambda given, _: Filter("unique", as_list(given[0]))),
    "doesNotContain": _not(_contains),
    "doesNotEndWith": _not(_ends),
    "doesNotStartWith": _not(_starts),
    "endsWith": _ends,
    "equals": _equals,
    "equalsIgnoreCase": _Function(2, 2, lambda given, _: Operation("==", (lowered(given[0]), lowered(given[1])))),
    "get": _Function(2, 2, _got),
    "head": _Function(1, 1, lambda given, _: Filter("first", as_list(given[0]))),
    "in": _in,
    "includes": _Function(2, 2, lambda given, _: among(given[1], given[0])),
    "isEmpty": _empty,
    "isNotEmpty": _not(_empty),
    "isNotNull": _not(_missing),
    "isNull": _missing,
    "length": _filtered("length"),
    "lower": _lower,
    "lowerCase": _lower,
    "notEqualTo": _not(_equals),
    "notIn": _not(_in),
    "replace": _Function(3, 3, _replaced),
    "replaceAll": _Function(3, 3, _replaced),
    "startsWith": _starts,
    "stringToInteger": _whole,
    "stringToNumber": _number,
    "string_to_integer": _whole,
    "substr": _Function(2, 3, _part),
    "titleCase": _filtered("title"),
    "toBool": _Function(1, 1, lambda given, _: Operation("==", (lowered(given[0]), Const("true")))),
    "toInt": _whole,
    "toString": _Function(1, 1, lambda given, _: as_text(given[0])),
    "trim": _filtered("trim"),
    "upper": _upper,
    "upperCase": _upper,
}
