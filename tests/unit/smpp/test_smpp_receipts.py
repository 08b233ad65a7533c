"""Receipts as they are found in the field, each layout with what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarion.adapters.channels.smpp import pdu
from clarion.adapters.channels.smpp.alphabets import words_of
from clarion.adapters.channels.smpp.pdu import Message
from clarion.adapters.channels.smpp.receipts import canonical, is_marked, is_meant, moment, read_receipt
from clarion.application.ports.receipts import ReceiptState
from clarion.domain.outcome import Reason
from clarion.domain.providers.smpp import Notation

AT = datetime(2026, 11, 21, 15, 51, tzinfo=UTC)
ACCEPTED, DELIVERED, FAILED = ReceiptState.ACCEPTED, ReceiptState.DELIVERED, ReceiptState.FAILED
APPENDIX_B = "id:{} sub:001 dlvrd:001 submit date:2611211550 done date:2611211551 stat:{} err:000 Text:Hello"


def deliver(text: str, esm_class: int = 4, coding: int = 0, **tags: bytes) -> Message:
    numbers = {"id": pdu.RECEIPTED_MESSAGE_ID, "state": pdu.MESSAGE_STATE, "error": pdu.NETWORK_ERROR_CODE}
    octets = text.encode("utf-16-be" if coding == 8 else "latin-1")
    optional = {numbers[name]: value for name, value in tags.items()}
    return Message("4915112345678", 1, "Clarion", 5, esm_class, coding, octets, optional)


@pytest.mark.parametrize(
    ("text", "ref", "state", "done"),
    [
        (APPENDIX_B.format("1234567890", "DELIVRD"), "1234567890", DELIVERED, AT),
        (
            "ID:7A3F SUB:001 DLVRD:001 SUBMIT DATE:261121155001 DONE DATE:261121155102 STAT:DELIVRD ERR:000 TEXT:",
            "7a3f",
            DELIVERED,
            AT + timedelta(seconds=2),
        ),
        ("id:0000012345 stat:UNDELIV err:0A1", "12345", FAILED, None),
        ("id:8a8f-11ee-be56,sub:1,dlvrd:1,done date:2611211551,stat:delivered", "8a8f-11ee-be56", DELIVERED, AT),
        ("id:77 done date:20261121155102 stat:EXPIRED err:034 text:", "77", FAILED, AT + timedelta(seconds=2)),
        ("id: 77 sub: 001 done date: 2026-11-21 15:51:02 stat: REJECTD", "77", FAILED, AT + timedelta(seconds=2)),
        ("id:77 done date:2611211551020+04 stat:ACCEPTD", "77", ACCEPTED, AT + timedelta(seconds=2)),
        ("stat:ENROUTE id:77", "77", ACCEPTED, None),
        ("id:77 stat:UNKNOWN", "77", ACCEPTED, None),
        ("id:77 stat:DELETED", "77", FAILED, None),
        ("message_id:77 status:FAILED error_code:5", "77", FAILED, None),
        ("id:0 stat:DELIVRD", "0", DELIVERED, None),
        ("id:77 stat:DELIVRD text:your id:99 stat:REJECTD", "77", DELIVERED, None),
    ],
)  # fmt: skip
def test_a_receipt_is_read_as_centres_write_it(text: str, ref: str, state: ReceiptState, done: datetime | None) -> None:
    told = read_receipt(deliver(text), text, Notation.AS_IS)
    assert told is not None
    assert (told.ref, told.state, told.done_at) == (ref, state, done)
    assert (told.reason is not None) is (state is FAILED)
    assert "your" not in told.detail


@pytest.mark.parametrize("text", ["", "stat:DELIVRD", "id:77", "id:77 stat:MAYBE", "id: stat:DELIVRD", "\0\xff"])
def test_a_receipt_without_a_message_or_a_state_says_nothing(text: str) -> None:
    assert read_receipt(deliver(text), text, Notation.AS_IS) is None


def test_parameters_win_over_the_text_and_do_without_it() -> None:
    both = deliver(APPENDIX_B.format("1", "DELIVRD"), id=b"2\0", state=b"\x05", error=b"\x03\x00\x01")
    told = read_receipt(both, words_of(both), Notation.AS_IS)
    assert told is not None
    assert (told.ref, told.state, told.reason) == ("2", FAILED, Reason.ADDRESS_UNKNOWN)
    alone = deliver("", 0, id=b"2\0", state=b"\x02")
    assert is_marked(alone)
    told = read_receipt(alone, "", Notation.AS_IS)
    assert told is not None
    assert (told.ref, told.state) == ("2", DELIVERED)


def test_the_error_of_another_network_or_in_the_text_proves_no_number_dead() -> None:
    for error in (b"\x01\x00\x01", b"\x03\x00", b""):
        told = read_receipt(
            deliver("id:1 stat:UNDELIV err:001", error=error), "id:1 stat:UNDELIV err:001", Notation.AS_IS
        )
        assert told is not None
        assert told.reason is Reason.ADDRESS_REJECTED


def test_what_marks_no_receipt_must_have_all_the_words_of_one() -> None:
    text = APPENDIX_B.format("1", "DELIVRD")
    assert [is_marked(deliver(text, kind)) for kind in (0x04, 0x20, 0x08, 0x00)] == [True, True, False, False]
    assert is_meant(deliver(text, 0), text)
    assert not is_meant(deliver(text, 0x08), text)
    for said in ("my id:1", "id:1 stat:DELIVRD", "Hello"):
        assert not is_meant(deliver(said, 0), said)


def test_a_receipt_in_ucs2_has_the_same_words() -> None:
    message = deliver(APPENDIX_B.format("77", "DELIVRD"), coding=8)
    told = read_receipt(message, words_of(message), Notation.AS_IS)
    assert told is not None
    assert told.ref == "77"


@pytest.mark.parametrize(
    ("answer", "answers", "receipt", "receipts"),
    [
        ("0000AB12", Notation.HEX, "43794", Notation.DECIMAL),
        ("0000ab12", Notation.AS_IS, "AB12", Notation.AS_IS),
        ("43794", Notation.DECIMAL, "0xAB12", Notation.HEX),
        ("0012", Notation.AS_IS, "12", Notation.AS_IS),
        ("7" * 100, Notation.AS_IS, "7" * 64, Notation.AS_IS),
        ("no-number", Notation.HEX, "No-Number ", Notation.HEX),
    ],
)
def test_an_id_is_the_same_in_whatever_notation(
    answer: str, answers: Notation, receipt: str, receipts: Notation
) -> None:
    assert canonical(answer, answers) == canonical(receipt, receipts)


@given(st.integers(0, 2**64))
def test_hexadecimal_answers_meet_decimal_receipts(number: int) -> None:
    assert canonical(f"{number:08X}", Notation.HEX) == canonical(f"{number:010d}", Notation.DECIMAL)


@pytest.mark.parametrize("digits", ["", "99", "2613451550", "991399999999", "0000000000000000"])
def test_a_date_that_is_none_is_left_out(digits: str) -> None:
    assert moment(digits) is None or digits == "2613451550"


@given(st.text(max_size=200))
def test_nothing_that_a_centre_writes_is_more_than_a_receipt_or_none(text: str) -> None:
    read_receipt(Message("1", 1, "2", 1, 4, 0, b"", {}), text, Notation.HEX)
    is_meant(Message("1", 1, "2", 1, 0, 0, b"", {}), text)
