"""A stand-in for a browser and its push service: makes subscriptions, checks VAPID and headers, decrypts what comes.

The decryption is written from RFC 8188 and RFC 8291 on `hmac` alone, apart from the code under test.
`server.fates[endpoint]` is what happens to the messages of a subscription: a status, or a `Fate`.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.sms_stand_in import Asked, Cut, Fate, StandIn

from clarion.domain.providers.push import WebPush
from clarion.domain.push_address import WebSubscription

_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_VAPID: Final = re.compile(r"vapid t=([A-Za-z0-9._-]+), k=([A-Za-z0-9_-]+)")
_DAY_S: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as the browser reads it."""

    endpoint: str
    headers: Mapping[str, str]
    payload: dict[str, Any]
    plaintext: bytes


@dataclass
class WebPushServer(StandIn):
    """In a test: `async with WebPushServer(tls=…) as server`. Subscriptions are made for `application_key` alone."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    ca_file: str | None = None
    fates: dict[str, int | Fate] = field(default_factory=dict)
    words: dict[int, str] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    _browsers: dict[str, tuple[ec.EllipticCurvePrivateKey, bytes]] = field(default_factory=dict)

    @property
    def provider(self) -> WebPush:
        return WebPush(
            app="test",
            subject="mailto:push@shop.test",
            max_connections=20,
            allow_private_endpoints=True,
            ca_file=self.ca_file,
        )

    @property
    def secrets(self) -> Mapping[str, str]:
        number = self.key.private_numbers().private_value
        return {"privateKey": _base64url(number.to_bytes(32, "big"))}

    def subscribe(self) -> WebSubscription:
        """A new browser's subscription."""
        key, secret = ec.generate_private_key(ec.SECP256R1()), bytes([len(self._browsers) % 256]) * 16
        endpoint = f"{self.url}/push/{len(self._browsers) + 1}"
        self._browsers[endpoint] = key, secret
        return WebSubscription(endpoint, _base64url(_point(key.public_key())), _base64url(secret))

    def recipients(self) -> list[str]:
        """The subscriptions whose messages were taken, in order."""
        return [arrival.endpoint for arrival in self.arrivals]

    def is_authentic(self, asked: Asked) -> bool:
        found = _VAPID.fullmatch(asked.headers.get("Authorization", ""))
        if found is None or found[2] != _base64url(_point(self.key.public_key())):
            return False
        try:
            claims = jwt.decode(
                found[1], self.key.public_key(), algorithms=["ES256"], audience=self.url, options={"require": ["exp"]}
            )
        except jwt.PyJWTError as fault:
            self.complaints.append(f"VAPID: {fault!r}")
            return False
        self.tokens.add(found[1])
        is_short = claims["exp"] - time.time() <= _DAY_S
        return is_short and str(claims["sub"]).startswith(("mailto:", "https:"))

    def unauthorized(self) -> web.Response:
        return web.Response(status=403, text="the VAPID credentials do not correspond to those of the subscription")

    async def act(self, asked: Asked) -> web.StreamResponse:
        endpoint = self.url + asked.path
        if endpoint not in self._browsers:
            return web.Response(status=404)
        fate = 429 if self.allowance.is_used_up() else self.fates.get(endpoint)
        if isinstance(fate, int):
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.Response(status=fate, text=self.words.get(fate, ""), headers=headers)
        if fault := _header_fault(asked):
            self.complaints.append(fault)
            return web.Response(status=400, text=fault)
        text = self._read(endpoint, asked.body)
        self.arrivals.append(Arrival(endpoint, dict(asked.headers), json.loads(text), text))
        if fate is Fate.CUT:
            raise Cut
        if fate is not None and (odd := await self.odd(fate)):
            return odd
        return web.Response(status=201, headers={"Location": f"{self.url}/m/{len(self.arrivals)}"})

    def _read(self, endpoint: str, body: bytes) -> bytes:
        return decrypted(body, *self._browsers[endpoint])


def decrypted(body: bytes, key: ec.EllipticCurvePrivateKey, secret: bytes) -> bytes:
    """What a body says to the holder of a key and its secret: one record, as RFC 8291 §4 has it."""
    salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
    theirs, record = body[21 : 21 + length], body[21 + length :]
    assert len(record) <= size
    sender = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs)
    shared = hmac.digest(secret, key.exchange(ec.ECDH(), sender), "sha256")
    material = hmac.digest(shared, b"WebPush: info\0" + _point(key.public_key()) + theirs + b"\1", "sha256")
    root = hmac.digest(salt, material, "sha256")
    content_key = hmac.digest(root, b"Content-Encoding: aes128gcm\0\1", "sha256")[:16]
    nonce = hmac.digest(root, b"Content-Encoding: nonce\0\1", "sha256")[:12]
    text = AESGCM(content_key).decrypt(nonce, record, None).rstrip(b"\0")
    assert text.endswith(b"\2"), "not the last record"
    return text[:-1]


def _header_fault(asked: Asked) -> str:
    headers = asked.headers
    if asked.method != "POST" or headers.get("Content-Encoding") != "aes128gcm":
        return "only aes128gcm"
    if not headers.get("TTL", "").isdigit():
        return "TTL is missing"
    if not _TOPIC.fullmatch(headers.get("Topic", "")):
        return "Topic is too long"
    if headers.get("Urgency") not in {"very-low", "low", "normal", "high"}:
        return "Urgency is unknown"
    return "" if len(asked.body) <= 4096 else "the body is too large"


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _base64url(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()
