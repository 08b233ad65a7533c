"""How many connections are open, when, and what happens when none can be (F41, F42, F53, F59)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from tests.support.letters import BRISK, UNHURRIED, email, loopback, sent_to, smtp
from tests.support.patience import PATIENCE_S
from tests.support.ports import free_port
from tests.support.sink import Manners, Sink

from clarion.adapters.channels.smtp import SmtpChannel
from clarion.application.ports.channel import Window
from clarion.domain.outcome import Reason, Verdict


def addresses(count: int) -> list[str]:
    return [f"reader{number}@town.test" for number in range(count)]


@pytest.mark.parametrize("name", ["", "a b", "a\r\nMAIL", "köln.test", "x" * 256])
def test_t05_a_name_that_cannot_be_said_in_ehlo_is_refused_at_once(name: str) -> None:
    with pytest.raises(ValueError, match="EHLO"):
        SmtpChannel(loopback(25), helo_name=name)


async def test_one_message_opens_one_connection() -> None:
    async with Sink() as sink, smtp(sink.port, UNHURRIED) as channel:
        await sent_to(channel, *addresses(1))
        assert sink.connections == 1


async def test_connections_grow_with_the_load_and_stop_at_the_limit() -> None:
    async with Sink() as sink, smtp(sink.port, UNHURRIED, max_connections=5) as channel:
        await sent_to(channel, *[f"slow0.01+{number}@town.test" for number in range(100)])
        assert (sink.most_open, sink.connections) == (5, 5)


async def test_connections_are_reused_by_later_windows() -> None:
    async with Sink() as sink, smtp(sink.port, UNHURRIED, max_connections=3) as channel:
        for _ in range(10):
            await sent_to(channel, *addresses(30))
        assert sink.connections == 3


async def test_a_connection_is_left_politely_after_its_share_of_messages() -> None:
    async with Sink() as sink, smtp(sink.port, UNHURRIED, max_connections=1, max_messages_per_connection=10) as channel:
        outcomes = await sent_to(channel, *addresses(35))
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        assert sink.connections == 4
        assert sink.commands.count("QUIT") == 3


async def test_an_idle_connection_is_left_politely() -> None:
    async with Sink() as sink, smtp(sink.port) as channel:
        await sent_to(channel, *addresses(1))
        await sink.wait_deserted()
        assert sink.commands[-1] == "QUIT"


async def test_f42_nobody_listening_is_a_definite_retry_after_a_bounded_wait() -> None:
    async with smtp(free_port()) as channel:
        outcomes = await sent_to(channel, *addresses(50))
        assert {(outcome.verdict, outcome.reason) for outcome in outcomes} == {
            (Verdict.RETRY, Reason.CONNECTION_FAILED)
        }
        probed = await channel.probe()
        assert (probed.verdict, probed.reason) == (Verdict.RETRY, Reason.CONNECTION_FAILED)


async def test_f42_time_in_which_the_process_stood_still_is_no_wait_for_a_connection() -> None:
    async with Sink() as sink, smtp(sink.port) as channel:
        window = Window([email("reader@town.test")])
        channel.send(window)
        time.sleep(BRISK.unreachable + 0.2)  # noqa: ASYNC251 - stops the loop on purpose
        assert await window.wait(PATIENCE_S)
        assert [outcome.verdict for _, outcome in window.drain()] == [Verdict.SENT]


async def test_f42_an_unknown_host_is_a_definite_retry() -> None:
    async with smtp(25, host="relay.invalid") as channel:
        (outcome,) = await sent_to(channel, "reader@town.test")
        assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.CONNECTION_FAILED)


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [
        (b"554 5.7.1 go away\r\n", Reason.CONNECTION_FAILED),
        (b"421 4.7.0 too many connections\r\n", Reason.THROTTLED),
        (b"450 4.3.2 starting\r\n", Reason.CONNECTION_FAILED),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Reason.CONNECTION_FAILED),
        (b"220-" + b"x" * 5000, Reason.CONNECTION_FAILED),
    ],
)
async def test_f39_f40_f47_a_greeting_that_is_none_is_never_a_recipients_fault(greeting: bytes, reason: Reason) -> None:
    patient = replace(BRISK, greeting=PATIENCE_S)  # a try that stood still would be the last failure
    async with Sink(Manners(greeting=greeting)) as sink, smtp(sink.port, patient) as channel:
        outcomes = await sent_to(channel, *addresses(5))
        assert {(outcome.verdict, outcome.reason) for outcome in outcomes} == {(Verdict.RETRY, reason)}


async def test_f42_a_server_that_never_greets_is_given_up() -> None:
    async with Sink(Manners(silent=True)) as sink, smtp(sink.port) as channel:
        outcomes = await sent_to(channel, *addresses(5))
        assert {outcome.reason for outcome in outcomes} == {Reason.CONNECTION_FAILED}


async def test_f53_a_dead_relay_is_knocked_at_seldom_and_costs_next_to_nothing() -> None:
    knocks = 0

    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal knocks
        knocks += 1
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    patient = replace(BRISK, first_pause=0.02, longest_pause=10.0, unreachable=1.0)
    began = time.process_time()
    async with server, smtp(server.sockets[0].getsockname()[1], patient) as channel:
        outcomes = await sent_to(channel, *addresses(500))
    assert {outcome.reason for outcome in outcomes} == {Reason.CONNECTION_FAILED}
    assert knocks <= 16, "each pause is twice the one before: some 7 tries in a second, where 50 would fit"
    assert time.process_time() - began < 0.5


async def test_f53_sending_goes_on_by_itself_when_the_relay_is_back() -> None:
    port = free_port()
    sink = Sink()
    async with smtp(port, replace(BRISK, unreachable=PATIENCE_S)) as channel:
        window = Window([email(to) for to in addresses(20)])
        channel.send(window)
        assert not await window.wait(0.1)
        await sink.listen(port)
        assert await window.wait(PATIENCE_S)
        assert {outcome.verdict for _, outcome in window.drain()} == {Verdict.SENT}
    await sink.aclose()


async def test_messages_behind_connections_that_never_answer_do_not_wait_for_ever() -> None:
    stuck = replace(UNHURRIED, stalled=0.5, drain=0.1)
    async with Sink() as sink:
        channel = SmtpChannel(loopback(sink.port, max_connections=2), helo_name="clarion.test", timeouts=stuck)
        window = Window([email(f"silent-after-dot+{number}@town.test") for number in range(30)])
        channel.send(window)
        assert await window.wait(PATIENCE_S, left=4)  # two wait for their answer, and behind each one for its turn
        outcomes = [outcome for _, outcome in window.drain()]
        assert {(outcome.verdict, outcome.reason) for outcome in outcomes} == {
            (Verdict.RETRY, Reason.CONNECTION_FAILED)
        }
        assert window.open == 4
        await channel.aclose()
        assert window.open == 0
        assert {outcome.verdict for _, outcome in window.drain()} == {Verdict.UNKNOWN, Verdict.RETRY}
        assert len(sink.accepted) == 2


async def test_f59_closing_finishes_what_is_on_the_wire_and_gives_back_the_rest() -> None:
    async with Sink() as sink:
        channel = SmtpChannel(loopback(sink.port, max_connections=2), helo_name="clarion.test", timeouts=UNHURRIED)
        window = Window([email(f"slow0.05+{number}@town.test") for number in range(40)])
        channel.send(window)
        await sink.wait_accepted(2)
        await channel.aclose()
        assert window.open == 0
        outcomes = dict(window.drain())
        sent = {
            window.messages[index].rcpt_to for index, outcome in outcomes.items() if outcome.verdict is Verdict.SENT
        }
        assert {outcome.verdict for outcome in outcomes.values()} == {Verdict.SENT, Verdict.RETRY}
        assert sent == set(sink.recipients())
        assert sink.commands.count("QUIT") == 2


async def test_after_closing_every_message_settles_at_once() -> None:
    async with Sink() as sink:
        channel = SmtpChannel(loopback(sink.port), helo_name="clarion.test", timeouts=BRISK)
        await channel.aclose()
        await channel.aclose()
        outcomes = await sent_to(channel, "reader@town.test")
        assert outcomes[0].verdict is Verdict.RETRY
        assert sink.connections == 0
