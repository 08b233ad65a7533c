"""The SMPP channel against the message centre of the npm package `smpp`, which is not ours."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.certificates import make_certificates
from tests.support.smpp_server.centre import Centre
from tests.support.texts import BRISK, Tray, sent_through, smpp, sms

from clarion.adapters.channels.smpp import SmppChannel, Timers
from clarion.application.ports.channel import Window
from clarion.application.ports.receipts import ReceiptState
from clarion.domain.outcome import Outcome, Reason, Verdict
from clarion.domain.providers.provider import Security
from clarion.domain.providers.smpp import Concatenation, Notation
from clarion.rendering.sms import WireSms

LONG = "{}: " + "one text in three parts, " * 15
PATIENT = Timers(first_pause=0.02, longest_pause=0.1, tick=0.02, rest=0.05)
"""For stories in which nobody is slow but the machine."""


@pytest.fixture(scope="module")
async def _server() -> AsyncIterator[Centre]:
    async with Centre() as server:
        yield server


@pytest.fixture
async def centre(_server: Centre) -> Centre:
    await _server.ask("reset")
    return _server


def number(n: int, start: str = "+49151") -> str:
    return f"{start}{n:07d}"


async def until_open(centre: Centre, binds: int) -> None:
    async with asyncio.timeout(20):
        while (await centre.counts())["open"] != binds:
            await asyncio.sleep(0.02)


async def test_every_message_is_submitted_once_and_named(centre: Centre) -> None:
    async with smpp(centre.port, timers=PATIENT, window=20, max_connections=3) as channel:
        windows = [Window([sms(number(n), f"Hello {n}") for n in range(at, at + 200)]) for at in range(0, 2000, 200)]
        for window in windows:
            channel.send(window)
        assert all([await window.wait(30) for window in windows])
        outcomes = [outcome for window in windows for _, outcome in window.drain()]
        counts = await centre.counts()
    assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
    assert len({outcome.refs for outcome in outcomes}) == 2000
    assert (counts["taken"], counts["most"], counts["binds"]) == (2000, 1, 3)
    assert {outcome.refs[0] for outcome in outcomes} == {one["id"] for one in await centre.submits()}
    assert (await centre.counts())["unbinds"] == 3


async def test_each_fate_is_told_apart_and_touches_no_other_message(centre: Centre) -> None:
    await centre.set(
        fates={"491": {"status": 0x0B}, "492": {"status": 0x08}, "493": {"silent": True}, "494": {"status": 0x433}}
    )
    async with smpp(centre.port) as channel:
        outcomes = await sent_through(channel, [sms(f"+4{n}15112345678") for n in (90, 91, 92, 90, 93, 94, 90)])
    assert [(one.verdict, one.reason) for one in outcomes] == [
        (Verdict.SENT, None),
        (Verdict.FAILED, Reason.ADDRESS_REJECTED),
        (Verdict.RETRY, Reason.DEFERRED),
        (Verdict.SENT, None),
        (Verdict.UNKNOWN, Reason.NO_ANSWER),
        (Verdict.RETRY, Reason.DEFERRED),
        (Verdict.SENT, None),
    ]
    assert "ESME_RINVDSTADR" in outcomes[1].reply


async def test_a_centre_that_is_too_slow_is_given_less_at_a_time(centre: Centre) -> None:
    await centre.set(perSecond=400)
    async with smpp(centre.port, timers=PATIENT) as channel:
        first = await sent_through(channel, [sms(number(n)) for n in range(500)])
        assert channel.slowing.rate is not None
        throttled = [one for one in first if one.verdict is not Verdict.SENT]
        assert {(one.verdict, one.reason) for one in throttled} == {(Verdict.RETRY, Reason.THROTTLED)}
        # With half the window and half the pace nearly everything is taken.
        later = await sent_through(channel, [sms(number(n)) for n in range(500, 800)], 30)
    assert sum(one.verdict is Verdict.SENT for one in later) > 250
    assert (await centre.counts())["most"] == 1


@pytest.mark.parametrize("concatenation", Concatenation)
async def test_a_long_text_arrives_in_parts_that_belong_together(centre: Centre, concatenation: Concatenation) -> None:
    texts = [LONG.format(1), "Grüße €uro [x] " * 20, "Привет, " * 40]
    async with smpp(centre.port, concatenation=concatenation) as channel:
        messages = [sms(number(n), text, key=f"{'0' * 24}-{n}") for n, text in enumerate(texts, 1)]
        outcomes = await sent_through(channel, messages)
    submits = await centre.submits()
    for message, outcome in zip(messages, outcomes, strict=True):
        parts = [one for one in submits if f"+{one['destination']}" == message.to]
        assert outcome.refs == tuple(one["id"] for one in parts)
        assert len(parts) == (1 if concatenation is Concatenation.PAYLOAD else len(message.parts))
        if concatenation is Concatenation.UDH:
            assert {one["udh"][:8] for one in parts} == {parts[0]["udh"][:8]}
        if concatenation is Concatenation.SAR:
            assert [one["sar"][1:] for one in parts] == [[len(parts), n] for n in range(1, len(parts) + 1)]


async def test_the_rest_of_a_message_follows_when_the_centre_takes_it(centre: Centre) -> None:
    await centre.set(fates={"491": {"status": 0x14, "skip": 1, "times": 3}})
    async with smpp(centre.port) as channel:
        (outcome,) = await sent_through(channel, [sms("+49112345678", LONG.format(1))])
    assert outcome.verdict is Verdict.SENT
    counts = await centre.counts()
    assert (counts["taken"], counts["most"], counts["refused"], len(outcome.refs)) == (3, 1, 3, 3)


@pytest.mark.parametrize(("status", "reason"), [(0x0B, Reason.ADDRESS_REJECTED), (0x14, Reason.MESSAGE_REJECTED)])
async def test_a_partly_taken_message_has_failed_and_says_so(centre: Centre, status: int, reason: Reason) -> None:
    await centre.set(fates={"491": {"status": status, "skip": 1}})
    timers = Timers(**{name: getattr(BRISK, name) for name in BRISK.__slots__} | {"remainder": 0.3})
    async with smpp(centre.port, timers=timers) as channel:
        (outcome,) = await sent_through(channel, [sms("+49112345678", LONG.format(1))])
    assert (outcome.verdict, outcome.reason, outcome.refs) == (Verdict.FAILED, reason, ())
    assert outcome.reply.startswith("1 of 3 parts taken: ESME_")
    assert (await centre.counts())["taken"] == 1


async def test_a_killed_session_leaves_nobody_lost_and_at_most_a_window_uncertain(centre: Centre) -> None:
    await centre.set(delayMs=5)
    outcomes: dict[str, Outcome] = {}
    open_: list[WireSms] = [sms(number(n)) for n in range(3000)]
    async with smpp(centre.port, timers=PATIENT, window=50) as channel:

        async def kill() -> None:
            for killed in range(1, 6):
                while (await centre.counts())["taken"] < killed * 400:
                    await asyncio.sleep(0.01)
                await centre.drop()

        killing = asyncio.create_task(kill())
        while open_:
            results = await sent_through(channel, open_, 60)
            outcomes |= {m.to: o for m, o in zip(open_, results, strict=True) if o.verdict is not Verdict.RETRY}
            open_ = [m for m, o in zip(open_, results, strict=True) if o.verdict is Verdict.RETRY]
        await killing
    taken = Counter(f"+{one['destination']}" for one in await centre.submits())
    sent = {to for to, outcome in outcomes.items() if outcome.verdict is Verdict.SENT}
    unknown = {to for to, outcome in outcomes.items() if outcome.verdict is Verdict.UNKNOWN}
    assert len(sent) + len(unknown) == 3000
    assert max(taken.values()) == 1
    assert sent <= taken.keys() <= sent | unknown
    assert 0 < len(unknown) <= 5 * 50
    assert (await centre.counts())["binds"] == 6


async def test_a_refused_login_is_told_at_once_and_blames_no_message(centre: Centre) -> None:
    async with smpp(centre.port, password="wrong") as channel:
        assert (await channel.probe()).reason is Reason.AUTH_FAILED
        (outcome,) = await sent_through(channel, [sms(number(1))])
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.AUTH_FAILED)
    async with smpp(centre.port, password="wörtlich") as channel:
        assert (await channel.probe()).reason is Reason.AUTH_FAILED
    await centre.set(bindStatus=0x58)
    async with smpp(centre.port) as channel:
        assert (await channel.probe()).reason is Reason.THROTTLED


async def test_a_probe_binds_and_leaves(centre: Centre) -> None:
    async with smpp(centre.port) as channel:
        assert (await channel.probe()).verdict is Verdict.SENT
    counts = await centre.counts()
    assert (counts["binds"], counts["unbinds"], counts["taken"]) == (1, 1, 0)


async def test_a_centre_that_allows_one_session_gets_everything_over_that_one(centre: Centre) -> None:
    await centre.set(binds=1)
    async with smpp(centre.port, timers=PATIENT, max_connections=4, window=10) as channel:
        outcomes = await sent_through(channel, [sms(number(n)) for n in range(500)], 30)
    assert {one.verdict for one in outcomes} == {Verdict.SENT}
    assert (await centre.counts())["binds"] == 1


async def test_both_sides_ask_whether_the_other_is_there(centre: Centre) -> None:
    async with smpp(centre.port) as channel:
        channel.stay()
        await until_open(centre, 1)
        assert await centre.ask("ask", "enquire_link") == {"command": "enquire_link_resp", "status": 0}
        async with asyncio.timeout(20):
            while not (await centre.counts())["enquiries"]:
                await asyncio.sleep(0.02)
        assert (await centre.counts())["binds"] == 1
        await centre.set(isSilent=True)
        (outcome,) = await sent_through(channel, [sms(number(1))])
        assert (outcome.verdict, outcome.reason) == (Verdict.UNKNOWN, Reason.NO_ANSWER)
        await centre.set(isSilent=False)
        async with asyncio.timeout(20):
            while (await centre.counts())["binds"] < 2:
                await asyncio.sleep(0.02)


async def test_a_centre_that_ends_the_session_is_agreed_with_and_bound_to_again(centre: Centre) -> None:
    async with smpp(centre.port, timers=PATIENT) as channel:
        assert (await sent_through(channel, [sms(number(1))]))[0].verdict is Verdict.SENT
        assert await centre.ask("ask", "unbind") == {"command": "unbind_resp", "status": 0}
        assert (await sent_through(channel, [sms(number(2))]))[0].verdict is Verdict.SENT
    assert (await centre.counts())["binds"] == 2


async def test_receipts_are_acknowledged_once_stored(centre: Centre) -> None:
    await centre.set(receipts="DELIVRD", receiptStates={"492": "UNDELIV"}, ids="hex")
    tray = Tray()
    async with smpp(centre.port, tray, PATIENT, answer_ids=Notation.HEX, receipt_ids=Notation.DECIMAL) as channel:
        outcomes = await sent_through(channel, [sms(number(n, "+491")) for n in range(100)] + [sms("+49212345678")])
        await tray.until(101)
        assert {one.ref for one in tray.receipts} == {outcome.refs[0] for outcome in outcomes}
        assert Counter(one.state for one in tray.receipts) == {ReceiptState.DELIVERED: 100, ReceiptState.FAILED: 1}
        # What is not stored is not acknowledged, so it comes again.
        tray.is_shut = True
        await sent_through(channel, [sms("+49100000000")])
        async with asyncio.timeout(20):
            while not (await centre.counts())["redelivered"]:
                await asyncio.sleep(0.02)
        tray.is_shut = False
        await tray.until(102)
    assert (await centre.counts())["acknowledged"] == 102


async def test_what_people_write_is_read_by_its_coding(centre: Centre) -> None:
    tray = Tray()
    async with smpp(centre.port, tray, PATIENT) as channel:
        channel.stay()
        await until_open(centre, 1)
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
    async with smpp(centre.port, tray) as channel:
        channel.stay()
        await until_open(centre, 1)
        # The commands of the centre come one by one, so the parts go out by hand.
        octets = b"".join(raw_part(2 - n, n + 1, (b"Hello, ", b"world")[1 - n]) for n in range(2))
        await centre.ask("write", octets.hex())
        await tray.until(1)
        assert await centre.deliver(b"\x05\x00\x03\x07\x02\x01alone", **people) == 0
    assert [one.text for one in tray.inbound] == ["Hello, world", "alone"]


async def test_nobody_gets_through_with_what_is_no_smpp(centre: Centre) -> None:
    tray = Tray()
    async with smpp(centre.port, tray, PATIENT) as channel:
        channel.stay()
        await until_open(centre, 1)
        cut = bytes.fromhex("0000001400000005000000000000000941424344")
        unheard_of = bytes.fromhex("00000010000000210000000000000008")
        await centre.ask("write", (cut + unheard_of).hex())
        assert (await sent_through(channel, [sms(number(1))]))[0].verdict is Verdict.SENT
        await centre.ask("write", "ffffffff00000005")
        async with asyncio.timeout(20):
            while (await centre.counts())["binds"] < 2:
                await asyncio.sleep(0.02)
        assert (await sent_through(channel, [sms(number(2))]))[0].verdict is Verdict.SENT
    assert tray.news == []


async def test_tls_is_verified_and_never_done_without(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    async with Centre(certificates) as secure:
        trusted = str(certificates.ca_file)
        async with smpp(secure.port, timers=PATIENT, security=Security.TLS, ca_file=trusted) as channel:
            assert (await sent_through(channel, [sms(number(1))]))[0].verdict is Verdict.SENT
        async with smpp(secure.port, timers=PATIENT, security=Security.TLS) as channel:
            (outcome,) = await sent_through(channel, [sms(number(2))])
            assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.TLS_FAILED)
        async with smpp(secure.port, timers=PATIENT, security=Security.TLS, ca_file="nowhere.pem") as channel:
            assert (await channel.probe()).reason is Reason.TLS_FAILED
        assert (await secure.counts())["taken"] == 1


async def test_closing_settles_everything_and_unbinds(centre: Centre) -> None:
    await centre.set(delayMs=20)
    async with smpp(centre.port, timers=PATIENT, window=50) as channel:
        window = Window([sms(number(n)) for n in range(500)])
        channel.send(window)
        async with asyncio.timeout(20):
            while not (await centre.counts())["taken"]:
                await asyncio.sleep(0.01)
        await channel.aclose()
        assert window.open == 0
        verdicts = Counter(outcome.verdict for _, outcome in window.drain())
        assert set(verdicts) == {Verdict.SENT, Verdict.RETRY}
        assert verdicts[Verdict.SENT] == (await centre.counts())["taken"]
        assert (await centre.counts())["unbinds"] == 1
        await closed(channel)


async def closed(channel: SmppChannel) -> None:
    (outcome,) = await sent_through(channel, [sms(number(1))])
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.CONNECTION_LOST)


def raw_part(part: int, sequence: int, text: bytes) -> bytes:
    """A deliver_sm with one part of two."""
    said = b"\x05\x00\x03\x09\x02" + bytes((part,)) + text
    body = b"\0\1\1" + b"4915112345678\0" + b"\0\0" + b"12345\0" + b"\x40\0\0\0\0\0\0\0\0" + bytes((len(said),)) + said
    header = (len(body) + 16).to_bytes(4, "big") + b"\0\0\0\x05" + b"\0" * 4 + (900 + sequence).to_bytes(4, "big")
    return header + body
