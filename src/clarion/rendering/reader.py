"""Reads the expressions of a template: from tokens to trees, with Jinja's precedence.

The language is a small part of Jinja's: names, literals, comparisons, arithmetic, fixed filters and tests. No calls but
`range`, no methods, no repetition of text. What is not listed here is refused when a message is saved, so that the
engine never sees it. Where to read next: `lexer` (the tokens), `expressions` (the trees), `language` (tags).
"""

from __future__ import annotations

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
    is_numeric,
)
from clarion.rendering.faults import LanguageFault
from clarion.rendering.lexer import Token, unquoted

DEPTH_LIMIT: Final = 20
RANGE_LIMIT: Final = 1000

FILTERS: Final[dict[str, tuple[int, int]]] = {
    "abs": (0, 0), "capitalize": (0, 0), "count": (0, 0), "d": (0, 2), "date": (0, 1), "default": (0, 2),
    "dictsort": (0, 0), "e": (0, 0), "escape": (0, 0), "first": (0, 0), "float": (0, 1), "int": (0, 1),
    "items": (0, 0), "join": (0, 1), "last": (0, 0), "length": (0, 0), "list": (0, 0), "lower": (0, 0), "max": (0, 0),
    "min": (0, 0), "number": (0, 1), "replace": (2, 2), "required": (0, 1), "reverse": (0, 0),
    "round": (0, 1), "safe": (0, 0), "sort": (0, 0), "string": (0, 0), "sum": (0, 0),
    "title": (0, 0), "trim": (0, 0), "truncate": (1, 2),
    "unique": (0, 0), "upper": (0, 0), "urlencode": (0, 0),
}  # fmt: skip
"""Every filter, with the least and greatest number of its arguments."""
TESTS: Final[dict[str, int]] = {
    "boolean": 0, "defined": 0, "divisibleby": 1, "endingwith": 1, "even": 0, "false": 0, "float": 0, "integer": 0,
    "iterable": 0, "mapping": 0, "none": 0, "number": 0, "odd": 0, "sequence": 0, "startingwith": 1, "string": 0,
    "true": 0, "undefined": 0,
}  # fmt: skip
"""Every test behind `is`, with the number of its arguments."""
_KEYWORDS: Final = frozenset({"and", "or", "not", "in", "is", "if", "else", "elif", "for"})
_CONSTANTS: Final = {"true": True, "True": True, "false": False, "False": False, "none": None, "None": None}


class ExpressionReader:
    """Reads expressions from tokens, one after the other, by recursive descent with Jinja's precedence."""

    def __init__(self, found: list[Token], line: int) -> None:
        self._tokens = found
        self._at = 0
        self._line = line
        self._depth = 0

    @property
    def line(self) -> int:
        """The line of the next token."""
        return self._tokens[self._at].line if self._at < len(self._tokens) else self._line

    def fault(self, message: str, rule: str = "syntax") -> LanguageFault:
        """A fault at the next token."""
        return LanguageFault(rule, message, self.line)

    def peek(self) -> str:
        """The next token's text when it is a name or sign, else the empty string."""
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        return token.text if token and token.kind in {"name", "sign"} else ""

    def take(self, *texts: str) -> bool:
        """Takes the next token if it is one of these words or signs."""
        if self.peek() in texts and self.peek():
            self._at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        """Takes the next token, which must be this one."""
        if not self.take(text):
            raise self.fault(f"expected '{text}'")

    def next(self) -> Token:
        """Takes the next token, whatever it is."""
        if self._at >= len(self._tokens):
            raise self.fault("the tag ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def finish(self) -> None:
        """Checks that nothing is left."""
        if self._at < len(self._tokens):
            raise self.fault(f"unexpected '{self._tokens[self._at].text}'")

    def identifier(self) -> str:
        """Takes a name that is no keyword and does not start with an underscore."""
        token = self.next()
        if token.kind != "name" or token.text in _KEYWORDS or token.text in _CONSTANTS:
            raise LanguageFault("syntax", f"'{token.text}' is not a name", token.line)
        if token.text.startswith("_"):
            raise LanguageFault("name", f"names do not start with an underscore ('{token.text}')", token.line)
        return token.text

    def expression(self, *, choice: bool = True) -> Expr:
        """A whole expression; without `choice` it stops before an `if`, as the list of a `for` does."""
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise self.fault(f"an expression nests at most {DEPTH_LIMIT} deep", "maxDepth")
        value = self._either()
        if choice and self.take("if"):
            condition = self._either()
            no = self.expression() if self.take("else") else Const("")
            value = Choice(condition, value, no)
        self._depth -= 1
        return value

    def _either(self) -> Expr:
        left = self._both()
        while self.take("or"):
            left = Operation("or", (left, self._both()))
        return left

    def _both(self) -> Expr:
        left = self._negation()
        while self.take("and"):
            left = Operation("and", (left, self._negation()))
        return left

    def _negation(self) -> Expr:
        negations = 0
        while self.take("not"):
            negations += 1
        inner = self._comparison()
        return Operation("not", (inner,)) if negations % 2 else inner

    def _comparison(self) -> Expr:
        left = self._sum()
        sign = self.peek()
        if sign in {"==", "!=", "<", "<=", ">", ">=", "in"}:
            self._at += 1
            return Operation(sign, (left, self._sum()))
        if sign == "not":
            self._at += 1
            self.expect("in")
            return Operation("not in", (left, self._sum()))
        return left

    def _sum(self) -> Expr:
        left = self._concatenation()
        while (sign := self.peek()) in {"+", "-"}:
            self._at += 1
            left = Operation(sign, (left, self._concatenation()))
        return left

    def _concatenation(self) -> Expr:
        left = self._product()
        while self.take("~"):
            left = Operation("~", (left, self._product()))
        return left

    def _product(self) -> Expr:
        left = self._unary()
        while (sign := self.peek()) in {"*", "/", "//", "%", "**"}:
            line = self.line
            self._at += 1
            right = self._unary()
            if sign == "**" or (sign == "*" and not (is_numeric(left) and is_numeric(right))):
                raise LanguageFault(
                    "operator", f"'{sign}' needs numbers by form, as in (a | float) * (b | float)", line
                )
            left = Operation(sign, (left, right))
        return left

    def _unary(self) -> Expr:
        if self.take("-"):
            return Operation("-", (self._postfix(),))
        return self._postfix()

    def _postfix(self) -> Expr:
        value = self._primary()
        while True:
            if self.take("."):
                value = Item(value, Const(self._key()))
            elif self.take("["):
                value = self._subscript(value)
            elif self.take("|"):
                value = self._filter(value)
            elif self.take("is"):
                value = self._test(value)
            elif self.peek() == "(":
                raise self.fault("calls are not part of the language", "call")
            else:
                return value

    def _key(self) -> str:
        token = self.next()
        if token.kind != "name" or token.text.startswith("_"):
            raise LanguageFault("name", f"'{token.text}' cannot follow a dot", token.line)
        return token.text

    def _subscript(self, target: Expr) -> Expr:
        start = None if self.peek() == ":" else self.expression()
        if self.take(":"):
            stop = None if self.peek() == "]" else self.expression()
            self.expect("]")
            return Slice(target, start, stop)
        self.expect("]")
        if not isinstance(start, Const) or not isinstance(start.value, str | int) or str(start.value).startswith("_"):
            raise self.fault("an index is a literal text or number, and no text that starts with an underscore", "name")
        return Item(target, start)

    def _filter(self, target: Expr) -> Expr:
        line, name = self.line, self.identifier()
        if name not in FILTERS:
            raise LanguageFault("filter", f"there is no filter '{name}'; there are {', '.join(FILTERS)}", line)
        arguments = self._arguments() if self.take("(") else ()
        least, most = FILTERS[name]
        if not least <= len(arguments) <= most:
            raise LanguageFault("filter", f"'{name}' takes {least} to {most} arguments", line)
        return Filter(name, target, arguments)

    def _test(self, target: Expr) -> Expr:
        negated = self.take("not")
        line, token = self.line, self.next()
        name = token.text.lower() if token.text in _CONSTANTS else token.text
        if name not in TESTS:
            raise LanguageFault("test", f"there is no test '{name}'; there are {', '.join(TESTS)}", line)
        arguments = self._arguments() if self.take("(") else ()
        if len(arguments) != TESTS[name]:
            raise LanguageFault("test", f"'{name}' takes {TESTS[name]} arguments in parentheses", line)
        return Test(name, target, arguments, negated)

    def _arguments(self) -> tuple[Expr, ...]:
        found: list[Expr] = []
        while not self.take(")"):
            if found:
                self.expect(",")
            found.append(self.expression())
        return tuple(found)

    def _primary(self) -> Expr:  # noqa: PLR0911 - one return a kind of operand
        if self.take("("):
            value = self.expression()
            self.expect(")")
            return value
        if self.take("["):
            return self._sequence()
        token = self.next()
        if token.kind == "text":
            return Const(unquoted(token))
        if token.kind == "number":
            return Const(float(token.text) if "." in token.text else int(token.text))
        if token.text in _CONSTANTS:
            return Const(_CONSTANTS[token.text])
        self._at -= 1
        name = self.identifier()
        if self.take("("):
            return self._range(name)
        return Name(name)

    def _sequence(self) -> Expr:
        elements: list[Expr] = []
        while not self.take("]"):
            if elements:
                self.expect(",")
            elements.append(self.expression())
        return Sequence(tuple(elements))

    def _range(self, name: str) -> Expr:
        if name != "range":
            raise self.fault(f"calls are not part of the language ('{name}')", "call")
        bounds = [argument.value if isinstance(argument, Const) else None for argument in self._arguments()]
        if len(bounds) not in {1, 2} or any(type(bound) is not int or bound > RANGE_LIMIT for bound in bounds):
            raise self.fault(f"range takes one or two literal numbers up to {RANGE_LIMIT}", "range")
        whole = [int(bound or 0) for bound in bounds]
        return Range(whole[0] if len(whole) > 1 else 0, whole[-1])
