"""The text of a message that came in: its user data header taken off, its octets read by their data_coding.

Never refuses: what cannot be read becomes replacement characters, or hexadecimal digits where the octets are no text.
Pure. Where to read next: `incoming`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from clarion.adapters.channels.smpp.pdu import (
    ESM_CLASS_UDH,
    SAR_MSG_REF_NUM,
    SAR_SEGMENT_SEQNUM,
    SAR_TOTAL_SEGMENTS,
    Message,
)
from clarion.rendering.sms_encoding import gsm_text

_CODECS: Final = {
    0x01: "ascii",
    0x03: "latin-1",
    0x05: "shift_jis",
    0x06: "iso8859_5",
    0x07: "iso8859_8",
    0x08: "utf_16_be",
    0x0A: "iso2022_jp",
    0x0E: "euc_kr",
}
"""SMPP 3.4 §5.2.19; 0 is the centre's default alphabet, GSM 03.38."""
_OCTETS: Final = frozenset({0x02, 0x04})
_ELEMENT_8_BIT, _ELEMENT_16_BIT = 0x00, 0x08


class Place(NamedTuple):
    """Which part of which message something is."""

    reference: int
    total: int
    number: int


def text_of(message: Message) -> str:
    """What a message says, without what is not text."""
    octets = message.text
    if message.esm_class & ESM_CLASS_UDH and octets:
        octets = octets[octets[0] + 1 :]
    coding = _alphabet(message.data_coding)
    if coding in _OCTETS:
        return octets.hex()
    codec = _CODECS.get(coding)
    text = gsm_text(octets) if codec is None else octets.decode(codec, "replace")
    return text.replace("\0", "")


def words_of(message: Message) -> str:
    """The words of a receipt: all of them ASCII, whatever it says of its coding, but for UCS-2."""
    codec = "utf_16_be" if _alphabet(message.data_coding) == 0x08 else "latin-1"
    return message.text.decode(codec, "replace").replace("\0", "")


def place_of(message: Message) -> Place | None:
    """Which part of a message in parts this is; None when it stands alone."""
    place = _from_header(message.text) if message.esm_class & ESM_CLASS_UDH else _from_parameters(message)
    return place if place is not None and place.total > 1 and 1 <= place.number <= place.total else None


def _alphabet(coding: int) -> int:
    """The row of `_CODECS` of a data_coding, the groups of TS 23.038 §4 that SMPP takes over included."""
    if coding < 0x10:
        return coding
    if coding >= 0xF0:
        return 0x04 if coding & 0x04 else 0x00
    if coding < 0x40:
        return {0x00: 0x00, 0x04: 0x04, 0x08: 0x08}.get(coding & 0x0C, 0x00)
    return 0x08 if 0xE0 <= coding < 0xF0 else 0x00


def _from_header(octets: bytes) -> Place | None:
    header = octets[1 : octets[0] + 1] if octets else b""
    while len(header) >= 2:
        kind, value = header[0], header[2 : header[1] + 2]
        if kind == _ELEMENT_8_BIT and len(value) == 3:
            return Place(value[0], value[1], value[2])
        if kind == _ELEMENT_16_BIT and len(value) == 4:
            return Place(int.from_bytes(value[:2], "big"), value[2], value[3])
        header = header[header[1] + 2 :]
    return None


def _from_parameters(message: Message) -> Place | None:
    values = [message.optional.get(tag) for tag in (SAR_MSG_REF_NUM, SAR_TOTAL_SEGMENTS, SAR_SEGMENT_SEQNUM)]
    if not all(values):
        return None
    reference, total, number = (int.from_bytes(value or b"", "big") for value in values)
    return Place(reference, total, number)
