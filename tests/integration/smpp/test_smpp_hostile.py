"""Centres that do what no centre should: the channel refuses it, waits for nobody for ever, and calls nothing sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from tests.support.patience import PATIENCE_S
from tests.support.texts import PATIENT, number, sent_through, smpp, sms

from clarion.adapters.channels.smpp import pdu
from clarion.adapters.channels.smpp.pdu import Pdu, Reader, unit
from clarion.domain.outcome import Reason, Verdict

STRANGE = replace(PATIENT, leave=0.3)
"""None of these centres takes leave."""


class Far:
    """The far side of one connection: reads PDUs, says whatever it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._units: list[Pdu] = []
        self._pdus = Reader()

    async def hear(self, command: int) -> Pdu:
        """The next PDU of this kind; others are passed over."""
        while True:
            while self._units:
                found = self._units.pop(0)
                if found.command == command:
                    return found
            data = await self._reader.read(65536)
            if not data:
                raise EOFError
            units, fault = self._pdus.feed(data)
            assert fault is None
            self._units += units

    def say(self, octets: bytes) -> None:
        """Writes bytes as they are."""
        self._writer.write(octets)

    async def bound(self) -> None:
        """Lets the client bind."""
        asked = await self.hear(pdu.BIND_TRANSCEIVER)
        self.say(unit(pdu.BIND_TRANSCEIVER_RESP, asked.sequence, b"far\0"))

    async def submits(self, count: int) -> list[int]:
        """The numbers of the next messages."""
        return [(await self.hear(pdu.SUBMIT_SM)).sequence for _ in range(count)]

    def close(self) -> None:
        """Hangs up."""
        self._writer.close()


@asynccontextmanager
async def centre(story: Callable[[Far], Awaitable[None]]) -> AsyncIterator[int]:
    """A server that tells this story to everyone who connects; gives its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await story(Far(reader, writer))
            await reader.read()
        except (EOFError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def took(sequence: int, ref: str = "1") -> bytes:
    return unit(pdu.SUBMIT_SM_RESP, sequence, ref.encode() + b"\0")


async def _silent(far: Far) -> None:
    await far.hear(pdu.BIND_TRANSCEIVER)


async def _babbling(far: Far) -> None:
    await far.hear(pdu.BIND_TRANSCEIVER)
    far.say(b"220 mail.example ESMTP\r\n" * 10)


async def _hanging_up(far: Far) -> None:
    await far.hear(pdu.BIND_TRANSCEIVER)
    far.close()


async def _not_acknowledging(far: Far) -> None:
    asked = await far.hear(pdu.BIND_TRANSCEIVER)
    far.say(unit(pdu.GENERIC_NACK, asked.sequence, status=3))


async def _dropping(far: Far) -> None:
    await far.bound()
    far.close()


async def test_a_session_that_ends_as_it_begins_is_followed_by_another() -> None:
    sessions = 0

    async def story(far: Far) -> None:
        nonlocal sessions
        sessions += 1
        asked = await far.hear(pdu.BIND_TRANSCEIVER)
        far.say(unit(pdu.BIND_TRANSCEIVER_RESP, asked.sequence, b"far\0"))
        if sessions < 4:
            far.say(b"\xff" * 16)
            return
        (sequence,) = await far.submits(1)
        far.say(took(sequence))

    async with centre(story) as port, smpp(port, timers=STRANGE) as channel:
        channel.stay()
        while sessions < 4:
            await asyncio.sleep(0.01)
        assert (await sent_through(channel, [sms(number(1))]))[0].verdict is Verdict.SENT


@pytest.mark.parametrize("story", [_silent, _babbling, _hanging_up, _not_acknowledging, _dropping])
async def test_who_cannot_be_bound_to_is_sent_nothing(story: Callable[[Far], Awaitable[None]]) -> None:
    timers = replace(STRANGE, unreachable=1.0)
    async with centre(story) as port, smpp(port, timers=timers) as channel:
        (outcome,) = await sent_through(channel, [sms(number(1))])
        # Bound and cut off at once, the message may have been on its way.
        allowed = {Verdict.RETRY, Verdict.UNKNOWN} if story is _dropping else {Verdict.RETRY}
        assert outcome.verdict in allowed
        assert outcome.reason in {Reason.CONNECTION_FAILED, Reason.CONNECTION_LOST, Reason.NO_ANSWER}


async def test_answers_in_any_order_twice_and_to_nothing_find_their_messages() -> None:
    async def story(far: Far) -> None:
        await far.bound()
        first, second, third = await far.submits(3)
        far.say(took(999_999) + took(third, "c") + took(third, "x") + unit(pdu.SUBMIT_SM_RESP, first, status=0x0B))
        far.say(unit(pdu.GENERIC_NACK, second, status=0x03))

    async with centre(story) as port, smpp(port, timers=STRANGE) as channel:
        outcomes = await sent_through(channel, [sms(number(n)) for n in range(3)])
    assert [one.verdict for one in outcomes] == [Verdict.FAILED, Verdict.FAILED, Verdict.SENT]
    assert outcomes[2].refs == ("c",)


async def test_an_answer_without_an_id_is_sent_and_has_no_name() -> None:
    async def story(far: Far) -> None:
        await far.bound()
        for sequence in await far.submits(2):
            far.say(unit(pdu.SUBMIT_SM_RESP, sequence, b"" if sequence % 2 else b"\0"))

    async with centre(story) as port, smpp(port, timers=STRANGE) as channel:
        outcomes = await sent_through(channel, [sms(number(n)) for n in range(2)])
    assert [(one.verdict, one.refs) for one in outcomes] == [(Verdict.SENT, ())] * 2


@pytest.mark.parametrize(
    "end",
    [
        b"\xff\xff\xff\xff\x80\0\0\4",
        b"\0\0\0\x04" * 8,
        unit(pdu.GENERIC_NACK, 0, status=0x02),
        b"\0\0\0\x20\x80\0\0\4half a unit",
    ],
)
async def test_what_was_written_when_sense_ended_is_unknown(end: bytes) -> None:
    async def story(far: Far) -> None:
        await far.bound()
        first, _ = await far.submits(2)
        far.say(took(first))
        far.say(end)

    async with centre(story) as port, smpp(port, timers=replace(STRANGE, response=2.0)) as channel:
        outcomes = await sent_through(channel, [sms(number(n)) for n in range(2)])
    assert [(one.verdict, one.reason) for one in outcomes] == [
        (Verdict.SENT, None),
        (Verdict.UNKNOWN, Reason.NO_ANSWER),
    ]


async def test_a_message_refused_for_want_of_a_bind_goes_over_a_new_one_later() -> None:
    async def story(far: Far) -> None:
        await far.bound()
        (sequence,) = await far.submits(1)
        far.say(unit(pdu.SUBMIT_SM_RESP, sequence, status=0x04))
        assert not await far.submits(1), "the session is over"

    async with centre(story) as port, smpp(port, timers=STRANGE) as channel:
        (outcome,) = await sent_through(channel, [sms(number(1))])
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.CONNECTION_LOST)


async def test_of_a_long_message_no_part_is_left_behind_when_the_window_is_narrow() -> None:
    written: list[int] = []

    async def story(far: Far) -> None:
        await far.bound()
        while True:
            (sequence,) = await far.submits(1)
            written.append(sequence)
            far.say(took(sequence, str(sequence)))

    async with centre(story) as port, smpp(port, timers=STRANGE, window=1) as channel:
        (outcome,) = await sent_through(channel, [sms(number(1), "x" * 600)])
    assert outcome.verdict is Verdict.SENT
    assert len(outcome.refs) == len(written) == 4


async def test_a_session_lost_between_parts_sends_the_rest_over_the_next() -> None:
    sessions: list[Far] = []

    async def story(far: Far) -> None:
        sessions.append(far)
        await far.bound()
        (sequence,) = await far.submits(1)
        far.say(took(sequence, f"{len(sessions)}"))
        if len(sessions) == 1:
            # The centre ends the session when one part of four is taken.
            far.say(unit(pdu.UNBIND, 77))
            await far.hear(pdu.UNBIND_RESP)
            far.close()
        while True:
            (sequence,) = await far.submits(1)
            far.say(took(sequence, f"{len(sessions)}"))

    async with centre(story) as port, smpp(port, timers=STRANGE, window=1) as channel:
        (outcome,) = await sent_through(channel, [sms(number(1), "x" * 600)])
    assert outcome.verdict is Verdict.SENT
    assert set(outcome.refs) == {"1", "2"}
    assert len(outcome.refs) == 4


async def test_a_closing_channel_waits_no_longer_than_it_says() -> None:
    async def story(far: Far) -> None:
        await far.bound()

    async with centre(story) as port, smpp(port, timers=replace(STRANGE, drain=0.5)) as channel:
        channel.stay()
        async with asyncio.timeout(PATIENCE_S):
            await channel.aclose()
