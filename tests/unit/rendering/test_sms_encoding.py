"""The GSM alphabet and the parts of a message, against a table and a count of their own."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clarion.rendering.sms_encoding import (
    Encoding,
    encoding_of,
    fitted,
    gsm_octets,
    gsm_text,
    octets_of,
    split,
    text_of,
)

# 3GPP TS 23.038 §6.2.1 by code points, row by row of eight; without 1B, the escape.
BASIC = bytes.fromhex("""
0040 00A3 0024 00A5 00E8 00E9 00F9 00EC 00F2 00C7 000A 00D8 00F8 000D 00C5 00E5
0394 005F 03A6 0393 039B 03A9 03A0 03A8 03A3 0398 039E 00C6 00E6 00DF 00C9
0020 0021 0022 0023 00A4 0025 0026 0027 0028 0029 002A 002B 002C 002D 002E 002F
0030 0031 0032 0033 0034 0035 0036 0037 0038 0039 003A 003B 003C 003D 003E 003F
00A1 0041 0042 0043 0044 0045 0046 0047 0048 0049 004A 004B 004C 004D 004E 004F
0050 0051 0052 0053 0054 0055 0056 0057 0058 0059 005A 00C4 00D6 00D1 00DC 00A7
00BF 0061 0062 0063 0064 0065 0066 0067 0068 0069 006A 006B 006C 006D 006E 006F
0070 0071 0072 0073 0074 0075 0076 0077 0078 0079 007A 00E4 00F6 00F1 00FC 00E0
""").decode("utf-16-be")
EXTENSION = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
GSM = st.text(st.sampled_from(BASIC + "".join(EXTENSION)), max_size=700)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


def widths(text: str, encoding: Encoding) -> list[int]:
    if encoding is Encoding.GSM:
        return [2 if char in EXTENSION else 1 for char in text]
    return [len(char.encode("utf-16-be")) // 2 for char in text]


def count(text: str, encoding: Encoding) -> int:
    """Segments counted one character after another, without cutting anything."""
    alone, room = (160, 153) if encoding is Encoding.GSM else (70, 67)
    if sum(widths(text, encoding)) <= alone:
        return 1
    segments, left = 1, room
    for width in widths(text, encoding):
        if width > left:
            segments, left = segments + 1, room
        left -= width
    return segments


def test_every_character_has_the_octets_of_the_standard() -> None:
    assert [gsm_octets(char)[0] for char in BASIC] == [octet for octet in range(128) if octet != 0x1B]
    assert {char: gsm_octets(char) for char in EXTENSION} == {
        char: bytes((0x1B, octet)) for char, octet in EXTENSION.items()
    }


@given(GSM)
def test_what_is_written_in_gsm_reads_as_it_was(text: str) -> None:
    assert encoding_of(text) is Encoding.GSM
    assert gsm_text(gsm_octets(text)) == text


@given(ANY)
def test_the_cheapest_encoding_reads_as_it_was(text: str) -> None:
    encoding = encoding_of(text)
    assert (encoding is Encoding.GSM) == (set(text) <= {*BASIC, *EXTENSION})
    assert text_of(octets_of(text, encoding), encoding) == text


@given(st.one_of(GSM, ANY, st.text(st.sampled_from("a€ñ😀я"), max_size=700)))
@example("a" * 160)
@example("a" * 161)
@example("a" * 152 + "€" + "b")
@example("я" * 70)
@example("я" * 66 + "😀" * 3)
@example("€" * 80)
@example("€" * 81)
def test_parts_are_whole_full_and_as_many_as_counted(text: str) -> None:
    encoding, parts = fitted(text)
    assert "".join(parts) == text
    assert parts == split(text, encoding)
    assert len(parts) == count(text, encoding)
    room = (153 if encoding is Encoding.GSM else 67) if len(parts) > 1 else (160 if encoding is Encoding.GSM else 70)
    assert all(sum(widths(part, encoding)) <= room for part in parts)
    for part in parts:  # a cut pair would not read as it was
        assert text_of(octets_of(part, encoding), encoding) == part


@pytest.mark.parametrize(
    ("octets", "read"), [(b"\x1b\x65", "€"), (b"\x1ba", "a"), (b"\x1b\x1b", " "), (b"a\x1b", "a"), (b"\x80@", "@¡")]
)
def test_foreign_octets_are_read_leniently(octets: bytes, read: str) -> None:
    assert gsm_text(octets) == read
