"""What a server can do, as its EHLO reply tells.

Owns reading the extension list (RFC 5321 §4.1.1.1); never talks. Where next: `opening` asks, `envelope` obeys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clarion.adapters.channels.smtp.replies import Reply

_DIGITS_OF_SIZE: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """The extensions we use. `size_limit` is the largest message taken, in bytes; 0 means not told or no limit."""

    pipelining: bool = False
    chunking: bool = False
    eightbitmime: bool = False
    smtputf8: bool = False
    starttls: bool = False
    size: bool = False
    size_limit: int = 0
    auth: frozenset[str] = frozenset()


NOTHING: Final = Capabilities()
"""A server greeted with HELO."""


def read_capabilities(reply: Reply) -> Capabilities:
    """Reads an EHLO reply. Unknown extensions and malformed parameters count as not announced."""
    words = [line.upper().split() for line in reply.lines[1:]]
    known = {entry[0]: entry[1:] for entry in words if entry}
    limit = known.get("SIZE", [])
    return Capabilities(
        pipelining="PIPELINING" in known,
        chunking="CHUNKING" in known,
        eightbitmime="8BITMIME" in known,
        smtputf8="SMTPUTF8" in known,
        starttls="STARTTLS" in known,
        size="SIZE" in known,
        size_limit=_size(limit[0]) if limit else 0,
        auth=_mechanisms(words),
    )


def _size(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS_OF_SIZE else 0


def _mechanisms(words: list[list[str]]) -> frozenset[str]:
    # Some servers say "AUTH=PLAIN LOGIN" for the sake of clients older than RFC 2554, some say both forms.
    found: set[str] = set()
    for entry in words:
        if entry and entry[0].startswith("AUTH"):
            found.update(word for part in entry for word in part.split("=") if word != "AUTH")
    return frozenset(found)
