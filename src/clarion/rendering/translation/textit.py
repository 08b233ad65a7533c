"""TextIt's templates in our language: `@contact.name`, `@(upper(fields.city) & "!")`, and `@@` for an @.

As over there, a word behind an @ that is none of the roots is text, so addresses and handles survive; a dot at the end
is not part of a name; `@(` that is not closed is text; and what cannot be evaluated prints nothing, which the notes
tell. A function that is not available is refused by name. Where to read next: `textit_expressions`, `textit_names`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from clarion.rendering.expressions import Const, Expr
from clarion.rendering.translation.textit_expressions import read_expression
from clarion.rendering.translation.textit_functions import BadCall, printed
from clarion.rendering.translation.textit_names import ROOTS, looked_up
from clarion.rendering.translation.translated import Translated
from clarion.rendering.translation.writing import literal, source_of

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*")
_PART: Final = re.compile(r'[()]|"(?:[^"\\]|\\.)*"', re.DOTALL)
NOTES_LIMIT: Final = 50
"""Notes of one template; what comes after them is left out."""


def translate_textit(source: str) -> Translated:
    """The text in our language, with a note for each expression that prints nothing.

    Raises: LanguageFault naming a function that is not available, and its line.
    """
    return _Translation(source).whole()


class _Translation:
    """One text on its way."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._out: list[str] = []
        self._notes: list[str] = []
        self._text = 0
        self._line, self._counted = 1, 0

    def whole(self) -> Translated:
        at = self._source.find("@")
        while at >= 0:
            at = self._source.find("@", self._visit(at))
        self._out.append(literal(self._source[self._text :]))
        return Translated("".join(self._out), tuple(self._notes))

    def _visit(self, at: int) -> int:
        """Translates what begins at this @, and says where to go on."""
        self._line, self._counted = self._line + self._source.count("\n", self._counted, at), at
        following = self._source[at + 1 : at + 2]
        if following == "@":
            self._write(at, "@", at + 2)
            return at + 2
        if following == "(":
            end = _closing(self._source, at + 2)
            if end is None:
                return len(self._source)
            self._put(at, lambda: read_expression(self._source[at + 2 : end], self._line), end + 1)
            return end + 1
        match = _NAME.match(self._source, at + 1)
        if match is None or match[0].partition(".")[0].lower() not in ROOTS:
            return at + 1
        self._put(at, lambda: looked_up(match[0].lower().split(".")), match.end())
        return match.end()

    def _put(self, at: int, read: Callable[[], Expr], end: int) -> None:
        try:
            expr = read()
        except BadCall as bad:
            self._write(at, "", end)
            if len(self._notes) < NOTES_LIMIT:
                shown = self._source[at : min(end, at + 60)]
                self._notes.append(f"line {self._line}: '{shown}' prints nothing: {bad}")
            return
        self._write(at, "" if expr == Const(None) else f"{{{{ {source_of(printed(expr))} }}}}", end)

    def _write(self, at: int, written: str, end: int) -> None:
        self._out += [literal(self._source[self._text : at]), written]
        self._text = end


def _closing(source: str, at: int) -> int | None:
    """Where the parenthesis opened before `at` is closed, texts aside."""
    depth = 1
    for match in _PART.finditer(source, at):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if not depth:
            return match.start()
    return None
