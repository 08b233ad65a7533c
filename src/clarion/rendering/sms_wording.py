"""Writing a text otherwise, so that the GSM alphabet can say it: straight quotes, dashes, letters without accents.

Only what reads the same is written otherwise. Fractions, powers, emoji and other scripts stay as they are, and then the
message is sent as it was written (see decision 20). Where to read next: `sms_encoding` (the alphabet).
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

from clarion.rendering.sms_encoding import GSM_CHARACTERS, Encoding, encoding_of

_TAKEN: Final = frozenset({"<compat>", "<noBreak>", "<wide>", "<narrow>"})
"""Kinds of decomposition (UAX #44 §5.7.3) that read the same. `<fraction>` and `<super>` do not: 10² is not 102."""
_PLAIN: Final = {
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"'),  # double quotes, guillemets, double prime
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a\u2032\u00b4`", "'"),  # single ones, prime, acute, grave
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2022\u00b7", "-"),  # dashes, minus, bullets
    **dict.fromkeys("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff", ""),  # what nobody sees
    "\u00d7": "x", "\u2044": "/", "¦": "|", "ª": "a", "º": "o", "©": "(c)", "®": "(R)", "™": "TM", "℠": "SM",
    "Ð": "D", "ð": "d", "Đ": "D", "đ": "d", "Ħ": "H", "ħ": "h", "\u0131": "i", "ĸ": "k", "Ł": "L", "ł": "l", "ŉ": "'n",
    "Ŋ": "Ng", "ŋ": "ng", "Œ": "OE", "œ": "oe", "ẞ": "SS", "Þ": "Th", "þ": "th", "Ŧ": "T", "ŧ": "t",
}  # fmt: skip
_ACCENT_FROM, _ACCENT_TO = "\u0300", "\u036f"
"""The accents that stand on the letter before them (Unicode block Combining Diacritical Marks)."""


def in_gsm(text: str) -> str:
    """The text as the GSM alphabet can say it, or unchanged when some of it cannot be said so. Pure."""
    if encoding_of(text) is Encoding.GSM:
        return text
    composed = unicodedata.normalize("NFC", text)
    written = "".join(char if char in GSM_CHARACTERS else _otherwise(char) for char in composed)
    return written if encoding_of(written) is Encoding.GSM else text


@lru_cache(maxsize=4096)
def _otherwise(char: str) -> str:
    """One character written otherwise; itself when there is no other way that reads the same."""
    if char in _PLAIN or _ACCENT_FROM <= char <= _ACCENT_TO:
        return _PLAIN.get(char, "")
    kind, _, codes = unicodedata.decomposition(char).rpartition("> ")
    if not codes or (kind and f"{kind}>" not in _TAKEN):
        return char
    parts = "".join(chr(int(code, 16)) for code in codes.split())
    return "".join(part if part in GSM_CHARACTERS else _otherwise(part) for part in parts)
