"""Which scheme a link in an attribute has, told from the literal text it starts with.

Reads that text as a browser would: references resolved, the invisible characters it skips left out. Where to read next:
`markup`, which feeds it the text and says what a value may be printed behind.
"""

from __future__ import annotations

import html
import re
from typing import NamedTuple

_SKIPPED = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202e\u2060\ufeff]+")
_GOOD = re.compile(r"https?:|mailto:|tel:|[/#?]", re.IGNORECASE)


class LinkStart(NamedTuple):
    """The literal text of a link so far, kept until it `is_settled` that whatever follows is harmless."""

    text: str = ""
    is_settled: bool = False

    def followed_by(self, text: str) -> LinkStart:
        """The start with more literal text behind it."""
        if self.is_settled:
            return self
        longer = self.text + text
        return LinkStart(longer, bool(_GOOD.match(_as_read(longer))))

    def is_wrong(self, *, ended: bool) -> bool:
        """True when literal text shows no allowed scheme though the link has ended or a value or tag follows."""
        start = _as_read(self.text)
        if self.is_settled or not start:
            return False
        return not ended or ":" in re.split(r"[/?#]", start)[0]


def _as_read(text: str) -> str:
    return _SKIPPED.sub("", html.unescape(text))
