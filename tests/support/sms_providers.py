"""Stand-ins for Twilio and Vonage: they check authentication as documented, and answer as documented.

In a test: `async with TwilioStandIn() as far, over(far) as channel`; `sms_callbacks` calls back.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support.sms_batch_providers import AwsStandIn, BirdStandIn, SignedStandIn
from tests.support.sms_stand_in import Asked, Fate, StandIn

from clarion.adapters.channels.ground import Ground, NoInbox
from clarion.adapters.channels.http import Timeouts
from clarion.adapters.channels.http_channel import HttpChannel
from clarion.adapters.channels.sms_http import aws, bird, signed_http, twilio, vonage
from clarion.domain.ids import Id
from clarion.domain.providers.provider import ProviderName
from clarion.domain.providers.sms_http import Twilio, Vonage
from clarion.rendering.sms import WireSms

SENDER_ID = Id(bytes(12))
BRISK: Final = Timeouts(
    connect=10.0, write=10.0, answer=10.0, idle=5.0, unreachable=1.0, stalled=10.0, drain=10.0, tick=0.02
)
"""Waits that end within a test, and that a busy machine does not run into."""
IMPATIENT: Final = dataclasses.replace(BRISK, answer=0.5)
"""For an answer that never comes."""


@dataclass
class TwilioStandIn(StandIn):
    """Messages resource of Twilio: Basic authentication, a form, 201 with a resource."""

    account: str = "AC" + "0123456789abcdef" * 2
    token: str = "12345"

    @property
    def provider(self) -> Twilio:
        return Twilio(account_sid=self.account, base_url=self.url)

    @property
    def secrets(self) -> Mapping[str, str]:
        return {"authToken": self.token}

    def new_name(self) -> str:
        return f"SM{uuid.uuid4().hex}"

    def is_authentic(self, asked: Asked) -> bool:
        login = base64.b64encode(f"{self.account}:{self.token}".encode()).decode()
        return asked.headers.get("Authorization") == f"Basic {login}"

    def unauthorized(self) -> web.Response:
        return web.json_response({"code": 20003, "message": "Authenticate", "status": 401}, status=401)

    async def act(self, asked: Asked) -> web.StreamResponse:
        if asked.method == "GET":
            return web.json_response({"sid": self.account, "status": "active"})
        form = dict(parse_qsl(asked.body.decode()))
        assert asked.path == f"/2010-04-01/Accounts/{self.account}/Messages.json"
        to, text = form["To"], form["Body"]
        callback = form.get("StatusCallback", "")
        self.callback_urls.append(callback)
        fate = self.fate(to)
        match fate:
            case Fate.WRONG_NUMBER:
                return self._refusal(21211, f"The 'To' number {to} is not a valid phone number.")
            case Fate.OPTED_OUT:
                return self._refusal(21610, "Attempt to send to unsubscribed recipient")
            case Fate.THROTTLED:
                return self.throttled({"code": 20429, "message": "Too Many Requests", "status": 429})
        if odd := await self.odd(fate):
            return odd
        taken = self.take(to, text, callback.rpartition("delivery=")[2])
        return web.json_response({"sid": taken.name, "status": "queued", "error_code": None}, status=201)

    def _refusal(self, code: int, message: str) -> web.Response:
        return web.json_response({"code": code, "message": message, "status": 400}, status=400)


KEY: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
"""One for all of a test run: they take a while to make."""
PEM: Final = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@dataclass
class VonageStandIn(StandIn):
    """Messages API of Vonage: the application's JWT, JSON, 202 with a UUID."""

    application: str = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
    signature_secret: str = "ZYtdTtGV3BCFN7tWmOWr1md66XsquMggr4W2cTtXtcPgfnI0Xw"
    bodies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def provider(self) -> Vonage:
        return Vonage(application_id=self.application, base_url=self.url)

    @property
    def secrets(self) -> Mapping[str, str]:
        return {"privateKey": PEM, "signatureSecret": self.signature_secret}

    def is_authentic(self, asked: Asked) -> bool:
        token = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, KEY.public_key(), ["RS256"], options={"require": ["iat", "exp", "jti"]})
        except jwt.PyJWTError:
            return False
        return bool(claims["application_id"] == self.application)

    async def act(self, asked: Asked) -> web.StreamResponse:
        said = json.loads(asked.body)
        if not said:
            return self._problem(422, "1010", "Missing params")
        self.bodies.append(said)
        assert said["channel"] == "sms"
        assert not said["to"].startswith("+")
        self.callback_urls.append(said.get("webhook_url", ""))
        fate = self.fate(said["to"])
        match fate:
            case Fate.WRONG_NUMBER:
                return self._problem(422, "1170", "Invalid or Missing Msisdn Param")
            case Fate.OPTED_OUT:
                return self._problem(422, "1240", "Illegal Number")
            case Fate.THROTTLED:
                return self.throttled({"type": "https://developer.vonage.com/api-errors/messages#1000"})
        if odd := await self.odd(fate):
            return odd
        taken = self.take(f"+{said['to']}", said["text"], said["client_ref"])
        return web.json_response({"message_uuid": taken.name}, status=202)

    def _problem(self, status: int, code: str, detail: str) -> web.Response:
        kind = f"https://developer.vonage.com/api-errors/messages#{code}"
        return web.json_response({"type": kind, "title": code, "detail": detail}, status=status)


STAND_INS: Final[tuple[type[StandIn], ...]] = (TwilioStandIn, VonageStandIn, BirdStandIn, AwsStandIn, SignedStandIn)
_CHANNELS: Final[dict[ProviderName, Any]] = {
    ProviderName.TWILIO: twilio.channel,
    ProviderName.VONAGE: vonage.channel,
    ProviderName.BIRD: bird.channel,
    ProviderName.AWS_SMS: aws.channel,
    ProviderName.SIGNED_HTTP: signed_http.channel,
}


def ground(callback_url: str = "https://clarion.example/hooks/sender") -> Ground:
    """What a channel stands on in a test."""
    return Ground(sender_id=SENDER_ID, helo_name="clarion.test", inbox=NoInbox(), callback_url=callback_url)


@asynccontextmanager
async def over(
    far: StandIn, timeouts: Timeouts = BRISK, *, secrets: Mapping[str, str] | None = None, **settings: object
) -> AsyncIterator[HttpChannel[WireSms]]:
    """A channel to a stand-in, closed at the end."""
    provider = dataclasses.replace(far.provider, **settings) if settings else far.provider  # type: ignore[type-var]
    channel = _CHANNELS[provider.name](provider, secrets or far.secrets, ground(), timeouts)
    try:
        yield channel
    finally:
        await channel.aclose()
