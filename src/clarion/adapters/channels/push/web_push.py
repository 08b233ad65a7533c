"""Web Push (RFC 8030) with VAPID (RFC 8292): each message to the push service of its browser, and what answers mean.

An endpoint comes from a stranger's browser: what one says or fails to say is never taken for a fault of the sender,
unless a push service that we know says it. Where to read next: `encryption`, `web_push_answers`, `http_channel`.
"""

from __future__ import annotations

import base64
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar
from urllib.parse import urlsplit

from clarion.adapters.channels.brake import Brake
from clarion.adapters.channels.ground import Ground
from clarion.adapters.channels.http import HttpWay, Request, Timeouts
from clarion.adapters.channels.http_answers import Answer, retry_after
from clarion.adapters.channels.http_channel import HttpChannel
from clarion.adapters.channels.opening import OpeningFailed, tls_context
from clarion.adapters.channels.push.encryption import BadSubscription, encrypted, uncompressed
from clarion.adapters.channels.push.signed_tokens import BadKey, read_p256_key, signed
from clarion.adapters.channels.push.web_push_answers import outcome, unheard
from clarion.domain.delivery import parse_delivery_id
from clarion.domain.outcome import Outcome, Reason
from clarion.domain.providers.push import WebPush
from clarion.domain.push_address import endpoint_fault, octets
from clarion.rendering.push import WirePush
from clarion.rendering.push_payload import web_payload

PATIENCE: Final = Timeouts(connect=10.0, write=20.0, answer=30.0)
"""Shorter than a provider's: nobody may hold up the others by being slow."""
_SHOWN_S: Final = 12 * 3600
"""How long a VAPID token is good for; RFC 8292 §2 allows a day."""
_CHANGED_S: Final = 6 * 3600
_PLACES: Final = 1_000
"""Push services that are remembered."""

V = TypeVar("V")


class _Places(OrderedDict[str, V], Generic[V]):
    """What is known of push services, of the latest only: strangers can make up as many as they like."""

    def __setitem__(self, origin: str, value: V) -> None:
        super().__setitem__(origin, value)
        if len(self) > _PLACES:
            self.popitem(last=False)


class WebPushApi:
    """What `HttpChannel` must know of push services. A lost answer is not asked for again: it may have been shown."""

    most_at_once = 1
    repeats = 0

    def __init__(self, settings: WebPush, private_key: str, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._tokens: _Places[tuple[str, float]] = _Places()
        self._quiet_until: _Places[float] = _Places()
        self._fault: Outcome | None = None
        self.tls: ssl.SSLContext | None = None
        try:
            self._key = read_p256_key(private_key)
            self._public = _base64url(uncompressed(self._key))
            self.tls = tls_context(settings.ca_file) if settings.ca_file else None
        except BadKey as fault:
            self._fault = Outcome.retry(Reason.AUTH_FAILED, str(fault))
        except OpeningFailed as failure:
            self._fault = failure.outcome

    async def request(self, messages: Sequence[WirePush]) -> Request | Outcome:
        """The request that carries a message to the push service of its browser."""
        (push,) = messages
        if self._fault is not None:
            return self._fault
        if fault := endpoint_fault(push.token, allow_private=self._settings.allow_private_endpoints):
            return Outcome.failed(Reason.ADDRESS_REJECTED, f"the endpoint {fault}")
        origin = _origin(push.token)
        if self._clock() < self._quiet_until.get(origin, 0.0):
            return Outcome.retry(Reason.DEFERRED, "the push service wants to be left alone for a while")
        try:
            body = encrypted(web_payload(push), octets(push.p256dh) or b"", octets(push.auth) or b"")
        except BadSubscription as fault:
            return Outcome.failed(Reason.ADDRESS_REJECTED, str(fault))
        return Request(push.token, body, self._headers(push, origin))

    def outcomes(self, messages: Sequence[WirePush], answer: Answer) -> Sequence[Outcome]:
        """What became of the message; who asks to be left alone is."""
        origin = _origin(messages[0].token)
        if answer.status in {429, 503} and (pause := retry_after(answer.headers, datetime.now(UTC))):
            self._quiet_until[origin] = self._clock() + pause
        return [outcome(answer, origin, allow_private=self._settings.allow_private_endpoints)]

    async def probe(self, way: HttpWay) -> Outcome:
        """Looks at key and CA file alone: which push services there are is known by the subscriptions."""
        del way
        if self._fault is not None:
            return self._fault
        return Outcome.sent(f"the key is good; browsers subscribe with {self._public}")

    def _headers(self, push: WirePush, origin: str) -> dict[str, str]:
        return {
            "Authorization": f"vapid t={self._token(origin)}, k={self._public}",
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(push.ttl_s),
            "Topic": topic(push.key),
            "Urgency": "low" if push.is_silent else "normal",
        }

    def _token(self, origin: str) -> str:
        """A VAPID token for one push service; another one every few hours."""
        now = self._clock()
        token, made_at = self._tokens.get(origin, ("", float("-inf")))
        if now - made_at > _CHANGED_S:
            claims = {"aud": origin, "exp": int(now) + _SHOWN_S, "sub": self._settings.subject}
            token = signed(self._key, claims)
            self._tokens[origin] = token, now
        return token


class WebPushChannel(HttpChannel[WirePush]):
    """A `Channel` to the push services of all browsers: what one of them does holds up no message to the others."""

    def _heard(self, answer: Answer | Outcome) -> Answer | Outcome:
        return unheard(answer) if isinstance(answer, Outcome) else answer


class _Free(Brake):
    """No brake: there is not one other side that could be asked to slow down for."""

    def feel(self, outcomes: Sequence[Outcome], pause_s: float | None, now: float) -> None:
        """Takes no notice."""


def channel(
    settings: WebPush, secrets: Mapping[str, str], ground: Ground, timeouts: Timeouts = PATIENCE
) -> WebPushChannel:
    """The channel of a sender. Push services are told no address of ours."""
    del ground
    api = WebPushApi(settings, secrets["privateKey"])
    way = HttpWay(
        max_connections=settings.max_connections,
        timeouts=timeouts,
        tls=api.tls,
        public_only=not settings.allow_private_endpoints,
    )
    return WebPushChannel(api, way, brake=_Free(way.max_connections))


def topic(key: str) -> str:
    """A delivery's id in at most 32 characters of base64url: messages of one topic replace each other (§5.4)."""
    delivery = parse_delivery_id(key)
    if delivery is None:
        return _base64url(key.encode())[:32]
    return _base64url(delivery.run_id + delivery.seq.to_bytes(4, "big"))


def _origin(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc}"


def _base64url(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()
