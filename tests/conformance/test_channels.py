"""What every channel must do, whatever it speaks. A new channel adds one entry to `CHANNELS` and passes unchanged.

An entry opens a far side and a channel to it, and knows how to address a good recipient, one that is refused for good,
one that is refused for now, and one whose acceptance is never confirmed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest
import uvloop
from tests.support.letters import email, smtp
from tests.support.sink import Sink

from clarion.application.ports.channel import Channel, Window
from clarion.domain.outcome import Outcome, Verdict
from clarion.rendering.email import WireEmail


@dataclass(frozen=True, slots=True)
class FarSide:
    """A channel under test and the other side of it. Each address function makes a message from a number."""

    channel: Channel[WireEmail]
    good: Callable[[int], WireEmail]
    refused: Callable[[int], WireEmail]
    deferred: Callable[[int], WireEmail]
    unanswered: Callable[[int], WireEmail]
    arrived: Callable[[], list[str]]


@asynccontextmanager
async def over_smtp() -> AsyncIterator[FarSide]:
    async with Sink() as sink, smtp(sink.port) as channel:
        yield FarSide(
            channel,
            good=lambda number: email(f"ok+{number}@town.test"),
            refused=lambda number: email(f"5xx-rcpt+{number}@town.test"),
            deferred=lambda number: email(f"4xx-dot+{number}@town.test"),
            unanswered=lambda number: email(f"cut-after-dot+{number}@town.test"),
            arrived=sink.recipients,
        )


CHANNELS = [pytest.param(over_smtp, id="smtp")]


@pytest.fixture(params=CHANNELS)
async def far(request: pytest.FixtureRequest) -> AsyncIterator[FarSide]:
    opened: Callable[[], AbstractAsyncContextManager[FarSide]] = request.param
    async with opened() as far_side:
        yield far_side


async def outcomes_of(channel: Channel[WireEmail], messages: list[WireEmail]) -> list[Outcome]:
    window = Window(messages)
    channel.send(window)
    assert await window.wait(10)
    settled = window.drain()
    assert sorted(index for index, _ in settled) == list(range(len(messages)))
    return [outcome for _, outcome in sorted(settled, key=lambda pair: pair[0])]


async def test_every_message_of_a_window_is_sent_exactly_once(far: FarSide) -> None:
    messages = [far.good(number) for number in range(500)]
    outcomes = await outcomes_of(far.channel, messages)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
    assert sorted(far.arrived()) == sorted(message.rcpt_to for message in messages)


async def test_sending_a_window_returns_before_anything_happened(far: FarSide) -> None:
    window = Window([far.good(1)])
    far.channel.send(window)
    assert window.open == 1
    assert far.arrived() == []
    assert await window.wait(10)


async def test_many_windows_at_once_keep_their_outcomes_apart(far: FarSide) -> None:
    windows = [Window([far.good(100 * part + number) for number in range(40)]) for part in range(20)]
    for window in windows:
        far.channel.send(window)
    assert all(await asyncio.gather(*(window.wait(10) for window in windows)))
    assert {len(window.drain()) for window in windows} == {40}
    assert set(Counter(far.arrived()).values()) == {1}


async def test_an_empty_window_is_done(far: FarSide) -> None:
    assert await outcomes_of(far.channel, []) == []


async def test_each_fate_is_told_apart_and_touches_no_other_message(far: FarSide) -> None:
    makers = [far.good, far.refused, far.good, far.deferred, far.good, far.unanswered, far.good]
    outcomes = await outcomes_of(far.channel, [make(number) for number, make in enumerate(makers)])
    assert [outcome.verdict for outcome in outcomes] == [
        Verdict.SENT,
        Verdict.FAILED,
        Verdict.SENT,
        Verdict.RETRY,
        Verdict.SENT,
        Verdict.UNKNOWN,
        Verdict.SENT,
    ]
    assert all(outcome.reason for outcome in outcomes if outcome.verdict is not Verdict.SENT)


async def test_what_was_refused_did_not_arrive_and_what_is_unknown_did_at_most_once(far: FarSide) -> None:
    refused = [far.refused(1), far.deferred(2)]
    unanswered = [far.unanswered(number) for number in range(10, 20)]
    await outcomes_of(far.channel, refused + unanswered)
    arrived = Counter(far.arrived())
    assert not any(arrived[message.rcpt_to] for message in refused)
    assert all(arrived[message.rcpt_to] <= 1 for message in unanswered)


async def test_a_probe_says_that_all_is_well_and_sends_nothing(far: FarSide) -> None:
    outcome = await far.channel.probe()
    assert outcome.verdict is Verdict.SENT
    assert outcome.reply
    assert far.arrived() == []


async def test_a_closed_channel_settles_what_it_is_given(far: FarSide) -> None:
    await far.channel.aclose()
    outcomes = await outcomes_of(far.channel, [far.good(number) for number in range(3)])
    assert {outcome.verdict for outcome in outcomes} == {Verdict.RETRY}
    assert far.arrived() == []


async def test_closing_leaves_no_message_without_an_outcome(far: FarSide) -> None:
    window = Window([far.good(number) for number in range(300)])
    far.channel.send(window)
    await asyncio.sleep(0)
    await far.channel.aclose()
    assert window.open == 0
    outcomes = window.drain()
    sent = [window.messages[index].rcpt_to for index, outcome in outcomes if outcome.verdict is Verdict.SENT]
    assert sorted(sent) == sorted(far.arrived())


@pytest.mark.parametrize("opened", CHANNELS)
def test_the_same_holds_on_uvloop(opened: Callable[[], AbstractAsyncContextManager[FarSide]]) -> None:
    async def story() -> None:
        async with opened() as far_side:
            await test_each_fate_is_told_apart_and_touches_no_other_message(far_side)
        async with opened() as far_side:
            await test_every_message_of_a_window_is_sent_exactly_once(far_side)
        async with opened() as far_side:
            await test_closing_leaves_no_message_without_an_outcome(far_side)

    uvloop.run(story())
