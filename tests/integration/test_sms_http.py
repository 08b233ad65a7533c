"""SMS over HTTP: what `tests/conformance` does not ask of each provider: its reasons, keys, tokens, pauses, batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.support.letters import sent_through
from tests.support.patience import PATIENCE_S
from tests.support.sms_batch_providers import AwsStandIn, BirdStandIn, SignedStandIn
from tests.support.sms_providers import BRISK, IMPATIENT, PEM, STAND_INS, TwilioStandIn, VonageStandIn, over
from tests.support.sms_stand_in import Fate, StandIn, number
from tests.support.texts import sms

from clarion.adapters.channels.http import Request
from clarion.adapters.channels.sms_http.vonage import VonageApi
from clarion.application.ports.channel import Window
from clarion.domain.outcome import Reason, Verdict
from clarion.rendering.sms import WireSms

RUN = "0123456789ab" * 2


def message(seq: int, fate: Fate = Fate.TAKEN, text: str = "Hello") -> WireSms:
    return sms(number(fate, seq), text, key=f"{RUN}-{seq}")


@pytest.fixture(params=STAND_INS, ids=lambda kind: kind.__name__.removesuffix("StandIn").lower())
async def far(request: pytest.FixtureRequest) -> AsyncIterator[StandIn]:
    async with request.param() as stand_in:
        yield stand_in


async def test_text_arrives_as_it_was_written(far: StandIn) -> None:
    text = 'Grüße & "more" = 1 € + 😀\nsecond line'
    async with over(far) as channel:
        [outcome] = await sent_through(channel, [message(1, text=text)])
    assert outcome.verdict is Verdict.SENT
    assert [(taken.to, taken.text) for taken in far.taken] == [(number(Fate.TAKEN), text)]


async def test_an_expired_credential_is_nobodys_message_and_tells_everyone_at_once(far: StandIn) -> None:
    far.is_expired = True
    async with over(far, max_connections=2) as channel:
        outcomes = await sent_through(channel, [message(seq) for seq in range(1, 31)])
        probe = await channel.probe()
    assert {(one.verdict, one.reason) for one in [*outcomes, probe]} == {(Verdict.RETRY, Reason.AUTH_FAILED)}
    assert far.requests <= 5
    assert far.taken == []


WRONG = {
    TwilioStandIn: Reason.ADDRESS_UNKNOWN,
    VonageStandIn: Reason.ADDRESS_UNKNOWN,
    BirdStandIn: Reason.ADDRESS_UNKNOWN,
    AwsStandIn: Reason.MESSAGE_REJECTED,
    SignedStandIn: Reason.ADDRESS_UNKNOWN,
}


async def test_a_wrong_number_and_one_that_opted_out_fail_alone(far: StandIn) -> None:
    fates = [Fate.TAKEN, Fate.WRONG_NUMBER, Fate.TAKEN, Fate.OPTED_OUT]
    async with over(far) as channel:
        outcomes = await sent_through(channel, [message(seq, fate) for seq, fate in enumerate(fates, 1)])
    assert [outcome.verdict for outcome in outcomes] == [Verdict.SENT, Verdict.FAILED, Verdict.SENT, Verdict.FAILED]
    assert [outcome.reason for outcome in outcomes[1::2]] == [WRONG[type(far)], Reason.UNSUBSCRIBED]
    assert sorted(taken.to for taken in far.taken) == [number(Fate.TAKEN, 1), number(Fate.TAKEN, 3)]


@pytest.mark.parametrize("kind", [BirdStandIn, SignedStandIn])
async def test_with_a_key_a_lost_answer_is_asked_for_again(kind: type[StandIn]) -> None:
    async with kind() as far, over(far) as channel:
        [outcome] = await sent_through(channel, [message(1, Fate.CUT_ONCE)])
    assert outcome.verdict is Verdict.SENT
    assert far.requests == 2
    assert len(far.taken) == 1


async def test_t78_an_answer_that_is_not_the_providers_is_uncertain(far: StandIn) -> None:
    fates = [Fate.ERROR, Fate.NONSENSE]
    settings: dict[str, Any] = {"batch_size": 1} if isinstance(far, BirdStandIn | SignedStandIn) else {}
    async with over(far, **settings) as channel:
        outcomes = await sent_through(channel, [message(1, fate) for fate in fates])
    assert {(one.verdict, one.reason) for one in outcomes} == {(Verdict.UNKNOWN, Reason.NO_ANSWER)}


async def test_silence_is_waited_for_and_then_uncertain() -> None:
    async with TwilioStandIn() as far, over(far, IMPATIENT) as channel:
        outcomes = await sent_through(channel, [message(1, Fate.SILENT)])
    assert [(one.verdict, one.reason) for one in outcomes] == [(Verdict.UNKNOWN, Reason.NO_ANSWER)]


async def test_time_in_which_the_process_stood_still_is_no_silence() -> None:
    async with TwilioStandIn(held=asyncio.Event()) as far, over(far, replace(BRISK, answer=1.0)) as channel:
        window = Window([message(1)])
        channel.send(window)
        async with asyncio.timeout(PATIENCE_S):
            while not far.requests:
                await asyncio.sleep(0)
        time.sleep(1.2)  # noqa: ASYNC251 - stops the loop on purpose
        assert far.held is not None
        far.held.set()
        assert await window.wait(PATIENCE_S)
    assert [outcome.verdict for _, outcome in window.drain()] == [Verdict.SENT]


async def test_too_fast_slows_the_sender_and_fails_nothing(far: StandIn) -> None:
    async with over(far, max_connections=1) as channel:
        [slow] = await sent_through(channel, [message(1, Fate.THROTTLED)])
        [after] = await sent_through(channel, [message(2)])
    assert (slow.verdict, slow.reason) == (Verdict.RETRY, Reason.THROTTLED)
    assert after.verdict is Verdict.SENT


async def test_a_pause_that_was_asked_for_sends_nothing_and_keeps_nobody_waiting() -> None:
    async with TwilioStandIn(retry_after="1000000000") as far, over(far) as channel:
        [slow] = await sent_through(channel, [message(1, Fate.THROTTLED)])
        waiting = await sent_through(channel, [message(seq) for seq in range(2, 12)])
    assert slow.reason is Reason.THROTTLED
    assert {(one.verdict, one.reason) for one in waiting} == {(Verdict.RETRY, Reason.THROTTLED)}
    assert far.requests == 1


async def test_urgent_messages_go_first_and_never_more_at_once_than_allowed() -> None:
    async with TwilioStandIn(held=asyncio.Event()) as far, over(far, max_connections=3) as channel:
        bulk, urgent = Window([message(seq) for seq in range(1, 21)]), Window([message(99)], is_urgent=True)
        channel.send(bulk)
        channel.send(urgent)
        async with asyncio.timeout(PATIENCE_S):
            while far.at_once < 3:
                await asyncio.sleep(0.01)
        assert far.held is not None
        far.held.set()
        assert await urgent.wait(PATIENCE_S)
        assert await bulk.wait(PATIENCE_S)
    assert far.most_at_once == 3
    assert [taken.key for taken in far.taken].index(f"{RUN}-99") <= 5, "with the next three"


async def test_a_service_gets_batches_with_an_outcome_each() -> None:
    async with SignedStandIn(batch_size=40) as far, over(far, max_connections=1) as channel:
        fates = [Fate.TAKEN, Fate.WRONG_NUMBER, Fate.OPTED_OUT, Fate.THROTTLED] * 25
        outcomes = await sent_through(channel, [message(seq, fate) for seq, fate in enumerate(fates, 1)])
    assert [one.reason for one in outcomes[:4]] == [
        None,
        Reason.ADDRESS_UNKNOWN,
        Reason.UNSUBSCRIBED,
        Reason.THROTTLED,
    ]
    assert len(far.taken) == 25
    assert sorted(far.batches) == [20, 40, 40]


async def test_callbacks_are_asked_for_at_our_own_address() -> None:
    async with TwilioStandIn() as far, over(far) as channel:
        await sent_through(channel, [message(7)])
    assert far.callback_urls == [f"https://clarion.example/hooks/sender?delivery={RUN}-7"]


@pytest.mark.parametrize(
    ("kind", "secrets"),
    [
        (VonageStandIn, {"privateKey": "no key at all", "signatureSecret": "x"}),
        (SignedStandIn, {"signingSecret": "whsec_???"}),
    ],
)
async def test_a_secret_that_is_none_is_an_expired_credential(kind: type[StandIn], secrets: dict[str, str]) -> None:
    async with kind() as far, over(far, secrets=secrets) as channel:
        [outcome] = await sent_through(channel, [message(1)])
        probe = await channel.probe()
    assert {one.reason for one in (outcome, probe)} == {Reason.AUTH_FAILED}
    assert far.requests == 0


async def test_a_token_is_renewed_ahead_of_its_end() -> None:
    far, now = VonageStandIn(url="http://127.0.0.1"), [1_000_000.0]
    api = VonageApi(far.provider, PEM, "", clock=lambda: now[0])
    tokens = []
    for now[0] in (1_000_000.0, 1_000_599.0, 1_000_601.0, 900_000.0):
        request = await api.request([message(1)])
        assert isinstance(request, Request)
        tokens.append(request.headers["Authorization"])
    assert tokens[0] == tokens[1]
    assert len(set(tokens)) == 3
