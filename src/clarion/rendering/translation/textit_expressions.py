"""Reads TextIt's expressions: a dotted name, or what stands between the parentheses of `@( … )`.

As in a spreadsheet: `&` joins texts, `=` compares, arithmetic binds tighter than `&`, which binds tighter than a
comparison; a quotation mark in a text is doubled or escaped. Read `textit` for where they stand.
"""

from __future__ import annotations

import re
from typing import Final

from clarion.rendering.expressions import Const, Expr, Operation
from clarion.rendering.lexer import TOKEN_LIMIT
from clarion.rendering.reader import DEPTH_LIMIT
from clarion.rendering.translation.textit_functions import (
    BadCall,
    as_number,
    as_text,
    called,
    compared,
    computed,
    joined,
)
from clarion.rendering.translation.textit_names import looked_up, without_scheme

_TOKEN: Final = re.compile(
    r"""\s+|(?P<number>[0-9]{1,15}(?:\.[0-9]{1,9})?)|(?P<name>[A-Za-z_][A-Za-z0-9_]{0,99})
    |(?P<text>"(?:[^"\\]|\\.|"")*")|(?P<sign><=|>=|!=|[-+*/^&=<>()\[\].,])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r'\\(.)|""', re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}
_CONSTANTS: Final[dict[str, Expr]] = {"true": Const(value=True), "false": Const(value=False), "null": Const(None)}
_COMPARISONS: Final = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def read_expression(source: str, line: int) -> Expr:
    """The tree of one expression.

    Raises:
        BadCall: it is broken, or names what nobody has.
        LanguageFault: it uses a function that is not available.
    """
    reader = _Reader(_tokens(source), line)
    value = reader.comparison()
    reader.finish()
    return value


def _tokens(source: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise BadCall(f"unexpected {source[at]!r}")
        if match.lastgroup:
            found.append((match.lastgroup, match[0]))
        if len(found) > TOKEN_LIMIT:
            raise BadCall(f"an expression has at most {TOKEN_LIMIT} words and signs")
        at = match.end()
    return found


def _unquoted(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]) if match[1] else '"', text[1:-1])


class _Reader:
    """Reads one expression, by recursive descent."""

    def __init__(self, found: list[tuple[str, str]], line: int) -> None:
        self._tokens = found
        self._at = 0
        self._depth = 0
        self._line = line

    def _peek(self) -> str:
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        return text if kind == "sign" else ""

    def _take(self, *signs: str) -> str:
        found = self._peek()
        if found and found in signs:
            self._at += 1
            return found
        return ""

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise BadCall("the expression ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise BadCall(f"expected '{sign}'")

    def finish(self) -> None:
        """Checks that nothing is left."""
        if self._at < len(self._tokens):
            raise BadCall(f"unexpected '{self._tokens[self._at][1][:40]}'")

    def comparison(self) -> Expr:
        """A whole expression."""
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise BadCall(f"an expression nests at most {DEPTH_LIMIT} deep")
        left = self._joined()
        while sign := self._take(*_COMPARISONS):
            left = compared(_COMPARISONS[sign], left, self._joined())
        self._depth -= 1
        return left

    def _joined(self) -> Expr:
        left = self._sum()
        while self._take("&"):
            left = joined(left, self._sum())
        return left

    def _sum(self) -> Expr:
        left = self._product()
        while sign := self._take("+", "-"):
            left = computed(sign, left, self._product())
        return left

    def _product(self) -> Expr:
        left = self._unary()
        while sign := self._take("*", "/", "^"):
            if sign == "^":
                raise BadCall("'^' is not available")
            left = computed(sign, left, self._unary())
        return left

    def _unary(self) -> Expr:
        negations = 0
        while self._take("-"):
            negations += 1
        value = self._primary()
        return Operation("-", (as_number(value),)) if negations % 2 else value

    def _primary(self) -> Expr:
        if self._take("("):
            value = self.comparison()
            self._expect(")")
            return value
        kind, text = self._next()
        if kind == "text":
            return Const(_unquoted(text))
        if kind == "number":
            return _number(text)
        if kind != "name":
            raise BadCall(f"unexpected '{text}'")
        name = text.lower()
        if self._take("("):
            return self._call(name)
        return _CONSTANTS[name] if name in _CONSTANTS else looked_up([name, *self._keys()])

    def _call(self, name: str) -> Expr:
        arguments: list[Expr] = []
        while not self._take(")"):
            if arguments:
                self._expect(",")
            arguments.append(self.comparison())
        if name == "format_urn" and len(arguments) == 1:
            return without_scheme(arguments[0]) or as_text(arguments[0])
        return called(name, arguments, self._line)

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while True:
            if self._take("."):
                keys.append(self._next()[1].lower())
            elif self._take("["):
                kind, text = self._next()
                if kind != "text":
                    raise BadCall("an index is a text, written out")
                keys.append(_unquoted(text).lower())
                self._expect("]")
            else:
                return keys


def _number(text: str) -> Const:
    value = float(text) if "." in text else int(text)
    if "e" in repr(value):
        raise BadCall(f"{text} is too small a number")
    return Const(value)
