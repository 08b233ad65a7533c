"""Messages to FCM: the access token and its end, and what each error code means."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from tests.support.fcm_server import STATUS_OF, FcmServer, service_pem
from tests.support.letters import sent_through
from tests.support.push_providers import fcm, push
from tests.support.sms_providers import IMPATIENT, ground
from tests.support.sms_stand_in import Fate

from clarion.adapters.channels.http import HttpWay
from clarion.adapters.channels.push.fcm import OUTCOMES
from clarion.adapters.channels.push.fcm import channel as fcm_channel
from clarion.adapters.channels.push.google_token import AHEAD_S, GoogleToken
from clarion.domain.outcome import Outcome, Reason, Verdict


async def test_messages_go_out_with_one_token_for_all_of_them() -> None:
    async with fcm() as (server, channel):
        messages = [push(f"token{number}", number + 1) for number in range(100)]
        outcomes = await sent_through(channel, [*messages, push("quiet", 101, is_silent=True)])
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        assert sorted(server.recipients()) == sorted([*(message.token for message in messages), "quiet"])
        assert server.complaints == []
        assert len(server.issued) == 1


async def test_every_error_code_means_what_the_table_says() -> None:
    assert set(OUTCOMES) == set(STATUS_OF)
    for code, meant in OUTCOMES.items():
        async with fcm() as (server, channel):
            server.fates["token"] = code
            (outcome,) = await sent_through(channel, [push("token")])
            assert (outcome.verdict, outcome.reason) == meant[:2], code
            assert code in outcome.reply
            assert server.arrivals == []


async def test_a_revoked_token_is_dead_and_another_apps_token_is_not() -> None:
    async with fcm() as (server, channel):
        server.fates = {"gone": "UNREGISTERED", "theirs": "SENDER_ID_MISMATCH"}
        gone, theirs = await sent_through(channel, [push("gone", 1), push("theirs", 2)])
        assert (gone.verdict, gone.reason) == (Verdict.FAILED, Reason.ADDRESS_UNKNOWN)
        assert (theirs.verdict, theirs.reason) == (Verdict.FAILED, Reason.ADDRESS_REJECTED)


async def test_what_fcm_finds_too_big_is() -> None:
    async with fcm() as (_, channel):
        (outcome,) = await sent_through(channel, [push("token", body="x" * 5000)])
        assert (outcome.verdict, outcome.reason) == (Verdict.FAILED, Reason.TOO_BIG)


async def test_a_revoked_key_is_the_senders_fault_and_every_message_waits() -> None:
    async with fcm(is_key_revoked=True) as (server, channel):
        outcomes = await sent_through(channel, [push(f"token{number}", number + 1) for number in range(30)])
        assert {(one.verdict, one.reason) for one in outcomes} == {(Verdict.RETRY, Reason.AUTH_FAILED)}
        assert "invalid_grant" in outcomes[0].reply
        assert (await channel.probe()).reason is Reason.AUTH_FAILED
        assert server.arrivals == []


@pytest.mark.parametrize("key", [service_pem(1), "nonsense"], ids=["another", "unreadable"])
async def test_a_wrong_key_is_the_senders_fault(key: str) -> None:
    async with fcm(private_key=key) as (server, channel):
        (outcome,) = await sent_through(channel, [push("token")])
        assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.AUTH_FAILED)
        assert server.arrivals == []


async def test_a_token_that_was_refused_is_not_shown_again() -> None:
    async with fcm() as (server, channel):
        await sent_through(channel, [push("first", 1)])
        server.revoked |= set(server.issued)
        (refused,) = await sent_through(channel, [push("second", 2)])
        assert (refused.verdict, refused.reason) == (Verdict.RETRY, Reason.AUTH_FAILED)
        assert len(server.issued) == 1
        fresh = fcm_channel(server.provider, server.secrets, ground())
        try:
            (sent,) = await sent_through(fresh, [push("second", 2)])
        finally:
            await fresh.aclose()
        assert sent.verdict is Verdict.SENT


@asynccontextmanager
async def token_of(server: FcmServer, clock: Callable[[], float]) -> AsyncIterator[GoogleToken]:
    """A token fetched from the stand-in over a way of its own, by this clock."""
    way = HttpWay(max_connections=2)
    try:
        yield GoogleToken(server.provider, service_pem(), way, clock)
    finally:
        await way.aclose()


async def test_a_token_is_fetched_before_it_ends_and_meanwhile_the_old_one_is_good() -> None:
    now = time.time()
    async with FcmServer(clock=lambda: now) as server, token_of(server, lambda: now) as token:
        first = await token.get()
        assert [await token.get() for _ in range(3)] == [first] * 3
        now += server.lasts_s - AHEAD_S + 1
        assert await token.get() == first
        assert token._asking is not None
        await token._asking
        second = await token.get()
        assert second != first
        assert server.issued == [first, second]


async def test_a_token_endpoint_that_fails_holds_nobody_up_while_the_old_token_is_good() -> None:
    now = time.time()
    async with FcmServer(clock=lambda: now) as server, token_of(server, lambda: now) as token:
        first = await token.get()
        server.is_key_revoked = True
        now += server.lasts_s - 60
        assert await token.get() == first
        assert token._asking is not None
        await token._asking
        assert await token.get() == first
        assert token._asking is None, "asked again at once"
        now += 120
        ended = await token.get()
        assert isinstance(ended, Outcome)
        assert ended.reason is Reason.AUTH_FAILED


async def test_an_answer_that_is_lost_leaves_the_message_uncertain() -> None:
    async with fcm() as (server, channel):
        server.fates = {"cut": Fate.CUT, "silent": Fate.SILENT}
        outcomes = await sent_through(channel, [push("cut", 1), push("silent", 2), push("good", 3)])
        assert [outcome.verdict for outcome in outcomes] == [Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.SENT]
        assert sorted(server.recipients()) == ["cut", "good", "silent"]


async def test_a_token_endpoint_that_does_not_answer_leaves_no_message_uncertain() -> None:
    async with fcm(IMPATIENT) as (server, channel):
        server.held = asyncio.Event()
        (outcome,) = await sent_through(channel, [push("token")])
        assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.CONNECTION_FAILED)


async def test_a_service_that_asks_for_time_is_left_alone() -> None:
    async with fcm(retry_after="3600") as (server, channel):
        server.fates["busy"] = "UNAVAILABLE"
        (throttled,) = await sent_through(channel, [push("busy", 1)])
        asked = server.requests
        (waiting,) = await sent_through(channel, [push("next", 2)])
        assert throttled.reason is waiting.reason is Reason.THROTTLED
        assert server.requests == asked


async def test_a_probe_has_a_message_checked_and_not_sent() -> None:
    async with fcm() as (server, channel):
        assert (await channel.probe()).verdict is Verdict.SENT
        assert server.arrivals == []


async def test_a_service_that_is_not_there_is_no_fault_of_a_message() -> None:
    async with FcmServer() as server:
        settings = replace(server.provider, base_url="http://127.0.0.1:1")
        channel = fcm_channel(settings, server.secrets, ground())
        try:
            (outcome,) = await sent_through(channel, [push("token")])
            assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.CONNECTION_FAILED)
        finally:
            await channel.aclose()
