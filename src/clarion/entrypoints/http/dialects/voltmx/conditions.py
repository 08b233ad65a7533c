"""How the numbered conditions of a segment go together, as an expression such as `1 OR 2 AND (NOT 5)`.

`NOT` binds closest, then `AND`, then `OR`; parentheses as usual, words in either case. Conditions and what comes out
are rules as JSON, which `application.segments.parse_rule` holds to its limits. Where to read next: `criteria`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

Rule = dict[str, Any]

EXPRESSION_LIMIT: Final = 2000
"""Characters of an expression."""
DEPTH_LIMIT: Final = 20
"""Levels of parentheses and of `NOT`."""
_TOKEN = re.compile(r"\s*(?:(\d{1,9})(?![A-Za-z0-9_])|([A-Za-z]+)(?![A-Za-z0-9_])|([()]))", re.ASCII)
_WORDS: Final = frozenset({"AND", "OR", "NOT"})


class Unreadable(ValueError):
    """What is wrong with an expression, as the end of a sentence."""


def combine(expression: str, conditions: Mapping[int, Rule]) -> Rule:
    """The rule that an expression makes of the conditions it names.

    Raises:
        Unreadable: it is too long or deep, not of the language, or names a condition that is not here.
    """
    reader = _Reader(_tokens(expression), conditions)
    rule = reader.either(1)
    reader.finish()
    return rule


def _tokens(expression: str) -> list[str]:
    if len(expression) > EXPRESSION_LIMIT:
        raise Unreadable(f"must have at most {EXPRESSION_LIMIT} characters")
    found: list[str] = []
    at, end = 0, len(expression.rstrip())
    while at < end:
        match = _TOKEN.match(expression, at)
        word = (match[1] or match[2] or match[3]).upper() if match else ""
        if match is None or (match[2] and word not in _WORDS):
            raise Unreadable(f"cannot be read at {expression[at:].strip()[:20]!r}")
        found.append(word)
        at = match.end()
    return found


class _Reader:
    """Reads tokens by recursive descent, no deeper than the limit."""

    def __init__(self, tokens: list[str], conditions: Mapping[int, Rule]) -> None:
        self._tokens = tokens
        self._at = 0
        self._conditions = conditions

    def either(self, depth: int) -> Rule:
        rules = [self._both(depth)]
        while self._take("OR"):
            rules.append(self._both(depth))
        return rules[0] if len(rules) == 1 else {"any": rules}

    def _both(self, depth: int) -> Rule:
        rules = [self._one(depth)]
        while self._take("AND"):
            rules.append(self._one(depth))
        return rules[0] if len(rules) == 1 else {"all": rules}

    def _one(self, depth: int) -> Rule:
        if depth > DEPTH_LIMIT:
            raise Unreadable(f"must nest at most {DEPTH_LIMIT} levels deep")
        if self._take("NOT"):
            return {"not": self._one(depth + 1)}
        if self._take("("):
            rule = self.either(depth + 1)
            if not self._take(")"):
                raise Unreadable("must close every parenthesis that it opens")
            return rule
        return self._condition()

    def _condition(self) -> Rule:
        word = self._tokens[self._at] if self._at < len(self._tokens) else ""
        if not word:
            raise Unreadable("ends too soon")
        if not word.isdecimal():
            raise Unreadable(f"needs the number of a condition before {word}")
        if int(word) not in self._conditions:
            raise Unreadable(f"names a condition {word} that is not given")
        self._at += 1
        return self._conditions[int(word)]

    def _take(self, word: str) -> bool:
        taken = self._at < len(self._tokens) and self._tokens[self._at] == word
        self._at += taken
        return taken

    def finish(self) -> None:
        if self._at < len(self._tokens):
            raise Unreadable(f"needs AND or OR before {self._tokens[self._at]}")
