"""Cuts the inside of one tag of a template into tokens: names, numbers, texts and signs.

Knows no grammar and no tag. Every pattern here is linear in what it reads, and the number of tokens is limited. Where
to read next: `reader`, which makes trees of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from clarion.rendering.faults import LanguageFault

TOKEN_LIMIT: Final = 150
"""Words and signs of one expression; also what bounds the depth of every walk over one."""

_TOKEN = re.compile(
    r"""\s+|(?P<end>[-+]?[}%]\})|(?P<number>[0-9]{1,18}(?:\.[0-9]{1,18})?)|(?P<name>[A-Za-z_][A-Za-z0-9_]{0,99})
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<sign>==|!=|<=|>=|//|\*\*|[-+*/%~<>()\[\].,:|=])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES: Final = {"n": "\n", "t": "\t", "\\": "\\", '"': '"', "'": "'"}


@dataclass(frozen=True, slots=True)
class Token:
    """One word or sign of an expression: `kind` is number, name, text or sign."""

    kind: str
    text: str
    line: int


def tokens(source: str, start: int, line: int) -> tuple[list[Token], int, str]:
    """The tokens from `start` to the closing braces, where the tag ends, and the closing braces themselves."""
    found: list[Token] = []
    at = start
    while match := _TOKEN.match(source, at):
        here, at = line + source.count("\n", start, match.start()), match.end()
        kind = match.lastgroup
        if kind == "end":
            return found, at, match[0]
        if kind:
            found.append(Token(kind, match[0], here))
        if len(found) > TOKEN_LIMIT:
            raise LanguageFault("maxLength", f"an expression has at most {TOKEN_LIMIT} words and signs", here)
    here = line + source.count("\n", start, at)
    what = repr(source[at]) if at < len(source) else "end of the template"
    raise LanguageFault("syntax", f"unexpected {what} in a tag", here)


def unquoted(token: Token) -> str:
    r"""The text of a string literal. Known escapes are \n \t \\ and quotes; others are refused."""

    def plain(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise LanguageFault("syntax", rf"unknown escape \{match[1]} in a text", token.line)
        return _ESCAPES[match[1]]

    return re.sub(r"\\(.)", plain, token.text[1:-1], flags=re.DOTALL)
