r"""Cuts one of Adobe's templates into literal text and tags.

As in Handlebars, `\{{` is literal, and a block tag that stands alone on its line leaves no empty line behind. Read
`adobe` for what the tags say.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from clarion.rendering.faults import LanguageFault
from clarion.rendering.translation.adobe_expressions import tokens

_OPEN: Final = re.compile(r"\\?\{\{\{?|\{%")
_ENDS_BEFORE: Final = re.compile(r"(?<=\n)[ \t]*\Z")
_ALL_BLANK: Final = re.compile(r"[ \t]*\Z")
_GOES_ON: Final = re.compile(r"[ \t]*\r?\n")
_COMMENT: Final = "!--"


@dataclass(frozen=True, slots=True)
class Piece:
    """Literal text (`kind` is empty), or a tag: what opened it, and what stands in it (of `{%`, its end too)."""

    kind: Literal["", "{{", "{{{", "{%"]
    text: str
    line: int

    @property
    def is_block(self) -> bool:
        """Whether it is a Handlebars tag that prints nothing."""
        return self.kind == "{{" and (
            self.text.lstrip()[:1] in {"#", "/", "!", "^"} or self.text.split()[:1] == ["else"]
        )


def pieces_of(source: str) -> list[Piece]:
    """The pieces in order.

    Raises: LanguageFault when a tag is not closed.
    """
    found = list(_pieces(source))
    kept = list(found)
    for at, piece in enumerate(found):
        if piece.is_block and _stands_alone(found, at):
            if at:
                kept[at - 1] = _without(kept[at - 1], _ALL_BLANK)
            if at + 1 < len(found):
                kept[at + 1] = _without(kept[at + 1], _GOES_ON)
    return kept


def _stands_alone(pieces: list[Piece], at: int) -> bool:
    if at:
        before = pieces[at - 1]
        if before.kind or not (_ENDS_BEFORE.search(before.text) or (at == 1 and _ALL_BLANK.fullmatch(before.text))):
            return False
    if at + 1 == len(pieces):
        return True
    after = pieces[at + 1]
    is_last = at + 2 == len(pieces)
    return not after.kind and bool(_GOES_ON.match(after.text) or (is_last and _ALL_BLANK.fullmatch(after.text)))


def _without(piece: Piece, blank: re.Pattern[str]) -> Piece:
    if blank is _GOES_ON:
        return dataclasses.replace(
            piece, text=_GOES_ON.sub("", piece.text, count=1) if _GOES_ON.match(piece.text) else ""
        )
    return dataclasses.replace(piece, text=piece.text.rstrip(" \t"))


def _pieces(source: str) -> Iterator[Piece]:
    at, line = 0, 1
    while match := _OPEN.search(source, at):
        start, opened = match.start(), match[0]
        if opened.startswith("\\"):
            yield Piece("", source[at:start] + opened[1:], line)
            line, at = line + source.count("\n", at, start), match.end()
            continue
        if start > at:
            yield Piece("", source[at:start], line)
        line += source.count("\n", at, start)
        tag, at = _tag(source, start, opened, line)
        yield tag
        line += source.count("\n", start, at)
    if at < len(source):
        yield Piece("", source[at:], line)


def _tag(source: str, start: int, opened: str, line: int) -> tuple[Piece, int]:
    inside = start + len(opened)
    if opened == "{%":
        _, end = tokens(source, inside, line)
        return Piece("{%", source[inside:end], line), end
    closing = "--}}" if source.startswith(_COMMENT, inside) else "}" * len(opened)
    end = source.find(closing, inside)
    if end < 0:
        raise LanguageFault("syntax", f"'{opened}' is not closed with '{closing}'", line)
    kind: Literal["{{", "{{{"] = "{{{" if opened == "{{{" else "{{"
    return Piece(kind, source[inside:end], line), end + len(closing)
