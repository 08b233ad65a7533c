"""Messages to a far server leave before the ones in front of them are answered, where it offers CHUNKING (RFC 3030)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.letters import BRISK, email, sent_through, sent_to, smtp
from tests.support.sink import Manners, Sink

from clarion.adapters.channels.smtp.chunked import AHEAD, unstuffed
from clarion.domain.outcome import Reason, Verdict

FAR = replace(BRISK, far=-1.0)
"""Every server counts as far away."""
CHUNKING = Manners(chunking=True)


def people(count: int) -> list[str]:
    return [f"reader{number}@town.test" for number in range(count)]


async def test_each_message_arrives_once_and_as_it_was_written() -> None:
    dotted = b"Subject: dots\r\n\r\n..one\r\n...two\r\n"
    async with Sink(CHUNKING) as sink, smtp(sink.port, FAR, max_connections=2) as channel:
        outcomes = await sent_through(channel, [email(to, dotted) for to in people(50)])
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        assert sorted(sink.recipients()) == sorted(people(50))
        assert {acceptance.data for acceptance in sink.accepted} == {b"Subject: dots\r\n\r\n.one\r\n..two\r\n"}
        assert "DATA" not in sink.commands


async def test_several_are_on_their_way_before_the_first_is_answered() -> None:
    async with Sink(CHUNKING) as sink, smtp(sink.port, FAR, max_connections=1) as channel:
        outcomes = await sent_to(channel, "silent-after-dot@town.test", *people(AHEAD + 2))
        unknown = [outcome for outcome in outcomes if outcome.verdict is Verdict.UNKNOWN]
        assert len(unknown) == AHEAD  # the silent one and those written behind it
        assert {outcome.reason for outcome in unknown} == {Reason.NO_ANSWER}
        assert sorted(sink.recipients()[1:]) == people(AHEAD + 2)[AHEAD - 1 :]


async def test_a_server_that_broke_one_off_is_sent_one_at_a_time_from_then_on() -> None:
    async with Sink(CHUNKING) as sink, smtp(sink.port, FAR, max_connections=1) as channel:
        await sent_to(channel, "cut-after-dot@town.test", *people(AHEAD))
        sink.commands.clear()
        outcomes = await sent_to(channel, *people(3))
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        assert "DATA" in sink.commands


@pytest.mark.parametrize("point", ["mail", "rcpt", "data", "dot"])
async def test_f40_a_refusal_costs_its_own_message_only(point: str) -> None:
    async with Sink(CHUNKING) as sink, smtp(sink.port, FAR, max_connections=1) as channel:
        bad = f"550_5.1.1-{point}@town.test"
        message = email(bad, mail_from=bad) if point == "mail" else email(bad)
        first, last = people(2)
        outcomes = await sent_through(channel, [email(first), message, email(last)])
        assert [outcome.verdict for outcome in outcomes] == [Verdict.SENT, Verdict.FAILED, Verdict.SENT]
        assert sink.recipients() == [first, last]


async def test_f41_those_behind_a_421_were_not_read_and_go_over_another_connection() -> None:
    manners = Manners(chunking=True, messages_per_connection=3)
    async with Sink(manners) as sink, smtp(sink.port, FAR, max_connections=1) as channel:
        outcomes = await sent_to(channel, *people(11))
        sent = [outcome for outcome in outcomes if outcome.verdict is Verdict.SENT]
        assert len(sent) == len(sink.recipients()) == len(set(sink.recipients()))
        assert Verdict.UNKNOWN not in {outcome.verdict for outcome in outcomes}


async def test_a_near_server_is_sent_one_message_at_a_time_though_it_offers_chunking() -> None:
    async with Sink(CHUNKING) as sink, smtp(sink.port, replace(BRISK, far=60.0)) as channel:
        await sent_to(channel, *people(3))
        assert "DATA" in sink.commands


@pytest.mark.parametrize(
    ("stuffed", "plain"),
    [
        (b"a\r\n..b\r\n", b"a\r\n.b\r\n"),
        (b"..a\r\n", b".a\r\n"),
        (b"a..b\r\n", b"a..b\r\n"),
        (b"\r\n....\r\n", b"\r\n...\r\n"),
    ],
)
def test_dots_are_taken_out_as_they_were_put_in(stuffed: bytes, plain: bytes) -> None:
    assert unstuffed(stuffed) == plain
