"""What a message centre tells: receipts and what people write, acknowledged once it is stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tests.support.smpp_server.centre import Centre
from tests.support.texts import PATIENT, Tray, number, sent_through, smpp, sms

from clarion.application.ports.receipts import ReceiptState
from clarion.domain.providers.smpp import Notation


async def test_receipts_are_acknowledged_once_stored(centre: Centre) -> None:
    await centre.set(receipts="DELIVRD", receiptStates={"492": "UNDELIV"}, ids="hex")
    tray = Tray()
    async with smpp(centre.port, tray, answer_ids=Notation.HEX, receipt_ids=Notation.DECIMAL) as channel:
        outcomes = await sent_through(channel, [sms(number(n, "+491")) for n in range(100)] + [sms("+49212345678")])
        await tray.until(101)
        assert {one.ref for one in tray.receipts} == {outcome.refs[0] for outcome in outcomes}
        assert Counter(one.state for one in tray.receipts) == {ReceiptState.DELIVERED: 100, ReceiptState.FAILED: 1}
        # What is not stored is not acknowledged, so it comes again.
        tray.is_shut = True
        await sent_through(channel, [sms("+49100000000")])
        await centre.until("redelivered", 1)
        tray.is_shut = False
        await tray.until(102)
    assert (await centre.counts())["acknowledged"] == 102


async def test_what_people_write_is_read_by_its_coding(centre: Centre) -> None:
    tray = Tray()
    async with smpp(centre.port, tray) as channel:
        channel.stay()
        await centre.until("open", 1)
        people = {"source_addr": "4915112345678", "source_addr_ton": 1, "destination_addr": "12345"}
        for text, coding in (
            (b"a\x1be\x00", 0),
            (b"plain", 1),
            (b"Gr\xfc\xdfe", 3),
            ("Привет 😀".encode("utf-16-be"), 8),
        ):
            assert await centre.deliver(text, data_coding=coding, **people) == 0
    assert [one.text for one in tray.inbound] == ["a€@", "plain", "Grüße", "Привет 😀"]
    assert {(one.from_, one.to) for one in tray.inbound} == {("+4915112345678", "12345")}
    assert len({one.event_id for one in tray.inbound}) == 4


async def test_parts_of_a_message_are_put_together_or_kept_alone(centre: Centre) -> None:
    tray = Tray()
    people = {"source_addr": "4915112345678", "source_addr_ton": 1, "destination_addr": "12345", "esm_class": 0x40}
    async with smpp(centre.port, tray, replace(PATIENT, assemble=0.3)) as channel:
        channel.stay()
        await centre.until("open", 1)
        # The commands of the centre come one by one, so the parts go out by hand.
        last, first = raw_part(2, 1, b"world"), raw_part(1, 2, b"Hello, ")
        # In the wrong order, one of them twice, and another message under the same reference in between.
        octets = last + raw_part(2, 3, b"world") + raw_part(2, 4, b"stranger") + first
        await centre.ask("write", octets.hex())
        await tray.until(2)
        assert await centre.deliver(b"\x05\x00\x03\x07\x02\x01alone", **people) == 0
    assert [one.text for one in tray.inbound] == ["stranger", "Hello, world", "alone"]


def raw_part(part: int, sequence: int, text: bytes) -> bytes:
    """A deliver_sm with one part of two."""
    said = b"\x05\x00\x03\x09\x02" + bytes((part,)) + text
    body = b"\0\1\1" + b"4915112345678\0" + b"\0\0" + b"12345\0" + b"\x40\0\0\0\0\0\0\0\0" + bytes((len(said),)) + said
    header = (len(body) + 16).to_bytes(4, "big") + b"\0\0\0\x05" + b"\0" * 4 + (900 + sequence).to_bytes(4, "big")
    return header + body
