"""SMTP replies: cutting a byte stream into them, and reading one.

Owns the grammar of RFC 5321 §4.2 and the enhanced status codes of RFC 3463. Never decides what a reply means for a
message; that is `outcomes`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from clarion.domain.outcome import REPLY_LIMIT

LINE_LIMIT: Final = 2048
"""Bytes of one reply line. RFC 5321 §4.5.3.1.5 allows 512; servers stretch it."""
REPLY_LINES_LIMIT: Final = 100
"""Lines of one reply."""

_SHAPE: Final = re.compile(rb"[2-5][0-9]{2}(?:[ -]|\r?$)")
_ENHANCED: Final = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?:\s|$)")


class GarbledReply(Exception):
    """What the server said is not SMTP: a bad code, an endless line, an endless reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole reply. `enhanced` is `(class, subject, detail)` of RFC 3463 when the server gave one."""

    code: int
    enhanced: tuple[int, int, int] | None
    text: str
    lines: tuple[str, ...]
    """The text of each line, without code and without line end."""


class ReplyReader:
    """Cuts a byte stream into whole replies, keeping at most one unfinished reply.

    `fault` tells that what came last can be no reply; the replies before it are good and must be heard first.
    """

    __slots__ = ("_lines", "_rest", "fault")

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[bytes] = []
        self.fault: str | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Takes bytes, gives the replies they complete, each raw: its lines joined by LF, CR kept."""
        if self._rest:
            data = self._rest + data
        lines = data.split(b"\n")
        self._rest = lines.pop()
        if len(data) > LINE_LIMIT or self._lines:
            return self._gather(lines)
        for line in lines:
            if line[3:4] == b"-":
                return self._gather(lines)
        return lines

    @property
    def empty(self) -> bool:
        """True when no byte of an unfinished reply is held."""
        return not self._rest and not self._lines

    def _gather(self, lines: list[bytes]) -> list[bytes]:
        whole: list[bytes] = []
        held = self._lines
        for line in lines:
            held.append(line)
            if len(line) > LINE_LIMIT or len(held) > REPLY_LINES_LIMIT:
                return self._give_up(whole)
            if line[3:4] != b"-":
                whole.append(b"\n".join(held))
                held.clear()
        return self._give_up(whole) if len(self._rest) > LINE_LIMIT else whole

    def _give_up(self, whole: list[bytes]) -> list[bytes]:
        self._lines.clear()
        self._rest = b""
        self.fault = f"a reply line longer than {LINE_LIMIT} bytes, or a reply of over {REPLY_LINES_LIMIT} lines"
        return whole


def parse_reply(raw: bytes) -> Reply:
    """Reads one whole reply as `ReplyReader.feed` gives it.

    Raises: GarbledReply, when a line has no code or the codes of its lines differ.
    """
    pieces = raw.split(b"\n")
    for piece in pieces:
        if not _SHAPE.match(piece) or piece[:3] != pieces[0][:3]:
            raise GarbledReply(f"not a reply: {printable(piece)[:80]}")
    lines = tuple(printable(piece[4:]) for piece in pieces)
    code = int(pieces[0][:3])
    enhanced = _ENHANCED.match(lines[0])
    # A class that contradicts the code (a 550 saying 4.2.1) is noise: the code rules.
    numbers = (int(enhanced[1]), int(enhanced[2]), int(enhanced[3])) if enhanced else None
    if numbers is not None and numbers[0] != code // 100:
        numbers = None
    return Reply(code, numbers, reply_text(raw), lines)


def reply_text(raw: bytes) -> str:
    """The server's words on one line of printable characters, at most `REPLY_LIMIT` of them."""
    if b"\n" not in raw:
        return printable(raw)[:REPLY_LIMIT]
    first, *others = raw[: REPLY_LIMIT * 4].split(b"\n")
    joined = b" ".join([first[:3] + b" " + first[4:].strip(), *(line[4:].strip() for line in others)])
    return printable(joined)[:REPLY_LIMIT]


def printable(raw: bytes) -> str:
    """Text with every control, bidirectional and undecodable character made harmless."""
    text = raw.decode("utf-8", "replace").strip()
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
