"""Messages to APNs: what each of its answers means, and what becomes of them when a connection or a stream ends."""

from __future__ import annotations

import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.apns_rules import STATUS_OF
from tests.support.apns_server import Fault
from tests.support.certificates import make_certificates
from tests.support.letters import sent_through
from tests.support.patience import PATIENCE_S
from tests.support.push_providers import apns, device, pem, push

from clarion.adapters.channels.push.apns import ApnsChannel
from clarion.adapters.channels.push.apns_answers import OUTCOMES
from clarion.adapters.channels.push.http2 import Http2Timeouts
from clarion.adapters.channels.push.provider_token import CHANGED_S, ProviderToken
from clarion.application.ports.channel import Window
from clarion.domain.outcome import Outcome, Reason, Verdict
from clarion.domain.providers.push import Apns

DEVICE = device(1)
_OF_THE_SENDER = {reason for reason, (_, meant, _) in OUTCOMES.items() if meant is Reason.AUTH_FAILED}


async def test_messages_go_out_as_apple_documents_it_over_tls(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    tls = certificates.server_context()
    tls.set_alpn_protocols(["h2"])
    async with apns(tls=tls, ca_file=str(certificates.ca_file)) as (server, channel):
        messages = [push(device(number), number + 1) for number in range(300)]
        outcomes = await sent_through(channel, [*messages, push(device(900), 901, is_silent=True, ttl_s=0)])
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        assert server.complaints == []
        assert Counter(server.recipients()) == Counter([device(number) for number in [*range(300), 900]])
        arrivals = {arrival.token: arrival for arrival in server.arrivals}
        headers, silent = arrivals[device(4)].headers, arrivals[device(900)].headers
        assert headers["apns-collapse-id"] == messages[4].key
        assert abs(int(headers["apns-expiration"]) - time.time() - 3600) < 60
        assert (silent["apns-push-type"], silent["apns-priority"], silent["apns-expiration"]) == (
            "background",
            "5",
            "0",
        )
        assert len({arrival.headers["apns-id"] for arrival in server.arrivals}) == 301
        assert len(server.tokens) <= 2, "one, or two when half an hour of the clock ends meanwhile"


async def test_a_server_that_is_not_trusted_or_has_no_http2_is_shown_nothing(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    for ca_file in (None, str(certificates.ca_file)):
        async with apns(tls=certificates.server_context(), ca_file=ca_file) as (server, channel):
            (outcome,) = await sent_through(channel, [push(DEVICE)])
            assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.TLS_FAILED)
            assert server.tokens == {}


async def test_every_reason_of_the_table_means_what_the_table_says() -> None:
    assert set(OUTCOMES) == set(STATUS_OF)
    async with apns() as (server, channel):
        for reason in sorted(set(OUTCOMES) - _OF_THE_SENDER):
            server.fates[DEVICE] = reason
            (outcome,) = await sent_through(channel, [push(DEVICE)])
            assert (outcome.verdict, outcome.reason) == OUTCOMES[reason][:2], reason
            assert reason in outcome.reply
        assert server.arrivals == []


async def test_a_revoked_token_is_dead_and_another_apps_token_is_not() -> None:
    async with apns() as (server, channel):
        server.fates = {device(1): "Unregistered", device(2): "DeviceTokenNotForTopic", device(3): "BadDeviceToken"}
        dead, *alive = await sent_through(channel, [push(device(number), number) for number in (1, 2, 3)])
        assert dead.reason is Reason.ADDRESS_UNKNOWN
        assert "since 2023-11-14" in dead.reply
        assert {outcome.reason for outcome in alive} == {Reason.ADDRESS_REJECTED}


async def test_a_wrong_key_is_the_senders_fault_and_every_message_waits() -> None:
    other = pem(ec.generate_private_key(ec.SECP256R1()))
    async with apns(private_key=other) as (server, channel):
        outcomes = await sent_through(channel, [push(device(number), number + 1) for number in range(50)])
        assert {(one.verdict, one.reason) for one in outcomes} == {(Verdict.RETRY, Reason.AUTH_FAILED)}
        assert (await channel.probe()).reason is Reason.AUTH_FAILED
        assert server.arrivals == []


async def test_a_key_that_cannot_be_read_is_said_so_and_nothing_connects() -> None:
    async with apns(private_key="-----BEGIN PRIVATE KEY-----\nnonsense") as (server, channel):
        (outcome,) = await sent_through(channel, [push(DEVICE)])
        assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.AUTH_FAILED)
        assert "PEM" in outcome.reply
        assert server.opened == 0


async def test_an_expired_token_is_replaced_and_the_message_goes_again() -> None:
    ahead = time.time() + 2 * 3600
    async with apns(clock=lambda: ahead) as (server, channel):
        (outcome,) = await sent_through(channel, [push(DEVICE)])
        # Our clock is two hours behind: the newer token has expired for APNs as well, and no third one is made.
        assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.AUTH_FAILED)
        assert set(server.tokens.values()) == {"ExpiredProviderToken"}
        assert len(server.tokens) == 2
        server.clock = time.time
        server.tokens.clear()
        channel._brake.until = 0.0  # a failing service is left alone for a moment
        (outcome,) = await sent_through(channel, [push(DEVICE)])
        assert outcome.verdict is Verdict.SENT


def test_every_worker_makes_the_same_token_and_changes_it_twice_an_hour() -> None:
    key, now = pem(ec.generate_private_key(ec.SECP256R1())), 1_800_000_000.0
    settings = Apns(app="test", topic="test.app", team_id="TEAM456789", key_id="KEY4567890")
    first, second = (ProviderToken(settings, key, lambda: now) for _ in range(2))
    tokens = []
    for _ in range(120):
        assert first.header() == second.header()
        tokens.append(first.header())
        now += 60
    changes = [place for place in range(1, 120) if tokens[place] != tokens[place - 1]]
    assert {later - earlier for earlier, later in pairwise(changes)} == {CHANGED_S / 60}


async def test_a_probe_asks_for_nobody_and_says_whether_the_key_is_taken() -> None:
    async with apns() as (server, channel):
        outcome = await channel.probe()
        assert outcome.verdict is Verdict.SENT
        assert server.arrivals == []


async def test_no_more_streams_are_open_than_the_server_takes() -> None:
    async with apns(max_streams=3) as (server, channel):
        outcomes = await sent_through(channel, [push(device(number), number + 1) for number in range(60)])
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        assert server.complaints == []
        assert server.opened <= 2


async def test_a_body_waits_for_room_and_is_sent_in_pieces() -> None:
    async with apns(window=1000, max_connections=1) as (server, channel):
        body = "x" * 3000
        outcomes = await sent_through(channel, [push(device(number), number + 1, body=body) for number in range(40)])
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        assert {len(arrival.payload["aps"]["alert"]["body"]) for arrival in server.arrivals} == {3000}


async def _five(channel: ApnsChannel) -> list[Outcome]:
    return await sent_through(channel, [push(device(number), number + 1) for number in range(5)])


async def test_what_the_server_had_not_looked_at_when_it_went_away_is_sent_elsewhere() -> None:
    async with apns(max_connections=1) as (server, channel):
        server.fates[device(2)] = Fault.GO_AWAY_BEFORE
        outcomes = await _five(channel)
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        assert sorted(server.recipients()) == [device(number) for number in range(5)]
        assert server.opened == 2


async def test_what_is_answered_after_a_goaway_counts() -> None:
    async with apns(max_connections=1) as (server, channel):
        server.fates[device(4)] = Fault.GO_AWAY_AFTER
        outcomes = await _five(channel)
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        assert server.counted == Counter(device(number) for number in range(5))


async def test_a_connection_that_breaks_leaves_what_was_complete_uncertain() -> None:
    async with apns(max_connections=1) as (server, channel):
        server.fates[device(2)] = Fault.CUT
        outcomes = await _five(channel)
        assert [outcome.verdict for outcome in outcomes[:2]] == [Verdict.SENT] * 2
        assert {(one.verdict, one.reason) for one in outcomes[2:]} == {(Verdict.UNKNOWN, Reason.NO_ANSWER)}
        assert max(server.counted.values()) == 1


async def test_a_stream_that_was_refused_goes_again_and_one_that_broke_does_not() -> None:
    async with apns() as (server, channel):
        server.fates |= {device(1): Fault.REFUSED_STREAM, device(3): Fault.RESET}
        outcomes = await _five(channel)
        assert [outcome.verdict for outcome in outcomes] == [
            Verdict.SENT, Verdict.SENT, Verdict.SENT, Verdict.UNKNOWN, Verdict.SENT,
        ]  # fmt: skip
        assert server.counted == Counter(device(number) for number in range(5))


async def test_one_message_without_an_answer_holds_up_no_other() -> None:
    timeouts = Http2Timeouts()
    async with apns(max_connections=1, timeouts=timeouts) as (server, channel):
        server.fates[device(2)] = Fault.SILENCE
        window = Window([push(device(number), number + 1) for number in range(5)])
        channel.send(window)
        assert await window.wait(PATIENCE_S, left=1)
        assert {(place, outcome.verdict) for place, outcome in window.drain()} == {
            (place, Verdict.SENT) for place in (0, 1, 3, 4)
        }
        (waiting,) = channel._connections[0]._streams.values()
        waiting.began_at -= timeouts.answer  # as if it had waited for so long
        assert await window.wait(PATIENCE_S)
        ((place, outcome),) = window.drain()
        assert (place, outcome.verdict, outcome.reason) == (2, Verdict.UNKNOWN, Reason.NO_ANSWER)
        assert server.opened == 1


async def test_a_connection_that_was_silent_is_asked_before_it_carries_more() -> None:
    timeouts = Http2Timeouts(ping=1.0)
    async with apns(max_connections=1, timeouts=timeouts) as (server, channel):
        assert (await _five(channel))[0].verdict is Verdict.SENT
        (far_end,) = server.connections
        far_end.transport.pause_reading()  # as dead as a connection gets without saying so
        channel._connections[0]._heard_at -= timeouts.silence
        outcomes = await _five(channel)
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        assert server.opened == 2
        assert set(server.counted.values()) == {2}


async def test_a_service_that_cannot_be_reached_is_told_soon() -> None:
    settings = Apns(
        app="test", topic="test.app", team_id="TEAM456789", key_id="KEY4567890", base_url="http://127.0.0.1:1"
    )
    channel = ApnsChannel(settings, pem(ec.generate_private_key(ec.SECP256R1())))
    try:
        (outcome,) = await sent_through(channel, [push(DEVICE)])
        assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.CONNECTION_FAILED)
    finally:
        await channel.aclose()
