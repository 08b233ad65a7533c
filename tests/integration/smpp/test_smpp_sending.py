"""Messages through the SMPP channel to the message centre of the npm package `smpp`, which is not ours."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from tests.support.patience import PATIENCE_S
from tests.support.smpp_server.centre import Centre
from tests.support.texts import PATIENT, number, sent_through, smpp, sms

from clarion.application.ports.channel import Window
from clarion.domain.outcome import Outcome, Reason, Verdict
from clarion.domain.providers.smpp import Concatenation
from clarion.rendering.sms import WireSms

LONG = "{}: " + "one text in three parts, " * 15


async def test_every_message_is_submitted_once_and_named(centre: Centre) -> None:
    async with smpp(centre.port, window=20, max_connections=3) as channel:
        windows = [Window([sms(number(n), f"Hello {n}") for n in range(at, at + 200)]) for at in range(0, 2000, 200)]
        for window in windows:
            channel.send(window)
        assert all([await window.wait(PATIENCE_S) for window in windows])
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
    async with smpp(centre.port, timers=replace(PATIENT, response=5.0)) as channel:
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
    await centre.set(perSecond=100)
    async with smpp(centre.port) as channel:
        first = await sent_through(channel, [sms(number(n)) for n in range(300)])
        assert channel.slowing.rate is not None
        throttled = [one for one in first if one.verdict is not Verdict.SENT]
        assert {(one.verdict, one.reason) for one in throttled} == {(Verdict.RETRY, Reason.THROTTLED)}
        # With half the window and half the pace nearly everything is taken.
        later = await sent_through(channel, [sms(number(n)) for n in range(300, 400)])
    assert sum(one.verdict is Verdict.SENT for one in later) > 75
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
    async with smpp(centre.port, timers=replace(PATIENT, remainder=0.3)) as channel:
        (outcome,) = await sent_through(channel, [sms("+49112345678", LONG.format(1))])
    assert (outcome.verdict, outcome.reason, outcome.refs) == (Verdict.FAILED, reason, ())
    assert outcome.reply.startswith("1 of 3 parts taken: ESME_")
    assert (await centre.counts())["taken"] == 1


async def test_a_killed_session_leaves_nobody_lost_and_at_most_a_window_uncertain(centre: Centre) -> None:
    await centre.set(delayMs=5)
    outcomes: dict[str, Outcome] = {}
    open_: list[WireSms] = [sms(number(n)) for n in range(3000)]
    async with smpp(centre.port, window=50) as channel:

        async def kill() -> None:
            for killed in range(1, 6):
                while (await centre.counts())["taken"] < killed * 400:
                    await asyncio.sleep(0.01)
                await centre.drop()

        killing = asyncio.create_task(kill())
        while open_:
            results = await sent_through(channel, open_)
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
