"""Writes trees and literal text as source of our own template language, so that reading it gives just these again.

Read `rendering.reader` for that language, and `adobe` for who writes.
"""

from __future__ import annotations

import re
from typing import Final

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
    Test,
)

_PLAIN_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}", re.ASCII)
_BRACE: Final = re.compile(r"\{(?=[{%#]|\Z)")
_CHAINS: Final = frozenset({"~", "and", "or", "+"})
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"})


def literal(text: str) -> str:
    """Text that is printed as it stands, whatever braces it holds."""
    return _BRACE.sub("{% raw %}{{% endraw %}", text)


def source_of(expr: Expr) -> str:  # noqa: C901, PLR0911 - one case a kind of expression
    """The expression as an author of our language would write it, in parentheses where it has parts."""
    match expr:
        case Const(value):
            return _constant(value)
        case Name(name):
            return name
        case Item(target, Const(str(key))) if _PLAIN_KEY.fullmatch(key):
            return f"{source_of(target)}.{key}"
        case Item(target, key):
            return f"{source_of(target)}[{source_of(key)}]"
        case Slice(target, start, stop):
            return f"{source_of(target)}[{source_of(start) if start else ''}:{source_of(stop) if stop else ''}]"
        case Operation(sign, (inner,)):
            return f"({sign} {source_of(inner)})"
        case Operation(sign, (left, right)):
            return f"({_chained(sign, left)} {sign} {source_of(right)})"
        case Filter(name, target, arguments):
            return f"({source_of(target)} | {name}{_listed(arguments)})"
        case Test(name, target, arguments, negated):
            return f"({source_of(target)} is {'not ' if negated else ''}{name}{_listed(arguments)})"
        case Choice(condition, yes, no):
            return f"({source_of(yes)} if {source_of(condition)} else {source_of(no)})"
        case Sequence(elements):
            return f"[{', '.join(map(source_of, elements))}]"
        case Range(start, stop):
            return f"range({start}, {stop})"
    msg = f"unknown expression {expr!r}"
    raise AssertionError(msg)


def _chained(sign: str, left: Expr) -> str:
    """The left side, without parentheses where the same operator goes on, so that long chains do not nest."""
    written = source_of(left)
    goes_on = isinstance(left, Operation) and left.sign == sign and sign in _CHAINS and len(left.operands) > 1
    return written[1:-1] if goes_on else written


def _constant(value: str | float | None) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value.translate(_ESCAPES)}"' if isinstance(value, str) else repr(value)


def _listed(arguments: tuple[Expr, ...]) -> str:
    return f"({', '.join(map(source_of, arguments))})" if arguments else ""
