"""Far sides of push: devices of APNs and FCM, and browsers, each told what to do by its token.

Where to read next: `far_side`, `far_sides`.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from tests.conformance.far_side import HTTP_PATIENT, FarSide, Maker, Wish, behind, pause, refused_by
from tests.support.allowance import Allowance
from tests.support.apns_server import ApnsServer, Fault
from tests.support.certificates import make_certificates
from tests.support.fcm_server import FcmServer, service_pem
from tests.support.push_providers import BRISK, apns_settings, device, pem, push, to_browser
from tests.support.sms_providers import ground
from tests.support.sms_stand_in import Fate
from tests.support.web_push_server import WebPushServer

from clarion.adapters.channels.push.apns import ApnsChannel
from clarion.adapters.channels.push.fcm import channel as fcm_channel
from clarion.adapters.channels.push.web_push import channel as web_push_channel
from clarion.adapters.channels.push.web_push import topic
from clarion.application.ports.channel import Channel
from clarion.rendering.push import WirePush


def _token_of(message: WirePush) -> str:
    return message.token


def _devices(
    fates: dict[str, Any], refused: Any, deferred: Any, unanswered: Any, silent: Any
) -> tuple[Maker, Maker, Maker, Maker, Maker]:
    """Makers of push messages that tell the server what to do with each device."""

    def to(part: int, fate: Any) -> Maker:
        def made(n: int) -> Any:
            token = device(part * 100_000 + n)
            if fate:
                fates[token] = fate
            return push(token, n + 1)

        return made

    return to(0, None), to(1, refused), to(2, deferred), to(3, unanswered), to(4, silent)


@asynccontextmanager
async def over_apns(wish: Wish) -> AsyncIterator[FarSide]:
    """APNs over HTTP/2."""
    key, another = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    async with (
        ApnsServer(key.public_key(), max_streams=50, allowance=Allowance(wish.per_second)) as server,
        behind(server) as line,
        aclosing(ApnsChannel(apns_settings(server), pem(another if wish.stranger else key), timeouts=BRISK)) as channel,
    ):
        makers = _devices(server.fates, "Unregistered", "TooManyRequests", Fault.RESET, Fault.SILENCE)
        yield FarSide(
            channel,
            line,
            *makers,
            address=_token_of,
            arrived=_taken(server, stranger=wish.stranger),
            too_fast=refused_by(server.allowance),
            keys=lambda: _collapse_ids(server),
        )


def _collapse_ids(server: ApnsServer) -> list[str]:
    return [arrival.headers["apns-collapse-id"] for arrival in server.arrivals]


@asynccontextmanager
async def over_fcm(wish: Wish) -> AsyncIterator[FarSide]:
    """FCM, with its token server."""
    secrets = {"privateKey": service_pem(1 if wish.stranger else 0)}
    async with (
        FcmServer(retry_after=pause(wish), allowance=Allowance(wish.per_second)) as server,
        behind(server) as line,
        aclosing(fcm_channel(server.provider, secrets, ground(), HTTP_PATIENT)) as channel,
    ):
        makers = _devices(server.fates, "UNREGISTERED", "UNAVAILABLE", Fate.CUT, Fate.SILENT)
        yield FarSide(
            channel,
            line,
            *makers,
            address=_token_of,
            arrived=_taken(server, stranger=wish.stranger),
            too_fast=refused_by(server.allowance),
            keys=lambda: _collapse_keys(server),
        )


def _collapse_keys(server: FcmServer) -> list[str]:
    return [str(arrival["android"]["collapse_key"]) for arrival in server.arrivals]


@asynccontextmanager
async def over_web_push(wish: Wish) -> AsyncIterator[FarSide]:
    """A push service of browsers, which are told by their endpoints."""
    with tempfile.TemporaryDirectory() as name:
        certificates = make_certificates(Path(name))
        tls, ca_file = certificates.server_context(), str(certificates.ca_file)
        allowance = Allowance(wish.per_second)
        async with (
            WebPushServer(tls=tls, ca_file=ca_file, retry_after=pause(wish), allowance=allowance) as server,
            behind(server) as line,
            aclosing(_to_browsers(server, wish)) as channel,
        ):

            def to(fate: Any) -> Maker:
                def made(n: int) -> Any:
                    subscription = server.subscribe()
                    if fate:
                        server.fates[subscription.endpoint] = fate
                    return to_browser(subscription, n + 1)

                return made

            yield FarSide(
                channel,
                line,
                *(to(None), to(410), to(429), to(Fate.CUT), to(Fate.SILENT)),
                address=_token_of,
                arrived=_taken(server, stranger=wish.stranger),
                too_fast=refused_by(allowance),
                keys=lambda: [arrival.headers["Topic"] for arrival in server.arrivals],
                key_of=topic,
            )


def _to_browsers(server: WebPushServer, wish: Wish) -> Channel[WirePush]:
    # What a push service says of a key may be a stranger's word, and blames nobody: a bad one is none at all.
    secrets = {"privateKey": "none"} if wish.stranger else server.secrets
    return web_push_channel(server.provider, secrets, ground(), HTTP_PATIENT)


def _taken(server: Any, *, stranger: bool) -> Callable[[], Awaitable[list[str]]]:
    async def arrived() -> list[str]:
        assert stranger or server.complaints == []
        return list(server.recipients())

    return arrived
