"""The functions of TextIt's expressions that this engine can compute, each as a tree of our own language.

Values are what attributes hold: text most often, missing ones empty. So a function of text asks for text and one of
numbers for a number, and a number prints without a fraction it does not have. Read `textit_expressions` for who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Final, NamedTuple

from clarion.rendering.expressions import NUMERIC_FILTERS, Choice, Const, Expr, Filter, Operation, Slice
from clarion.rendering.expressions import Sequence as ListOf
from clarion.rendering.faults import LanguageFault

_TEXT_FILTERS: Final = frozenset({"upper", "lower", "title", "trim", "string", "urlencode", "replace", "date"})
_TRUTHS: Final = frozenset({"and", "or", "not", "==", "!=", "<", "<=", ">", ">="})


class BadCall(Exception):
    """What TextIt itself could not evaluate: it prints nothing there. The text says what."""


class _Function(NamedTuple):
    """How many arguments a function takes, and what it becomes."""

    least: int
    most: int
    build: Callable[[Sequence[Expr]], Expr]


def called(name: str, arguments: Sequence[Expr], line: int) -> Expr:
    """The function of this name over its arguments.

    Raises:
        LanguageFault: there is no such function here.
        BadCall: it takes another number of arguments.
    """
    function = _FUNCTIONS.get(name)
    if function is None:
        raise LanguageFault("unsupported", f"the function '{name}' is not available", line)
    if not function.least <= len(arguments) <= function.most:
        raise BadCall(f"'{name}' takes {function.least} to {function.most} arguments")
    return function.build(arguments)


def as_text(expr: Expr) -> Expr:
    """The value as text; missing is empty."""
    match expr:
        case Const(str()) | Operation("~") | Slice():
            return expr
        case Const(None):
            return Const("")
        case Filter(name) if name in _TEXT_FILTERS:
            return expr
        case _ if _is_truth(expr):
            return Choice(expr, Const("true"), Const("false"))
        case _:
            return Filter("string", expr)


def printed(expr: Expr) -> Expr:
    """The value as it is shown where it stands alone."""
    return as_text(expr) if _is_truth(expr) else expr


def as_number(expr: Expr) -> Expr:
    """The value as a number; what is none is 0."""
    match expr:
        case Const(bool()) | Const(str()) | Const(None):
            return Filter("number", expr)
        case Const() | Filter("number"):
            return expr
        case _:
            return Filter("number", expr)


def as_truth(expr: Expr) -> Expr:
    """Whether the value counts as true: what is empty, 0 or the text `false` does not."""
    match expr:
        case Const():
            return Const(bool(expr.value) and str(expr.value).lower() != "false")
        case Operation(sign) if sign in _TRUTHS:
            return expr
        case _ if is_number(expr):
            return Operation("!=", (expr, Const(0)))
        case _:
            return Operation("and", (expr, Operation("!=", (Filter("lower", as_text(expr)), Const("false")))))


def is_number(expr: Expr) -> bool:
    """Whether an expression is a number whatever the data says."""
    match expr:
        case Const(value):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case Filter(name):
            return name in NUMERIC_FILTERS
        case _:
            return False


def _is_truth(expr: Expr) -> bool:
    return (isinstance(expr, Operation) and expr.sign in _TRUTHS) or (
        isinstance(expr, Const) and isinstance(expr.value, bool)
    )


def computed(sign: str, left: Expr, right: Expr) -> Expr:
    """Arithmetic over two numbers. Dividing by nothing gives nothing."""
    result = Filter("number", Operation(sign, (as_number(left), as_number(right))))
    if sign not in {"/", "%"} or (isinstance(right, Const) and right.value):
        return result
    return Choice(Operation("!=", (as_number(right), Const(0))), result, Const(""))


def compared(sign: str, left: Expr, right: Expr) -> Expr:
    """A comparison: of numbers when it asks for an order or a side is a number by form, else of texts."""
    if sign in {"==", "!="} and not (is_number(left) or is_number(right)):
        return Operation(sign, (as_text(left), as_text(right)))
    return Operation(sign, (as_number(left), as_number(right)))


def joined(left: Expr, right: Expr) -> Expr:
    """One text after the other."""
    return Operation("~", (as_text(left), as_text(right)))


def _filtered(name: str) -> _Function:
    return _Function(1, 1, lambda given: Filter(name, as_text(given[0])))


def _numbers(given: Sequence[Expr]) -> Expr:
    return ListOf(tuple(map(as_number, given)))


def _rounded(given: Sequence[Expr]) -> Expr:
    places = given[1] if len(given) > 1 else Const(0)
    if not isinstance(places, Const) or type(places.value) is not int or not 0 <= places.value <= _PLACES:
        raise BadCall(f"'round' takes 0 to {_PLACES} places, written out")
    return Filter("number", Filter("round", as_number(given[0]), (places,)))


_PLACES: Final = 9


def _part(given: Sequence[Expr]) -> Expr:
    bounds = [bound.value if isinstance(bound, Const) else None for bound in given[1:]]
    if any(type(bound) is not int for bound in bounds):
        raise BadCall("'text_slice' takes whole numbers, written out")
    return Slice(as_text(given[0]), Const(bounds[0]), Const(bounds[1]) if len(bounds) > 1 else None)


def _replaced(given: Sequence[Expr]) -> Expr:
    return Filter("replace", as_text(given[0]), (as_text(given[1]), as_text(given[2])))


def _percent(given: Sequence[Expr]) -> Expr:
    return Operation("~", (_rounded([computed("*", given[0], Const(100))]), Const("%")))


def _mean(given: Sequence[Expr]) -> Expr:
    return computed("/", Filter("sum", _numbers(given)), Const(len(given)))


def _dated(default: str) -> _Function:
    def built(given: Sequence[Expr]) -> Expr:
        shape = given[1] if len(given) > 1 else Const(default)
        if not isinstance(shape, Const) or not isinstance(shape.value, str):
            raise BadCall("the format of a date is a text, written out")
        return Filter("date", as_text(given[0]), (Const(_date_shape(shape.value)),))

    return _Function(1, 2, built)


def _date_shape(shape: str) -> str:
    """TextIt writes the hour of 24 as `tt`; we write `HH`."""
    return shape.replace("tt", "HH").replace("t", "H")


def _all(sign: str) -> _Function:
    return _Function(1, 20, lambda given: reduce(lambda a, b: Operation(sign, (a, b)), map(as_truth, given)))


_length = _Function(1, 1, lambda given: Filter("length", as_text(given[0])))

_FUNCTIONS: Final[dict[str, _Function]] = {
    "abs": _Function(1, 1, lambda given: Filter("number", Filter("abs", as_number(given[0])))),
    "and": _all("and"),
    "boolean": _Function(1, 1, lambda given: as_truth(given[0])),
    "default": _Function(2, 2, lambda given: Filter("default", given[0], (given[1], Const(value=True)))),
    "format_date": _dated("DD-MM-YYYY"),
    "format_datetime": _dated("DD-MM-YYYY HH:mm"),
    "if": _Function(3, 3, lambda given: Choice(as_truth(given[0]), given[1], given[2])),
    "length": _length,
    "lower": _filtered("lower"),
    "max": _Function(1, 20, lambda given: Filter("number", Filter("max", _numbers(given)))),
    "mean": _Function(1, 20, _mean),
    "min": _Function(1, 20, lambda given: Filter("number", Filter("min", _numbers(given)))),
    "mod": _Function(2, 2, lambda given: computed("%", given[0], given[1])),
    "number": _Function(1, 1, lambda given: as_number(given[0])),
    "or": _all("or"),
    "percent": _Function(1, 1, _percent),
    "replace": _Function(3, 3, _replaced),
    "round": _Function(1, 2, _rounded),
    "text": _Function(1, 1, lambda given: as_text(given[0])),
    "text_length": _length,
    "text_slice": _Function(2, 3, _part),
    "title": _filtered("title"),
    "trim": _filtered("trim"),
    "upper": _filtered("upper"),
    "url_encode": _filtered("urlencode"),
}
"""Every function that can be used; what TextIt has beyond them is refused by name."""
