"""How a text fits into short messages: the GSM alphabet or UCS-2, and where it is cut into parts.

Owns the alphabet of 3GPP TS 23.038 §6.2.1 with its extension table §6.2.1.1, and the sizes of TS 23.040 §9.2.3.24.1.
National shift tables are not used: few networks and phones agree on them. Knows no recipient, template or provider.
Where to read next: `sms` (the message on the wire), `sms_wording` (what is written otherwise to fit the alphabet).
"""

from __future__ import annotations

import codecs
from enum import StrEnum
from typing import Final

_ESCAPE: Final = 0x1B
_HIGH_SURROGATE: Final = 0xD8
"""The first half of a pair begins with the octets D8 to DB (RFC 2781 §2.1)."""
# Octet 0x1B, where the dot stands, is the escape to the extension table.
_ALPHABET: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ.ÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = {
    "\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40, "€": 0x65,
}  # fmt: skip
_OCTETS: Final[dict[int, int | bytes]] = {
    **{ord(char): octet for octet, char in enumerate(_ALPHABET) if octet != _ESCAPE},
    **{ord(char): bytes((_ESCAPE, octet)) for char, octet in _EXTENSION.items()},
}
_CHARS: Final = {octet: char for octet, char in enumerate(_ALPHABET) if octet != _ESCAPE}
_EXTENDED: Final = {octet: char for char, octet in _EXTENSION.items()}
GSM_CHARACTERS: Final = frozenset(map(chr, _OCTETS))
"""Every character that the alphabet and its extension table can say."""


class Encoding(StrEnum):
    """How the characters of a message are written."""

    GSM = "gsm"
    """Seven bits a character, fourteen for one of the extension table: 160 in a message, 153 in a part of several."""
    UCS2 = "ucs2"
    """Sixteen bits a character, thirty-two for an emoji: 70 in a message, 67 in a part of several."""


_ALONE: Final = {Encoding.GSM: 160, Encoding.UCS2: 70}
_IN_PART: Final = {Encoding.GSM: 153, Encoding.UCS2: 67}
"""Six of the 140 octets of a part say which part of which message it is (TS 23.040 §9.2.3.24.1, 8-bit reference)."""


def encoding_of(text: str) -> Encoding:
    """The cheapest encoding that says every character of a text."""
    try:
        gsm_octets(text)
    except UnicodeEncodeError:
        return Encoding.UCS2
    return Encoding.GSM


def gsm_octets(text: str) -> bytes:
    """A text in the GSM alphabet, one septet an octet (not packed), as SMPP carries it under `data_coding` 0.

    Raises: UnicodeEncodeError when the alphabet cannot say a character.
    """
    return codecs.charmap_encode(text, "strict", _OCTETS)[0]


def gsm_text(octets: bytes) -> str:
    """The text of octets in the GSM alphabet; an unknown extension reads as its plain character (§6.2.1.1)."""
    read, escaped = [], False
    for octet in octets:
        if octet == _ESCAPE and not escaped:
            escaped = True
            continue
        char = _EXTENDED.get(octet) if escaped else None
        read.append(char or _CHARS.get(octet & 0x7F, " "))
        escaped = False
    return "".join(read)


def octets_of(text: str, encoding: Encoding) -> bytes:
    """A part as octets: unpacked septets or UTF-16, big end first. Raises: UnicodeEncodeError."""
    return gsm_octets(text) if encoding is Encoding.GSM else text.encode("utf-16-be")


def text_of(octets: bytes, encoding: Encoding) -> str:
    """What octets say; the other way of `octets_of`. What is no UTF-16 reads as U+FFFD."""
    return gsm_text(octets) if encoding is Encoding.GSM else octets.decode("utf-16-be", "replace")


def fitted(text: str) -> tuple[Encoding, tuple[str, ...]]:
    """The cheapest encoding of a text, and the parts it is sent in. Raises: UnicodeEncodeError for half a pair."""
    try:
        return Encoding.GSM, _gsm_parts(text, gsm_octets(text))
    except UnicodeEncodeError:
        return Encoding.UCS2, _ucs2_parts(text, text.encode("utf-16-be"))


def split(text: str, encoding: Encoding) -> tuple[str, ...]:
    """The parts a text is sent in, one when it fits a message alone; joined they are the text again.

    An extension character or a surrogate pair is never cut. Raises: UnicodeEncodeError when the encoding cannot say it.
    """
    octets = octets_of(text, encoding)
    return _gsm_parts(text, octets) if encoding is Encoding.GSM else _ucs2_parts(text, octets)


def _gsm_parts(text: str, septets: bytes) -> tuple[str, ...]:
    if len(septets) <= _ALONE[Encoding.GSM]:
        return (text,)
    parts, at, start = [], 0, 0
    while at < len(septets):
        end = at + _IN_PART[Encoding.GSM]
        if end < len(septets) and septets[end - 1] == _ESCAPE:
            end -= 1
        stop = start + len(septets[at:end]) - septets.count(_ESCAPE, at, end)
        parts.append(text[start:stop])
        at, start = end, stop
    return tuple(parts)


def _ucs2_parts(text: str, octets: bytes) -> tuple[str, ...]:
    if len(octets) <= 2 * _ALONE[Encoding.UCS2]:
        return (text,)
    parts, at = [], 0
    while at < len(octets):
        end = at + 2 * _IN_PART[Encoding.UCS2]
        if end < len(octets) and octets[end - 2] & 0xFC == _HIGH_SURROGATE:
            end -= 2
        parts.append(octets[at:end].decode("utf-16-be"))
        at = end
    return tuple(parts)
