"""Short ways to write a wire push message, to make keys, and to open a channel to a stand-in in a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support.apns_server import ApnsServer

from clarion.adapters.channels.push.apns import ApnsChannel
from clarion.adapters.channels.push.http2 import Http2Timeouts
from clarion.domain.providers.push import Apns
from clarion.rendering.push import WirePush

BRISK: Final = Http2Timeouts(connect=5.0, answer=1.0, silence=0.3, ping=0.3)
"""Minutes played in tenths of a second."""


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
        settings = Apns(
            app="test",
            topic=far_side.topic,
            team_id=far_side.team_id,
            key_id=far_side.key_id,
            base_url=far_side.url,
            max_connections=max_connections,
            ca_file=ca_file,
        )
        channel = ApnsChannel(settings, private_key or pem(key), timeouts=timeouts)
        try:
            yield far_side, channel
        finally:
            await channel.aclose()
