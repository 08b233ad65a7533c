"""What people write, read from the octets a centre delivers; what becomes of a message by the fates of its parts."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.texts import number, sms

from clarion.adapters.channels.smpp import pdu
from clarion.adapters.channels.smpp.alphabets import Place, place_of, text_of
from clarion.adapters.channels.smpp.dispatch import Dispatch
from clarion.adapters.channels.smpp.incoming import numbered
from clarion.adapters.channels.smpp.pdu import Message
from clarion.application.ports.channel import Window
from clarion.domain.outcome import Outcome, Reason, Verdict


def said(octets: bytes, coding: int = 0, esm_class: int = 0, tags: dict[int, bytes] | None = None) -> Message:
    return Message("4915112345678", 1, "12345", 3, esm_class, coding, octets, tags or {})


@pytest.mark.parametrize(
    ("octets", "coding", "text"),
    [
        (b"Hi \x02 \x1b\x65", 0x00, "Hi $ €"),
        (b"Hi", 0xF1, "Hi"),
        (b"Hi", 0x11, "Hi"),
        (b"\x00H\x00i", 0x18, "Hi"),
        (b"\x00H\x00i", 0xE0, "Hi"),
        (b"caf\xe9", 0x03, "café"),
        (b"\xd6\xd8", 0x06, "жи"),
        (b"\x01\x02", 0x04, "0102"),
        (b"\x01\x02", 0xF5, "0102"),
        (b"\xd8\x3d", 0x08, "\ufffd"),
        (b"a\x00b", 0x01, "ab"),
        (b"", 0x00, ""),
    ],
)
def test_octets_are_read_by_their_coding(octets: bytes, coding: int, text: str) -> None:
    assert text_of(said(octets, coding)) == text


@given(st.binary(max_size=160), st.integers(0, 255), st.integers(0, 255))
def test_whatever_comes_is_some_text_that_can_be_stored(octets: bytes, coding: int, esm_class: int) -> None:
    text = text_of(said(octets, coding, esm_class))
    assert "\0" not in text
    text.encode("utf-8")
    place_of(said(octets, coding, esm_class))


def test_a_part_says_its_place_in_its_header_or_in_parameters() -> None:
    udh = pdu.ESM_CLASS_UDH
    assert place_of(said(b"\x05\x00\x03\x07\x03\x02text", esm_class=udh)) == Place(7, 3, 2)
    assert place_of(said(b"\x0b\x05\x04\x15\x8a\0\0\x00\x03\x07\x03\x02text", esm_class=udh)) == Place(7, 3, 2)
    assert place_of(said(b"\x06\x08\x04\x01\x02\x03\x02text", esm_class=udh)) == Place(0x0102, 3, 2)
    tags = {pdu.SAR_MSG_REF_NUM: b"\1\2", pdu.SAR_TOTAL_SEGMENTS: b"\3", pdu.SAR_SEGMENT_SEQNUM: b"\2"}
    assert place_of(said(b"text", tags=tags)) == Place(0x0102, 3, 2)
    for alone in (
        b"\x05\x00\x03\x07\x01\x01x",
        b"\x05\x00\x03\x07\x03\x00x",
        b"\x05\x00\x03\x07\x03\x04x",
        b"\x40\x00",
    ):
        assert place_of(said(alone, esm_class=udh)) is None


@pytest.mark.parametrize(
    ("address", "kind", "written"),
    [
        ("4915112345678", 1, "+4915112345678"),
        ("4915112345678", 0, "+4915112345678"),
        ("015112345678", 2, "015112345678"),
        ("12345", 3, "12345"),
        ("12345", 0, "12345"),
        ("Bank", 5, "Bank"),
        ("", 1, ""),
    ],
)
def test_an_international_number_has_its_plus(address: str, kind: int, written: str) -> None:
    assert numbered(address, kind) == written


TAKEN, REFUSED, NOT_NOW, LOST = range(4)


@pytest.mark.parametrize("fates", list(product(range(4), repeat=3)))
def test_only_all_parts_taken_is_sent_and_a_part_without_an_answer_is_unknown(fates: tuple[int, ...]) -> None:
    window = Window([sms(number(1))])
    dispatch = Dispatch(window, 0, [b""] * 3)
    for part, fate in enumerate(fates):
        is_done = {
            TAKEN: lambda part: dispatch.took(part, f"id{part}"),
            REFUSED: lambda part: dispatch.refused(part, 0x0B),
            NOT_NOW: lambda part: dispatch.refused(part, 0x58),
            LOST: lambda part: dispatch.lost(part, "silence"),
        }[fate](part)
        assert is_done == (part == 2)
    unfinished = TAKEN in fates and NOT_NOW in fates and not {REFUSED, LOST} & set(fates)
    assert dispatch.is_unfinished == unfinished
    dispatch.settle()
    ((_, outcome),) = window.drain()
    assert outcome[:2] == _expected(fates)
    assert outcome.refs == (("id0", "id1", "id2") if outcome.verdict is Verdict.SENT else ())
    if unfinished:
        dispatch.begin_again()
        assert dispatch.parts() == [part for part, fate in enumerate(fates) if fate == NOT_NOW]


def _expected(fates: tuple[int, ...]) -> tuple[Verdict, Reason | None]:
    if LOST in fates:
        return Outcome.unknown(Reason.NO_ANSWER)[:2]
    if REFUSED in fates:
        return Outcome.failed(Reason.ADDRESS_REJECTED)[:2]
    if NOT_NOW not in fates:
        return Outcome.sent("")[:2]
    return (Outcome.failed(Reason.MESSAGE_REJECTED) if TAKEN in fates else Outcome.retry(Reason.THROTTLED))[:2]
