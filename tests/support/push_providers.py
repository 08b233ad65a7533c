"""Short ways to write a wire push message, to make keys, and to open a channel to a stand-in in a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support.apns_server import ApnsServer
from tests.support.certificates import Certificates
from tests.support.fcm_server import FcmServer
from tests.support.patience import PATIENCE_S
from tests.support.sms_providers import ground
from tests.support.web_push_server import WebPushServer

from clarion.adapters.channels.http import Timeouts
from clarion.adapters.channels.http_channel import HttpChannel
from clarion.adapters.channels.push.apns import ApnsChannel
from clarion.adapters.channels.push.fcm import channel as fcm_channel
from clarion.adapters.channels.push.http2 import Http2Timeouts
from clarion.adapters.channels.push.web_push import channel as web_push_channel
from clarion.domain.providers.push import Apns
from clarion.domain.push_address import WebSubscription
from clarion.rendering.push import WirePush

BRISK: Final = Http2Timeouts(connect=PATIENCE_S, answer=PATIENCE_S, silence=2.0, ping=PATIENCE_S)
"""A silent connection is asked soon whether it lives; nobody is slow to answer but the machine."""

HTTP_BRISK: Final = Timeouts(
    connect=10.0, write=10.0, answer=6.0, idle=10.0, unreachable=1.0, stalled=10.0, drain=10.0, tick=0.02
)
"""An answer is waited for longer than a machine under test stands still."""


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    """A private key as a .p8 file holds it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def device(number: int) -> str:
    """A token of APNs."""
    return f"{number + 0xA0_0000:064x}"


def push(token: str, seq: int = 1, **changed: Any) -> WirePush:
    """A wire push message to one device."""
    plain = WirePush(
        token=token,
        p256dh="",
        auth="",
        title="Hello",
        body="Your order is on its way",
        image_url="",
        action_url="https://shop.test/orders/1",
        data={"order": 1},
        is_silent=False,
        ttl_s=3600,
        key=f"{'0123456789ab' * 2}-{seq}",
    )
    return plain._replace(**changed)


def apns_settings(server: ApnsServer) -> Apns:
    """The settings of a sender there."""
    return Apns(app="test", topic=server.topic, team_id=server.team_id, key_id=server.key_id, base_url=server.url)


@asynccontextmanager
async def apns(
    key: ec.EllipticCurvePrivateKey | None = None,
    *,
    timeouts: Http2Timeouts = BRISK,
    ca_file: str | None = None,
    private_key: str | None = None,
    max_connections: int = 2,
    **server: Any,
) -> AsyncIterator[tuple[ApnsServer, ApnsChannel]]:
    """A stand-in for APNs, and a channel to it with the right key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    async with ApnsServer(key.public_key(), **server) as far_side:
        settings = replace(apns_settings(far_side), max_connections=max_connections, ca_file=ca_file)
        async with aclosing(ApnsChannel(settings, private_key or pem(key), timeouts=timeouts)) as channel:
            yield far_side, channel


@asynccontextmanager
async def fcm(
    timeouts: Timeouts = HTTP_BRISK, *, private_key: str | None = None, **server: Any
) -> AsyncIterator[tuple[FcmServer, HttpChannel[WirePush]]]:
    """A stand-in for FCM, and a channel to it with the right key."""
    async with FcmServer(**server) as far_side:
        secrets = {"privateKey": private_key} if private_key else far_side.secrets
        async with aclosing(fcm_channel(far_side.provider, secrets, ground(), timeouts)) as channel:
            yield far_side, channel


@asynccontextmanager
async def web_push(
    certificates: Certificates, timeouts: Timeouts = HTTP_BRISK, *, private_key: str | None = None, **settings: Any
) -> AsyncIterator[tuple[WebPushServer, HttpChannel[WirePush]]]:
    """A stand-in for browsers and their push service, and a channel to it with the right key."""
    tls = certificates.server_context()
    async with WebPushServer(tls=tls, ca_file=str(certificates.ca_file)) as far_side:
        provider = replace(far_side.provider, **settings)
        secrets = {"privateKey": private_key} if private_key else far_side.secrets
        async with aclosing(web_push_channel(provider, secrets, ground(), timeouts)) as channel:
            yield far_side, channel


def to_browser(subscription: WebSubscription, seq: int = 1, **changed: Any) -> WirePush:
    """A wire push message to a subscription."""
    return push(subscription.endpoint, seq, p256dh=subscription.p256dh, auth=subscription.auth, **changed)
