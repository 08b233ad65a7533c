"""Bytes and PDUs: what is written is what another implementation reads, and nothing hostile is taken for a PDU."""

from __future__ import annotations

import pytest
import smpp34
from hypothesis import given
from hypothesis import strategies as st
from tests.support.texts import account, sms

from clarion.adapters.channels.smpp import pdu
from clarion.adapters.channels.smpp.pdu import Garbled, Pdu, Reader, read_message, unit
from clarion.adapters.channels.smpp.submission import Submissions
from clarion.domain.providers.smpp import Concatenation
from clarion.rendering.sms_encoding import GSM_CHARACTERS, Encoding, octets_of

NUMBERS = st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True)
ORIGINATORS = st.one_of(
    NUMBERS, st.from_regex(r"[0-9]{3,6}", fullmatch=True), st.from_regex(r"[A-Za-z]{1,11}", fullmatch=True)
)
TEXTS = st.one_of(
    st.text(st.sampled_from(sorted(GSM_CHARACTERS)), min_size=1, max_size=500),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300),
)
UNITS = st.builds(
    Pdu,
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=300),
)


@given(st.lists(UNITS, max_size=8), st.data())
def test_units_come_whole_however_the_network_cuts_them(units: list[Pdu], data: st.DataObject) -> None:
    octets = b"".join(unit(one.command, one.sequence, one.body, one.status) for one in units)
    reader, found = Reader(), []
    while octets:
        cut = data.draw(st.integers(1, len(octets)))
        more, fault = reader.feed(octets[:cut])
        assert fault is None
        found += more
        octets = octets[cut:]
    assert found == units


@pytest.mark.parametrize("length", [0, 4, 15, pdu.PDU_LIMIT + 1, 2**32 - 1])
def test_a_length_that_no_pdu_has_ends_the_reading_behind_what_was_good(length: int) -> None:
    good = unit(pdu.ENQUIRE_LINK, 7)
    units, fault = Reader().feed(good + length.to_bytes(4, "big") + b"\0" * 20)
    assert units == [Pdu(pdu.ENQUIRE_LINK, 0, 7, b"")]
    assert fault == f"a PDU of {length} octets"


@given(st.binary(max_size=400))
def test_a_body_is_read_or_refused_and_nothing_else(body: bytes) -> None:
    for command in (pdu.DELIVER_SM, pdu.DATA_SM):
        try:
            read_message(Pdu(command, 0, 1, body))
        except Garbled:
            continue


@given(ORIGINATORS, NUMBERS, TEXTS, st.sampled_from(Concatenation))
def test_what_we_submit_is_what_another_implementation_reads(
    originator: str, number: str, text: str, concatenation: Concatenation
) -> None:
    message = sms(number, text, from_=originator)
    bodies = Submissions(account(1, concatenation=concatenation, service_type="CMT")).bodies(message)
    read = [smpp34.decode(unit(pdu.SUBMIT_SM, 1, body)) for body in bodies]
    texts = b""
    for number_of_part, submit in enumerate(read, 1):
        assert isinstance(submit, smpp34.SubmitSm)
        assert submit.destination_addr == number.removeprefix("+")
        assert submit.source_addr == originator.removeprefix("+")
        assert (submit.dest_addr_ton, submit.dest_addr_npi) == (1, 1)
        assert submit.registered_delivery == 1
        assert submit.service_type == "CMT"
        assert submit.data_coding == {Encoding.GSM: 0, Encoding.UCS2: 8}[message.encoding]
        assert submit.encode() == unit(pdu.SUBMIT_SM, 1, bodies[number_of_part - 1])
        tags = {tlv.tag: tlv.value for tlv in submit.tlvs}
        octets = submit.short_message
        if len(message.parts) > 1 and concatenation is Concatenation.UDH:
            assert submit.esm_class == 0x40
            assert octets[:3] == b"\x05\x00\x03"
            assert octets[4:6] == bytes((len(message.parts), number_of_part))
            octets = octets[6:]
        elif len(message.parts) > 1 and concatenation is Concatenation.SAR:
            assert tags[pdu.SAR_TOTAL_SEGMENTS] == bytes((len(message.parts),))
            assert tags[pdu.SAR_SEGMENT_SEQNUM] == bytes((number_of_part,))
            assert len(tags[pdu.SAR_MSG_REF_NUM]) == 2
        texts += octets or tags[pdu.MESSAGE_PAYLOAD]
    assert texts == octets_of(text, message.encoding)
    assert len(read) == (1 if concatenation is Concatenation.PAYLOAD else len(message.parts))


@given(
    st.lists(st.from_regex(r"[A-Za-z0-9]{0,20}", fullmatch=True), min_size=2, max_size=2),
    st.binary(max_size=254),
    st.integers(0, 255),
    st.integers(0, 255),
    st.lists(st.tuples(st.integers(1, 0xFFFF), st.binary(max_size=40)), max_size=4, unique_by=lambda pair: pair[0]),
)
def test_what_another_implementation_delivers_is_read(
    addresses: list[str], text: bytes, esm_class: int, coding: int, tags: list[tuple[int, bytes]]
) -> None:
    source, destination = addresses
    written = smpp34.DeliverSm(
        source,
        destination,
        text,
        source_addr_ton=1,
        esm_class=esm_class,
        data_coding=coding,
        tlvs=[smpp34.Tlv(tag, value) for tag, value in tags],
        sequence_number=9,
    )
    (read,), fault = Reader().feed(written.encode())
    assert fault is None
    assert (read.command, read.sequence) == (pdu.DELIVER_SM, 9)
    message = read_message(read)
    assert (message.source, message.source_ton, message.destination) == (source, 1, destination)
    assert (message.esm_class, message.data_coding, message.optional) == (esm_class, coding, dict(tags))
    assert message.text == text or not text


@pytest.mark.parametrize(
    ("originator", "kind"),
    [("+4930123456", (1, 1)), ("12345", (6, 9)), ("Clarion", (5, 0)), ("4you", (5, 0))],
)
def test_the_kind_of_an_originator_follows_from_its_shape(originator: str, kind: tuple[int, int]) -> None:
    (body,) = Submissions(account(1, short_code_ton=6, short_code_npi=9)).bodies(
        sms("+4915112345678", from_=originator)
    )
    submit = smpp34.decode(unit(pdu.SUBMIT_SM, 1, body))
    assert isinstance(submit, smpp34.SubmitSm)
    assert (submit.source_addr_ton, submit.source_addr_npi) == kind


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(None, ""), (60, "000000000100000R"), (3_661, "000000010101000R"), (604_800, "000007000000000R")],
)
def test_a_validity_is_said_as_a_length_of_time(seconds: int | None, written: str) -> None:
    (body,) = Submissions(account(1, validity_seconds=seconds)).bodies(sms("+4915112345678"))
    submit = smpp34.decode(unit(pdu.SUBMIT_SM, 1, body))
    assert isinstance(submit, smpp34.SubmitSm)
    assert (submit.validity_period, submit.schedule_delivery_time) == (written, "")


def test_parts_of_the_same_delivery_have_the_same_reference_each_time() -> None:
    submissions = Submissions(account(1))
    once, again = (submissions.bodies(sms("+4915112345678", "a" * 400, key="k-1")) for _ in range(2))
    other = submissions.bodies(sms("+4915112345678", "a" * 400, key="k-2"))
    assert once == again
    assert once != other


def test_a_number_that_smpp_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="ascii"):
        Submissions(account(1)).bodies(sms("+49\u0661"))
