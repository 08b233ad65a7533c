"""Messages to browsers: what is decrypted is what was written, and no stranger's endpoint leads us astray."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.certificates import make_certificates
from tests.support.letters import sent_through
from tests.support.patience import PATIENCE_S
from tests.support.push_providers import HTTP_BRISK, pem, to_browser, web_push
from tests.support.sms_stand_in import Fate
from tests.support.web_push_server import WebPushServer

from clarion.adapters.channels.http import Timeouts
from clarion.adapters.channels.http_answers import Answer
from clarion.adapters.channels.http_channel import HttpChannel
from clarion.adapters.channels.push.web_push import topic
from clarion.adapters.channels.push.web_push_answers import outcome
from clarion.domain.outcome import Reason, Verdict
from clarion.domain.push_address import WebSubscription
from clarion.rendering.push import WirePush
from clarion.rendering.push_payload import web_payload

UNHURRIED = replace(HTTP_BRISK, connect=PATIENCE_S, write=PATIENCE_S, answer=PATIENCE_S, stalled=PATIENCE_S)
"""Where nobody is silent but the machine."""


@pytest.fixture(name="opened")
def _opened(tmp_path: Path) -> Any:
    certificates = make_certificates(tmp_path)

    @asynccontextmanager
    async def opened(
        timeouts: Timeouts = UNHURRIED, **given: Any
    ) -> AsyncIterator[tuple[WebPushServer, HttpChannel[WirePush]]]:
        async with web_push(certificates, timeouts, **given) as (server, channel):
            yield server, channel

    return opened


async def test_what_browsers_decrypt_is_what_was_written(opened: Any) -> None:
    async with opened() as (server, channel):
        words = ["short", "\N{GRINNING FACE}" * 700, "x" * 3700, "Zażółć \u202e gęślą"]
        messages = [
            to_browser(server.subscribe(), seq, body=words[seq % 4], data={"no": seq, "of": [None, 1.5]}, ttl_s=seq)
            for seq in range(1, 61)
        ]
        outcomes = await sent_through(channel, messages)
        assert {one.verdict for one in outcomes} == {Verdict.SENT}
        assert server.complaints == []
        arrivals = {arrival.endpoint: arrival for arrival in server.arrivals}
        assert len(arrivals) == 60
        for message in messages:
            arrival = arrivals[message.token]
            assert arrival.plaintext == web_payload(message)
            assert arrival.payload["notification"]["body"] == message.body
            assert (arrival.headers["TTL"], arrival.headers["Topic"]) == (str(message.ttl_s), topic(message.key))
        assert len(server.tokens) == 1, "a VAPID token is made once for a push service"


def test_a_topic_is_short_and_no_two_deliveries_share_one() -> None:
    run = "0123456789ab" * 2
    topics = {topic(f"{run}-{seq}") for seq in (1, 2, 2**31 - 1)}
    assert len(topics) == 3
    assert {len(one) for one in topics} == {22}
    assert len(topic("a" * 60)) == 32


@pytest.mark.parametrize(
    ("status", "verdict", "reason"),
    [
        (404, Verdict.FAILED, Reason.ADDRESS_UNKNOWN),
        (410, Verdict.FAILED, Reason.ADDRESS_UNKNOWN),
        (400, Verdict.FAILED, Reason.MESSAGE_REJECTED),
        (413, Verdict.FAILED, Reason.TOO_BIG),
        (403, Verdict.FAILED, Reason.ADDRESS_REJECTED),
        (401, Verdict.RETRY, Reason.AUTH_FAILED),
        (429, Verdict.RETRY, Reason.DEFERRED),
        (503, Verdict.RETRY, Reason.DEFERRED),
        (500, Verdict.UNKNOWN, Reason.NO_ANSWER),
        (307, Verdict.RETRY, Reason.DEFERRED),
    ],
)
async def test_each_answer_has_a_meaning(opened: Any, status: int, verdict: Verdict, reason: Reason) -> None:
    async with opened() as (server, channel):
        refused, good = server.subscribe(), server.subscribe()
        server.fates[refused.endpoint] = status
        first, second = await sent_through(channel, [to_browser(refused, 1), to_browser(good, 2)])
        assert (first.verdict, first.reason) == (verdict, reason)
        if reason is not Reason.AUTH_FAILED:
            assert second.verdict is Verdict.SENT


@pytest.mark.parametrize(
    ("origin", "reason"),
    [("https://web.push.apple.com", Reason.AUTH_FAILED), ("https://evil.test", Reason.DEFERRED)],
)
def test_only_a_known_push_service_can_say_that_a_senders_key_is_bad(origin: str, reason: Reason) -> None:
    found = outcome(Answer(403, {}, b'{"reason":"BadJwtToken"}', is_whole=True), origin)
    assert (found.verdict, found.reason) == (Verdict.RETRY, reason)


async def test_a_subscription_made_with_another_key_is_not_dead(opened: Any) -> None:
    async with opened(private_key=pem(ec.generate_private_key(ec.SECP256R1()))) as (server, channel):
        (wrong,) = await sent_through(channel, [to_browser(server.subscribe())])
        assert (wrong.verdict, wrong.reason) == (Verdict.FAILED, Reason.ADDRESS_REJECTED)
        assert server.arrivals == []


async def test_a_key_that_cannot_be_read_is_the_senders_fault(opened: Any) -> None:
    async with opened(private_key="nonsense") as (server, channel):
        (refused,) = await sent_through(channel, [to_browser(server.subscribe())])
        assert (refused.verdict, refused.reason) == (Verdict.RETRY, Reason.AUTH_FAILED)
        assert (await channel.probe()).reason is Reason.AUTH_FAILED


async def test_a_private_address_is_never_connected_to(opened: Any) -> None:
    async with opened(allow_private_endpoints=False) as (server, channel):
        subscription = server.subscribe()
        literal = to_browser(subscription, 1)
        by_name = literal._replace(token=subscription.endpoint.replace("127.0.0.1", "localhost"))
        for outcome_of in await sent_through(channel, [literal, by_name]):
            assert (outcome_of.verdict, outcome_of.reason) == (Verdict.FAILED, Reason.ADDRESS_REJECTED)
        assert server.requests == 0


async def test_a_public_name_that_leads_inside_is_not_followed(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve, connected = socket.getaddrinfo, list[asyncio.StreamWriter]()

    def rebound(host: Any, *rest: Any, **named: Any) -> Any:
        return resolve("127.0.0.1" if host == "push.rebound.test" else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer)
        writer.close()

    inside = await asyncio.start_server(accept, "127.0.0.1", 0)
    endpoint = f"https://push.rebound.test:{inside.sockets[0].getsockname()[1]}/x"
    async with inside:
        for allowed in (False, True):
            async with opened(allow_private_endpoints=allowed) as (server, channel):
                (refused,) = await sent_through(channel, [to_browser(server.subscribe())._replace(token=endpoint)])
                assert (refused.verdict, refused.reason) == (Verdict.RETRY, Reason.DEFERRED)
                assert bool(connected) is allowed


async def test_one_strange_endpoint_holds_up_nobody_and_shuts_no_sender(opened: Any) -> None:
    async with opened(HTTP_BRISK) as (server, channel):
        good, silent, cut = server.subscribe(), server.subscribe(), server.subscribe()
        server.fates |= {silent.endpoint: Fate.SILENT, cut.endpoint: Fate.CUT}
        nobody = WebSubscription("https://127.0.0.1:1/x", good.p256dh, good.auth)
        strange = [to_browser(one, 10 + place) for place, one in enumerate([nobody, silent, cut] * 4)]
        outcomes = await sent_through(channel, [*strange, *(to_browser(good, seq) for seq in range(100, 110))])
        assert {one.verdict for one in outcomes[12:]} == {Verdict.SENT}
        assert {(one.verdict, one.reason) for one in outcomes[:12]} == {
            (Verdict.RETRY, Reason.DEFERRED),
            (Verdict.UNKNOWN, Reason.NO_ANSWER),
        }


async def test_a_push_service_that_asks_for_time_is_left_alone(opened: Any) -> None:
    async with opened() as (server, channel):
        busy, other = server.subscribe(), server.subscribe()
        server.fates[busy.endpoint], server.retry_after = 429, "60"
        await sent_through(channel, [to_browser(busy, 1)])
        (waiting,) = await sent_through(channel, [to_browser(other, 2)])
        assert (waiting.verdict, waiting.reason) == (Verdict.RETRY, Reason.DEFERRED)
        assert server.requests == 1


async def test_a_key_that_is_no_point_on_the_curve_fails_alone(opened: Any) -> None:
    async with opened() as (server, channel):
        good = server.subscribe()
        bad = good._replace(p256dh="B" + "B" * 86)
        first, second = await sent_through(channel, [to_browser(bad, 1), to_browser(good, 2)])
        assert (first.verdict, first.reason) == (Verdict.FAILED, Reason.ADDRESS_REJECTED)
        assert second.verdict is Verdict.SENT
