"""Reads Adobe's expressions: the paths of `{{ … }}` (Handlebars) and what stands in `{% … %}` (Profile Query Language).

Makes trees of our own language; what has no counterpart there is refused with its name and line. Equality is a single
`=`, the operators are words, and `a ?: b` is `a` unless that is empty. Where to read next: `adobe` (the tags),
`adobe_functions`, `adobe_names`.
"""

from __future__ import annotations

import re
from typing import Final

from clarion.rendering.expressions import Choice, Const, Expr, Filter, Operation, is_numeric
from clarion.rendering.expressions import Sequence as ListOf
from clarion.rendering.faults import LanguageFault
from clarion.rendering.lexer import TOKEN_LIMIT, Token
from clarion.rendering.reader import DEPTH_LIMIT
from clarion.rendering.translation.adobe_functions import (
    among,
    as_number,
    as_truth,
    called,
    is_value,
    negated,
    same,
)
from clarion.rendering.translation.adobe_names import Scope, Segment, below

_TOKEN: Final = re.compile(
    r"""\s+|(?P<end>%\})|(?P<number>[0-9]{1,18}(?:\.[0-9]{1,18})?)|(?P<name>@?[^\W\d]\w{0,99})
    |(?P<quoted>`[^`]{1,100}`|(?<=\.)\[[^\]]{1,200}\])|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<sign>\?:|!=|<=|>=|\.\.|[-+*/%<>()\[\].,=?:#])""",
    re.VERBOSE | re.DOTALL,
)
_SEGMENT: Final = re.compile(r"\[([^\]]{1,200})\]|`([^`]{1,100})`|([^\s!\"#%&'()*+,./;<=>\[\\\]^`{|}~]{1,100})")
_WORDS: Final = frozenset({"and", "or", "not", "in", "true", "false", "null"})
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": "\t"}


def read_path(text: str, scope: Scope, line: int) -> Expr:
    """What a Handlebars path such as `profile.person.name.firstName` or `this.[my-key]` looks up."""
    text = text.strip()
    segments: list[Segment] = []
    at = 0
    while match := _SEGMENT.match(text, at):
        segments.append(_segment(match))
        at = match.end()
        if at == len(text):
            return scope.find(segments, line)
        if text[at] != ".":
            break
        at += 1
    if text.startswith("../"):
        raise LanguageFault("unsupported", "'../' is not available; name the outer value with 'as |name|'", line)
    raise LanguageFault("syntax", f"'{text[:80]}' is not the name of a value; functions stand in {{%= … %}}", line)


def _segment(match: re.Match[str]) -> Segment:
    bracketed, quoted, plain = match.groups()
    return _place(plain) if plain is not None else str(bracketed or quoted)


def _place(text: str) -> Segment:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _INDEX_DIGITS else text


_INDEX_DIGITS: Final = 5
"""A shorter number in a path is the place in a list, a longer one an id."""


def tokens(source: str, start: int, line: int) -> tuple[list[Token], int]:
    """The tokens from `start` to the closing `%}`, and where the tag ends."""
    found: list[Token] = []
    at = start
    while match := _TOKEN.match(source, at):
        here, at = line + source.count("\n", start, match.start()), match.end()
        if match.lastgroup == "end":
            return found, at
        if match.lastgroup:
            found.append(Token(match.lastgroup, match[0], here))
        if len(found) > TOKEN_LIMIT:
            raise LanguageFault("maxLength", f"an expression has at most {TOKEN_LIMIT} words and signs", here)
    here = line + source.count("\n", start, at)
    what = repr(source[at]) if at < len(source) else "end of the template"
    raise LanguageFault("syntax", f"unexpected {what} in a tag", here)


class PqlReader:
    """Reads one expression from tokens, by recursive descent."""

    def __init__(self, found: list[Token], scope: Scope, line: int) -> None:
        self._tokens = found
        self._scope = scope
        self._at = 0
        self._line = line
        self._depth = 0

    @property
    def line(self) -> int:
        """The line of the next token."""
        return self._tokens[self._at].line if self._at < len(self._tokens) else self._line

    def whole(self) -> Expr:
        """One expression, and nothing after it."""
        value = self._expression()
        if self._at < len(self._tokens):
            raise self._mistake(f"unexpected '{self._tokens[self._at].text}'")
        return value

    def _mistake(self, message: str, rule: str = "syntax") -> LanguageFault:
        return LanguageFault(rule, message, self.line)

    def _peek(self) -> str:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        return token.text if token and token.kind in {"name", "sign"} else ""

    def _take(self, *texts: str) -> str:
        found = self._peek()
        if found and found in texts:
            self._at += 1
            return found
        return ""

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._mistake(f"expected '{text}'")

    def _next(self) -> Token:
        if self._at >= len(self._tokens):
            raise self._mistake("the tag ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expression(self) -> Expr:
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise self._mistake(f"an expression nests at most {DEPTH_LIMIT} deep", "maxDepth")
        value = self._either()
        if self._take("?:"):
            value = Filter("default", value, (self._expression(), Const(value=True)))
        elif self._take("?"):
            yes = self._expression()
            self._expect(":")
            value = Choice(as_truth(value), yes, self._expression())
        self._depth -= 1
        return value

    def _either(self) -> Expr:
        left = self._both()
        while self._take("or"):
            left = Operation("or", (as_truth(left), as_truth(self._both())))
        return left

    def _both(self) -> Expr:
        left = self._negation()
        while self._take("and"):
            left = Operation("and", (as_truth(left), as_truth(self._negation())))
        return left

    def _negation(self) -> Expr:
        negations = 0
        while self._take("not"):
            negations += 1
        inner = self._comparison()
        if not negations:
            return inner
        return negated(as_truth(inner)) if negations % 2 else as_truth(inner)

    def _comparison(self) -> Expr:
        left = self._sum()
        if self._take("="):
            if self._peek() == "=":
                raise self._mistake("equality is written with one '='")
            return same(left, self._sum())
        if self._take("!="):
            return negated(same(left, self._sum()))
        if sign := self._take("<", "<=", ">", ">="):
            right = self._sum()
            if is_numeric(left) or is_numeric(right):
                left, right = (as_number(side) if is_value(side) else side for side in (left, right))
            return Operation(sign, (left, right))
        if self._take("in"):
            return among(left, self._sum())
        return left

    def _sum(self) -> Expr:
        left = self._product()
        while sign := self._take("+", "-"):
            left = Operation(sign, (as_number(left), as_number(self._product())))
        return left

    def _product(self) -> Expr:
        left = self._unary()
        while sign := self._take("*", "/", "%"):
            left = Operation(sign, (as_number(left), as_number(self._unary())))
        return left

    def _unary(self) -> Expr:
        if self._take("-"):
            inner = self._postfix()
            return Operation("-", (as_number(inner),))
        return self._postfix()

    def _postfix(self) -> Expr:
        value = self._primary()
        while self._peek() in {".", "["}:
            if self._take("["):
                value = self._subscript(value)
                continue
            self._expect(".")
            name = self._name()
            value = self._call(str(name), [value]) if self._take("(") else below(value, [name], self.line)
        return value

    def _name(self) -> Segment:
        token = self._next()
        if token.kind == "quoted":
            return token.text[1:-1]
        if token.kind not in {"name", "number"}:
            raise LanguageFault("syntax", f"'{token.text}' is not a name", token.line)
        return _place(token.text)

    def _subscript(self, target: Expr) -> Expr:
        token = self._next()
        self._expect("]")
        if token.kind == "number" and token.text.isdecimal():
            return below(target, [int(token.text)], token.line)
        if token.kind == "text":
            return below(target, [_unquoted(token)], token.line)
        raise LanguageFault("syntax", "an index is a whole number or a text", token.line)

    def _call(self, name: str, arguments: list[Expr]) -> Expr:
        line, is_first = self.line, True
        while not self._take(")"):
            if not is_first:
                self._expect(",")
            arguments.append(self._expression())
            is_first = False
        return called(name, arguments, line)

    def _primary(self) -> Expr:
        if self._take("("):
            value = self._expression()
            self._expect(")")
            return value
        if self._take("["):
            return self._list()
        token = self._next()
        if token.kind == "text":
            return Const(_unquoted(token))
        if token.kind == "number":
            return Const(float(token.text) if "." in token.text else int(token.text))
        if token.kind not in {"name", "quoted"} or token.text in _WORDS - {"true", "false", "null", "in"}:
            raise LanguageFault("syntax", f"unexpected '{token.text}'", token.line)
        return self._named(token)

    def _named(self, token: Token) -> Expr:
        if token.kind == "name" and self._take("("):
            return self._call(token.text, [])
        if token.text in {"true", "false", "null"}:
            return Const({"true": True, "false": False}.get(token.text))
        path: list[Segment] = [token.text.strip("`")]
        while self._peek() == "." and not self._is_call_ahead():
            self._expect(".")
            path.append(self._name())
        return self._scope.find(path, token.line)

    def _is_call_ahead(self) -> bool:
        after = self._at + 2
        return after < len(self._tokens) and self._tokens[after].text == "(" and self._tokens[after].kind == "sign"

    def _list(self) -> Expr:
        elements: list[Expr] = []
        while not self._take("]"):
            if elements:
                self._expect(",")
            elements.append(self._expression())
        return ListOf(tuple(elements))


def _unquoted(token: Token) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), token.text[1:-1])
