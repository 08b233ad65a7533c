"""How much a template can produce, worked out before it runs.

The engine's fuel counts instructions, not bytes: one instruction may copy or build a text of any size. So for a person
whose data is `size` octets of JSON, these bounds say how large any value on the way (`peak`) and the output as a whole
(`total`) can become at most. They are upper bounds, often far above the truth; `templates` says what follows from them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from clarion.rendering.expressions import (
    Choice,
    Const,
    Expr,
    Filter,
    Item,
    Name,
    Operation,
    Range,
    Sequence,
    Slice,
    path,
)  # fmt: skip
from clarion.rendering.nodes import Branch, End, Hole, Loop, Node, Set, Text, expressions_of

CEILING: Final = 1 << 62
"""Beyond this, more makes no difference; keeps the sums small."""
_NUMBER: Final = 64
_ESCAPED: Final = 6
_UPPER: Final = 3
_AVERAGE: Final = 4
_DATED: Final = 1000
"""A date's shape is at most 100 characters, each of which may become a name of nine or stay as it is."""


class Bounds(NamedTuple):
    """Octets at most: of the largest single value on the way, of the whole output, and of all values together."""

    peak: int
    total: int
    work: int


class _Meter:
    """Walks a template once for one size of data.

    Inside a loop a value of the loop's own variable counts with its average: all elements together are no larger than
    the data. That holds as long as no inner loop runs over a part of the same element.
    """

    def __init__(self, size: int, fuel: int) -> None:
        self.size, self.fuel = size, fuel
        self.peak = self.total = self.work = 0
        self.sizes: dict[str, int] = {}
        self.times = [1]
        self.outside: dict[str, int] = {}  # loop variable -> how often its whole loop runs
        self.averaged: list[frozenset[str]] = [frozenset()]

    def visit(self, node: Node) -> None:
        match node:
            case Text(text, _):
                self.print(len(text) if text.isascii() else len(text) * 4)
            case Hole(expr, _):
                self.of(expr)
                self.print(self.average(expr) * _ESCAPED)
            case Set(name, value, _):
                self.sizes[name] = max(self.sizes.get(name, 0), self.of(value))
                self.average(value)
            case Loop():
                self.enter(node)
            case End("for", _):
                self.times.pop()
                self.averaged.pop()
            case Branch(_, condition, _) if condition:
                self.of(condition)
                self.average(condition)
            case _:
                pass

    def enter(self, loop: Loop) -> None:
        for expr in expressions_of(loop):
            self.of(expr)
        self.average(loop.items)
        names, before = path(loop.items), self.times[-1]
        own, averaged = frozenset(loop.names), self.averaged[-1]
        if names and names[0] in self.outside:
            before, averaged = self.outside[names[0]], frozenset()
        for name in own:
            self.outside[name] = before
        self.times.append(min(before * self.turns(loop.items), self.fuel))
        self.averaged.append(averaged | own)
        if loop.condition:
            self.average(loop.condition)

    def turns(self, items: Expr) -> int:
        if isinstance(items, Range):
            return max(0, items.stop - items.start)
        names = path(items)
        if names and names[0] not in self.sizes:
            return self.size // 2 + 2
        return self.of(items) + 1

    def print(self, size: int) -> None:
        self.total = min(self.total + size * self.times[-1], CEILING)

    def of(self, expr: Expr) -> int:
        size = min(self._size(expr, average=False), CEILING)
        self.peak = max(self.peak, size)
        return size

    def average(self, expr: Expr) -> int:
        size = min(self._size(expr, average=True), CEILING)
        self.work = min(self.work + size * self.times[-1], CEILING)
        return size

    def _size(self, expr: Expr, *, average: bool) -> int:  # noqa: C901, PLR0911 - one case a kind of expression
        def inner(part: Expr) -> int:
            return self.average(part) if average else self.of(part)

        match expr:
            case Const(str(value)):
                return len(value) * 4
            case Name("loop"):
                return _NUMBER
            case Name(name):
                if average and name in self.averaged[-1]:
                    return _AVERAGE
                # Printed as Python would print it, escapes and all.
                return self.sizes.get(name, self.size * 2 + _NUMBER)
            case Item(target, _) | Slice(target, _, _):
                return inner(target)
            case Choice(_, yes, no):
                return max(inner(yes), inner(no))
            case Operation(_, operands):
                return sum(map(inner, operands)) + _NUMBER
            case Sequence(elements):
                return sum(inner(element) + 4 for element in elements) + _NUMBER
            case Range(start, stop):
                return max(0, stop - start) * 8 + _NUMBER
            case Filter(name, target, arguments) if name in {"join", "replace"}:
                return (self.of(target) + 1) * (sum(map(self.of, arguments)) + 1)
            case Filter(name, target, arguments):
                return _filtered(name, inner(target), [inner(argument) for argument in arguments])
            case _:
                return _NUMBER


def _filtered(name: str, target: int, arguments: list[int]) -> int:
    if name in {"upper", "lower", "title", "capitalize", "urlencode"}:
        return target * _UPPER
    if name in {"e", "escape", "link", "plainlink"}:
        return target * _ESCAPED
    if name == "date":
        return _DATED
    if name in {"d", "default"}:
        return max(target, *arguments, 0)
    return target + sum(arguments) + (0 if name == "safe" else _NUMBER)


def bounds_of(nodes: list[Node], size: int, fuel: int) -> Bounds:
    """The bounds of a template for data of `size` octets, run with so much fuel."""
    meter = _Meter(size, fuel)
    for node in nodes:
        meter.visit(node)
    return Bounds(meter.peak, meter.total, meter.work)
