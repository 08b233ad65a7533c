"""What every channel must do, whatever it speaks. A new channel adds one entry to `FAR_SIDES` and passes unchanged."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
import uvloop
from tests.conformance.far_side import FarSide, Opener, Wish
from tests.conformance.far_sides import FAR_SIDES
from tests.support.patience import PATIENCE_S
from tests.support.proxy import Strike

from clarion.application.ports.channel import Channel, Window
from clarion.domain.outcome import Outcome, Reason, Verdict


@pytest.fixture(params=FAR_SIDES.values(), ids=list(FAR_SIDES))
def opener(request: pytest.FixtureRequest) -> Opener:
    opened: Opener = request.param
    return opened


@pytest.fixture
async def far(opener: Opener) -> AsyncIterator[FarSide]:
    async with opener(Wish()) as far_side:
        yield far_side


async def outcomes_of(channel: Channel[Any], messages: Sequence[Any]) -> list[Outcome]:
    window = Window(messages)
    channel.send(window)
    assert await window.wait(PATIENCE_S), f"{window.open} of {len(messages)} have no outcome"
    settled = window.drain()
    assert sorted(index for index, _ in settled) == list(range(len(messages)))
    return [outcome for _, outcome in sorted(settled, key=lambda pair: pair[0])]


async def test_every_message_is_sent_exactly_once_and_carries_its_delivery_id(far: FarSide) -> None:
    messages = [far.good(number) for number in range(300)]
    outcomes = await outcomes_of(far.channel, messages)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
    assert sorted(await far.arrived()) == sorted(far.address(message) for message in messages)
    if far.keys is not None:
        assert sorted(far.keys()) == sorted(far.key_of(message.key) for message in messages)


async def test_windows_sent_at_once_keep_their_outcomes_apart_and_nothing_happens_before(far: FarSide) -> None:
    windows = [Window([far.good(100 * part + number) for number in range(20)]) for part in range(10)]
    for window in windows:
        far.channel.send(window)
    assert {window.open for window in windows} == {20}
    assert all(await asyncio.gather(*(window.wait(PATIENCE_S) for window in windows)))
    assert {len(window.drain()) for window in windows} == {20}
    assert Counter(await far.arrived()).total() == len(set(await far.arrived())) == 200


async def test_an_urgent_message_does_not_wait_for_those_that_are_not(opener: Opener) -> None:
    async with opener(Wish(alone=True)) as far:
        bulk = Window([far.good(number) for number in range(400)])
        urgent = Window([far.good(2_000)], is_urgent=True)
        far.channel.send(bulk)
        far.channel.send(urgent)
        assert await urgent.wait(PATIENCE_S)
        assert bulk.open > 200
        assert await bulk.wait(2 * PATIENCE_S)


async def test_each_fate_is_told_apart_and_touches_no_other_message(opener: Opener) -> None:
    async with opener(Wish(alone=True)) as far:
        await _each_fate(far)


async def _each_fate(far: FarSide) -> None:
    sent, failed, retry, unknown = Verdict.SENT, Verdict.FAILED, Verdict.RETRY, Verdict.UNKNOWN
    makers = [far.good, far.refused, far.good, far.deferred, far.good, far.unanswered, far.good, far.unanswered]
    messages = [make(number) for number, make in enumerate(makers)]
    window = Window(messages)
    far.channel.send(window)
    outcomes = await _known(window, {index for index, make in enumerate(makers) if make is not far.unanswered})
    far.line.strike_all(Strike.CLOSE)  # who waits for what will not come learns it now, not by a timer
    assert await window.wait(PATIENCE_S)
    outcomes |= dict(window.drain())
    verdicts = [outcomes[index].verdict for index in range(len(messages))]
    assert verdicts == [sent, failed, sent, retry, sent, unknown, sent, unknown]
    assert all(outcome.reason for outcome in outcomes.values() if outcome.verdict is not Verdict.SENT)
    arrived = Counter(await far.arrived())
    copies = [arrived[far.address(message)] for message in messages]
    assert [copies[index] for index in (0, 1, 2, 3, 4, 6)] == [1, 0, 1, 0, 1, 1]
    assert max(copies[5], copies[7]) <= 1


async def _known(window: Window[Any], wanted: set[int]) -> dict[int, Outcome]:
    """What became of a window's messages, as soon as that of the wanted ones is known."""
    outcomes: dict[int, Outcome] = {}
    while wanted - outcomes.keys():
        assert await window.wait(PATIENCE_S, left=window.open - 1), f"{window.open} have no outcome"
        outcomes |= dict(window.drain())
    return outcomes


async def test_a_refused_credential_is_nobodys_message_and_a_good_one_sends_nothing_when_tried(opener: Opener) -> None:
    async with opener(Wish(stranger=True)) as far:
        outcomes = await outcomes_of(far.channel, [far.good(number) for number in range(20)])
        outcomes.append(await far.channel.probe())
        assert {(one.verdict, one.reason) for one in outcomes} == {(Verdict.RETRY, Reason.AUTH_FAILED)}
        assert await far.arrived() == []
    async with opener(Wish()) as far:
        outcome = await far.channel.probe()
        assert (outcome.verdict, bool(outcome.reply)) == (Verdict.SENT, True)
        assert await far.arrived() == []
        assert await outcomes_of(far.channel, []) == []


async def test_closing_leaves_no_message_without_an_outcome_and_takes_no_more(far: FarSide) -> None:
    await _closing(far)


async def _closing(far: FarSide) -> None:
    window = Window([far.good(number) for number in range(300)])
    far.channel.send(window)
    await asyncio.sleep(0)
    await far.channel.aclose()
    assert window.open == 0
    outcomes = window.drain()
    sent = [far.address(window.messages[index]) for index, outcome in outcomes if outcome.verdict is Verdict.SENT]
    assert {outcome.verdict for _, outcome in outcomes} <= {Verdict.SENT, Verdict.RETRY}
    late = await outcomes_of(far.channel, [far.good(number) for number in range(900, 903)])
    assert {outcome.verdict for outcome in late} == {Verdict.RETRY}
    assert sorted(sent) == sorted(await far.arrived())


async def test_closing_that_is_cut_short_leaves_every_message_its_outcome_and_makes_no_copy(opener: Opener) -> None:
    async with opener(Wish(alone=True)) as far:
        first = Window([far.silent(0), *(far.good(number) for number in range(1, 20))])
        far.channel.send(first)
        assert await first.wait(PATIENCE_S, left=1)
        behind = Window([far.good(number) for number in range(100, 300)])
        far.channel.send(behind)
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(far.channel.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        with suppress(asyncio.CancelledError):
            await closing
        outcomes = [*first.drain(), *((20 + index, outcome) for index, outcome in behind.drain())]
        verdicts = {index: outcome.verdict for index, outcome in outcomes}
        assert len(outcomes) == len(verdicts) == 220
        assert [verdicts[index] for index in range(20)] == [Verdict.UNKNOWN] + [Verdict.SENT] * 19
        await far.channel.aclose()
        arrived = Counter(await far.arrived())
        for index, message in enumerate([*first.messages, *behind.messages]):
            assert arrived[far.address(message)] in _copies(verdicts[index])


def _copies(verdict: Verdict) -> range:
    """How many copies of a message the other side may have."""
    return {Verdict.SENT: range(1, 2), Verdict.UNKNOWN: range(2)}.get(verdict, range(1))


async def test_a_message_that_is_broken_off_was_not_sent_or_is_unknown_where_nobody_can_tell(far: FarSide) -> None:
    messages = [far.good(number) for number in range(1, 21)]
    assert [one.verdict for one in await outcomes_of(far.channel, [far.good(0)])] == [Verdict.SENT]
    far.line.is_breaking_off = True
    verdicts = [outcome.verdict for outcome in await outcomes_of(far.channel, messages)]
    assert set(verdicts) <= {Verdict.RETRY, Verdict.UNKNOWN}
    assert (Verdict.UNKNOWN in verdicts) is not far.tells_broken_off
    far.line.is_breaking_off = False
    again = [message for message, verdict in zip(messages, verdicts, strict=True) if verdict is Verdict.RETRY]
    await sent_in_the_end(far.channel, again)
    arrived = Counter(await far.arrived())
    for message, verdict in zip(messages, verdicts, strict=True):
        assert arrived[far.address(message)] in ([1] if message in again else _copies(verdict))


async def test_who_says_that_we_are_too_fast_is_told_less_often_and_gets_everything_once(opener: Opener) -> None:
    async with opener(Wish(alone=True, per_second=10)) as far:
        messages = [far.good(number) for number in range(30)]
        await sent_in_the_end(far.channel, messages)
        assert sorted(await far.arrived()) == sorted(far.address(message) for message in messages)
        # It says so 20 to 60 times; asked again and again at full speed, 230 to 500 times, the fewer the slower we are.
        assert 0 < await far.too_fast() <= 5 * len(messages)


async def sent_in_the_end(channel: Channel[Any], messages: Sequence[Any]) -> None:
    """Sends what comes back for a later try at once, until nothing does."""
    async with asyncio.timeout(2 * PATIENCE_S):
        while messages:
            outcomes = await outcomes_of(channel, messages)
            assert {outcome.verdict for outcome in outcomes} <= {Verdict.SENT, Verdict.RETRY}
            messages = [
                one for one, outcome in zip(messages, outcomes, strict=True) if outcome.verdict is Verdict.RETRY
            ]
            await asyncio.sleep(0.02)


def test_the_same_holds_on_uvloop(opener: Opener) -> None:
    async def story() -> None:
        async with opener(Wish(alone=True)) as far_side:
            await _each_fate(far_side)
        async with opener(Wish()) as far_side:
            await _closing(far_side)

    uvloop.run(story())
