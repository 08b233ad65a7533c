"""Refusals and breaks at every point of a transaction (F39 to F47), with and without PIPELINING.

Every case sends good messages around the bad one: nothing that happens to one message may touch another.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import replace

import pytest
from tests.support.letters import BRISK, UNHURRIED, email, sent_through, sent_to, smtp
from tests.support.patience import PATIENCE_S
from tests.support.sink import Manners, Sink

from clarion.application.ports.channel import Window
from clarion.domain.outcome import Outcome, Reason, Verdict

PIPELINING = pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "lockstep"])
GOOD = [f"reader{number}@town.test" for number in range(6)]


def settled(outcome: Outcome) -> tuple[Verdict, Reason | None]:
    return outcome.verdict, outcome.reason


async def among_good_ones(sink: Sink, address: str, mail_from: str = "news@shop.test") -> Outcome:
    """Sends one message amid good ones over a single connection, checks the good ones, gives its outcome."""
    letters = [email(to) for to in GOOD[:3]]
    letters += [email(address, mail_from=mail_from)]
    letters += [email(to) for to in GOOD[3:]]
    async with smtp(sink.port, max_connections=1) as channel:
        outcomes = await sent_through(channel, letters)
    assert [outcome.verdict for outcome in outcomes[:3] + outcomes[4:]] == [Verdict.SENT] * len(GOOD)
    counted = Counter(sink.recipients())
    assert {to: counted[to] for to in GOOD} == dict.fromkeys(GOOD, 1)
    return outcomes[3]


@PIPELINING
@pytest.mark.parametrize(
    ("script", "verdict", "reason"),
    [
        ("4xx-rcpt", Verdict.RETRY, Reason.DEFERRED),
        ("4xx-data", Verdict.RETRY, Reason.DEFERRED),
        ("4xx-dot", Verdict.RETRY, Reason.DEFERRED),
        ("421-rcpt", Verdict.RETRY, Reason.THROTTLED),
        ("421-data", Verdict.RETRY, Reason.THROTTLED),
        ("421-dot", Verdict.RETRY, Reason.THROTTLED),
        ("550_5.1.1-rcpt", Verdict.FAILED, Reason.ADDRESS_UNKNOWN),
        ("551-rcpt", Verdict.FAILED, Reason.ADDRESS_REJECTED),
        ("552_5.2.2-rcpt", Verdict.FAILED, Reason.MAILBOX_FULL),
        ("550_5.7.1-rcpt", Verdict.FAILED, Reason.POLICY_REJECTED),
        ("554-data", Verdict.FAILED, Reason.MESSAGE_REJECTED),
        ("550_5.7.1-dot", Verdict.FAILED, Reason.POLICY_REJECTED),
        ("552_5.3.4-dot", Verdict.FAILED, Reason.TOO_BIG),
        ("cut-rcpt", Verdict.RETRY, Reason.CONNECTION_LOST),
        ("cut-data", Verdict.RETRY, Reason.CONNECTION_LOST),
        ("silent-rcpt", Verdict.RETRY, Reason.CONNECTION_LOST),
        ("silent-data", Verdict.RETRY, Reason.CONNECTION_LOST),
        ("garbage-rcpt", Verdict.RETRY, Reason.CONNECTION_LOST),
        ("250-data", Verdict.RETRY, Reason.CONNECTION_LOST),
        ("354-rcpt", Verdict.RETRY, Reason.CONNECTION_LOST),
        ("endless-rcpt", Verdict.RETRY, Reason.CONNECTION_LOST),
        ("rambling-data", Verdict.RETRY, Reason.CONNECTION_LOST),
        ("drip-rcpt", Verdict.RETRY, Reason.CONNECTION_LOST),
        ("cut-dot", Verdict.UNKNOWN, Reason.NO_ANSWER),
        ("silent-dot", Verdict.UNKNOWN, Reason.NO_ANSWER),
        ("garbage-dot", Verdict.UNKNOWN, Reason.NO_ANSWER),
        ("354-dot", Verdict.UNKNOWN, Reason.NO_ANSWER),
        ("endless-dot", Verdict.UNKNOWN, Reason.NO_ANSWER),
        ("drip-dot", Verdict.UNKNOWN, Reason.NO_ANSWER),
        ("rambling-dot", Verdict.UNKNOWN, Reason.NO_ANSWER),
    ],
)
async def test_f39_f40_f43_f44_f47_what_befalls_a_message_not_accepted(
    script: str, verdict: Verdict, reason: Reason, *, pipelining: bool
) -> None:
    async with Sink(Manners(pipelining=pipelining)) as sink:
        outcome = await among_good_ones(sink, f"{script}@town.test")
        assert settled(outcome) == (verdict, reason)
        assert f"{script}@town.test" not in sink.recipients()


@PIPELINING
@pytest.mark.parametrize(
    ("script", "verdict", "reason"),
    [
        ("cut-after-dot", Verdict.UNKNOWN, Reason.NO_ANSWER),
        ("silent-after-dot", Verdict.UNKNOWN, Reason.NO_ANSWER),
        ("slow0.3", Verdict.SENT, None),
    ],
)
async def test_f44_f45_f46_what_befalls_an_accepted_message_without_a_prompt_answer(
    script: str, verdict: Verdict, reason: Reason | None, *, pipelining: bool
) -> None:
    async with Sink(Manners(pipelining=pipelining)) as sink:
        outcome = await among_good_ones(sink, f"{script}@town.test")
        assert settled(outcome) == (verdict, reason)
        assert sink.recipients().count(f"{script}@town.test") == 1


@PIPELINING
async def test_f45_an_answer_that_may_be_lost_in_a_reset_never_makes_a_second_copy(*, pipelining: bool) -> None:
    async with Sink(Manners(pipelining=pipelining)) as sink:
        outcome = await among_good_ones(sink, "cut-after-answer@town.test")
        assert outcome.verdict in {Verdict.SENT, Verdict.UNKNOWN}
        assert sink.recipients().count("cut-after-answer@town.test") == 1


@PIPELINING
@pytest.mark.parametrize(
    ("script", "verdict", "reason"),
    [
        ("4xx-mail", Verdict.RETRY, Reason.DEFERRED),
        ("421-mail", Verdict.RETRY, Reason.THROTTLED),
        ("550_5.7.1-mail", Verdict.FAILED, Reason.POLICY_REJECTED),
        ("530-mail", Verdict.RETRY, Reason.AUTH_FAILED),
        ("552-mail", Verdict.FAILED, Reason.TOO_BIG),
        ("cut-mail", Verdict.RETRY, Reason.CONNECTION_LOST),
        ("silent-mail", Verdict.RETRY, Reason.CONNECTION_LOST),
        ("garbage-mail", Verdict.RETRY, Reason.CONNECTION_LOST),
    ],
)
async def test_f39_f40_a_refused_sender_stops_its_own_message_only(
    script: str, verdict: Verdict, reason: Reason, *, pipelining: bool
) -> None:
    async with Sink(Manners(pipelining=pipelining)) as sink:
        outcome = await among_good_ones(sink, "someone@town.test", mail_from=f"{script}@shop.test")
        assert settled(outcome) == (verdict, reason)
        assert "someone@town.test" not in sink.recipients()


async def test_the_servers_own_words_are_kept() -> None:
    async with Sink() as sink, smtp(sink.port) as channel:
        failed, sent = await sent_to(channel, "550_5.1.1-rcpt@town.test", "reader@town.test")
    assert failed.reply == "550 5.1.1 as asked"
    assert sent.reply.startswith("250 2.0.0 accepted as ")


@PIPELINING
async def test_f41_a_421_between_messages_costs_a_reconnect_and_nothing_else(*, pipelining: bool) -> None:
    addresses = [f"reader{number}@town.test" for number in range(20)]
    async with Sink(Manners(pipelining=pipelining, messages_per_connection=3)) as sink:
        async with smtp(sink.port, UNHURRIED, max_connections=1) as channel:
            outcomes = await sent_to(channel, *addresses)
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        assert sorted(sink.recipients()) == sorted(addresses)
        assert sink.connections == 7


async def test_f41_a_connection_closed_while_idle_is_replaced() -> None:
    async with Sink() as sink, smtp(sink.port) as channel:
        await sent_to(channel, "first@town.test")
        for connection in list(sink.open_connections):
            connection.cut()
        assert [outcome.verdict for outcome in await sent_to(channel, "second@town.test")] == [Verdict.SENT]
        assert sink.recipients() == ["first@town.test", "second@town.test"]


async def test_f43_a_large_message_cut_in_the_middle_of_its_data_was_definitely_not_sent() -> None:
    large = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 1_000_000
    async with Sink() as sink, smtp(sink.port) as channel:
        outcomes = await sent_through(channel, [email("cut-mid-data@town.test", large), email("reader@town.test")])
        assert settled(outcomes[0]) == (Verdict.RETRY, Reason.CONNECTION_LOST)
        assert outcomes[1].verdict is Verdict.SENT
        assert sink.recipients() == ["reader@town.test"]


async def test_f44_a_server_that_stops_taking_data_is_given_up_before_the_dot() -> None:
    large = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 1_000_000

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 deaf.test\r\n")
        await reader.readline()
        writer.write(b"250-deaf.test\r\n250 PIPELINING\r\n")
        await reader.readuntil(b"DATA\r\n")
        writer.write(b"250 ok\r\n250 ok\r\n354 go\r\n")

    server = await asyncio.start_server(deaf, "127.0.0.1", 0, limit=1024)
    async with server, smtp(server.sockets[0].getsockname()[1]) as channel:
        (outcome,) = await sent_through(channel, [email("reader@town.test", large)])
    assert settled(outcome) == (Verdict.RETRY, Reason.CONNECTION_LOST)
    assert "took no data" in outcome.reply


async def test_a_large_message_arrives_whole() -> None:
    large = b"Subject: large\r\n\r\n" + b"..0123456789abcdef\r\n" * 1_000_000
    async with Sink() as sink, smtp(sink.port, UNHURRIED) as channel:
        outcomes = await sent_through(channel, [email(to, large) for to in GOOD])
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        assert {acceptance.data == large.replace(b"\r\n..", b"\r\n.") for acceptance in sink.accepted} == {True}
        assert sorted(sink.recipients()) == GOOD


async def test_f44_a_silent_answer_holds_its_own_connection_only() -> None:
    addresses = [f"reader{number}@town.test" for number in range(400)]
    slow_dot = replace(BRISK, dot=PATIENCE_S)
    async with Sink() as sink, smtp(sink.port, slow_dot, max_connections=3) as channel:
        window = Window([email(to) for to in ("silent-after-dot@town.test", *addresses)])
        channel.send(window)
        assert await window.wait(PATIENCE_S, left=1)
        assert {index for index, _ in window.drain()} == set(range(1, len(addresses) + 1))
        assert window.open == 1
        for connection in list(sink.open_connections):
            connection.cut()
        assert await window.wait(PATIENCE_S)
        assert [settled(outcome) for _, outcome in window.drain()] == [(Verdict.UNKNOWN, Reason.NO_ANSWER)]


async def test_f44_time_in_which_the_process_stood_still_is_nobodys_silence() -> None:
    async with Sink() as sink, smtp(sink.port) as channel:
        window = Window([email("slow0.1@town.test")])
        channel.send(window)
        await sink.wait_accepted(1)
        time.sleep(BRISK.dot + 0.2)  # noqa: ASYNC251 - stops the loop on purpose
        assert await window.wait(PATIENCE_S)
        assert [outcome.verdict for _, outcome in window.drain()] == [Verdict.SENT]


async def test_f48_a_greylisted_message_is_accepted_when_tried_again() -> None:
    async with Sink() as sink, smtp(sink.port) as channel:
        (first,) = await sent_to(channel, "grey@town.test")
        (second,) = await sent_to(channel, "grey@town.test")
        assert settled(first) == (Verdict.RETRY, Reason.DEFERRED)
        assert second.verdict is Verdict.SENT
        assert sink.recipients() == ["grey@town.test"]


async def test_g8_a_mix_of_faults_loses_nothing_and_doubles_nothing() -> None:
    scripts = ["ok"] * 89 + ["4xx-rcpt"] * 5 + ["5xx-rcpt"] * 2 + ["cut-data"] * 2 + ["cut-after-dot"] + ["slow0.05"]
    addresses = [f"{scripts[number * 37 % 100]}+{number}@town.test" for number in range(2000)]
    async with Sink() as sink, smtp(sink.port) as channel:
        outcomes = await sent_to(channel, *addresses)
        accepted = Counter(sink.recipients())
    assert max(accepted.values()) == 1
    for address, outcome in zip(addresses, outcomes, strict=True):
        if outcome.verdict is Verdict.SENT:
            assert accepted[address] == 1
        elif outcome.verdict is not Verdict.UNKNOWN:
            assert accepted[address] == 0
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    assert verdicts == {Verdict.SENT: 1800, Verdict.RETRY: 140, Verdict.FAILED: 40, Verdict.UNKNOWN: 20}
