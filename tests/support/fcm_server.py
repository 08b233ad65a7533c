"""A stand-in for FCM's HTTP v1 API and Google's token endpoint, which checks the signed assertion and every field.

`server.fates[token]` is what happens to the messages of a device: an error code of FCM's, or a `Fate`.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qs

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support.sms_stand_in import Asked, Cut, Fate, StandIn

from clarion.domain.providers.push import Fcm

STATUS_OF: Final = {
    "INVALID_ARGUMENT": (400, "INVALID_ARGUMENT"),
    "UNREGISTERED": (404, "NOT_FOUND"),
    "SENDER_ID_MISMATCH": (403, "PERMISSION_DENIED"),
    "QUOTA_EXCEEDED": (429, "RESOURCE_EXHAUSTED"),
    "UNAVAILABLE": (503, "UNAVAILABLE"),
    "INTERNAL": (500, "INTERNAL"),
    "THIRD_PARTY_AUTH_ERROR": (401, "UNAUTHENTICATED"),
}
"""By FCM's error code: the status of HTTP and that of Google's APIs."""
_SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_FIELDS: Final = {"token", "notification", "data", "android", "apns", "webpush"}
_KEYS_OF_GOOGLE: Final = re.compile(r"from|message_type|google.*|gcm.*")
_LIMIT: Final = 4096


@cache
def service_key(number: int) -> rsa.RSAPrivateKey:
    """A key of a service account; making one takes a while."""
    del number
    return rsa.generate_private_key(65537, 2048)


def service_pem(number: int = 0) -> str:
    """The same as its JSON file has it."""
    key = service_key(number).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key.decode()


@dataclass
class FcmServer(StandIn):
    """In a test: `async with FcmServer() as server`. `lasts_s` is how long its access tokens are good."""

    project: str = "shop-1234"
    email: str = "push@shop-1234.iam.gserviceaccount.com"
    lasts_s: int = 3600
    fates: dict[str, str | Fate] = field(default_factory=dict)
    arrivals: list[dict[str, Any]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)
    is_key_revoked: bool = False
    clock: Callable[[], float] = time.time

    @property
    def provider(self) -> Fcm:
        return Fcm(
            app="test",
            project_id=self.project,
            client_email=self.email,
            base_url=self.url,
            token_url=f"{self.url}/token",
            max_connections=20,
        )

    @property
    def secrets(self) -> Mapping[str, str]:
        return {"privateKey": service_pem()}

    def recipients(self) -> list[str]:
        """The devices whose messages were taken, in order."""
        return [arrival["token"] for arrival in self.arrivals]

    def is_authentic(self, asked: Asked) -> bool:
        if asked.path == "/token":
            return True
        token = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        return token in self.issued and token not in self.revoked

    def unauthorized(self) -> web.Response:
        error = {"code": 401, "message": "Request had invalid authentication credentials", "status": "UNAUTHENTICATED"}
        return web.json_response({"error": error}, status=401)

    async def act(self, asked: Asked) -> web.StreamResponse:
        if asked.path == "/token":
            return self._grant(parse_qs(asked.body.decode()))
        assert asked.path == f"/v1/projects/{self.project}/messages:send"
        request = json.loads(asked.body)
        message = request["message"]
        if fault := _fault(message):
            self.complaints.append(f"{fault}: {message}")
            return _error("INVALID_ARGUMENT", fault)
        fate = "QUOTA_EXCEEDED" if self.allowance.is_used_up() else self.fates.get(message["token"])
        if isinstance(fate, str) and fate in STATUS_OF:
            response = _error(fate, f"the message of {fate}")
            if self.retry_after:
                response.headers["Retry-After"] = self.retry_after
            return response
        if message["token"] == "nobody":
            return _error("INVALID_ARGUMENT", "The registration token is not a valid FCM registration token")
        return await self._take(message, fate)

    async def _take(self, message: dict[str, Any], fate: str | Fate | None) -> web.StreamResponse:
        self.arrivals.append(message)
        if fate is Fate.CUT:
            raise Cut
        if isinstance(fate, Fate) and (odd := await self.odd(fate)):
            return odd
        return web.json_response({"name": f"projects/{self.project}/messages/{uuid.uuid4()}"})

    def _grant(self, form: dict[str, list[str]]) -> web.Response:
        try:
            claims = jwt.decode(
                form["assertion"][0],
                service_key(0).public_key(),
                algorithms=["RS256"],
                audience=f"{self.url}/token",
                issuer=self.email,
                options={"require": ["iss", "aud", "iat", "exp"], "verify_iat": False, "verify_exp": False},
            )
            assert form["grant_type"] == [_GRANT]
            assert claims["scope"] == _SCOPE
            assert claims["iat"] <= self.clock() < claims["exp"] <= claims["iat"] + 3600
        except (jwt.PyJWTError, AssertionError, KeyError) as fault:
            self.complaints.append(f"assertion: {fault!r}")
            return web.json_response({"error": "invalid_grant", "error_description": "Invalid JWT"}, status=400)
        if self.is_key_revoked:
            return web.json_response({"error": "invalid_grant", "error_description": "Key revoked"}, status=400)
        self.issued.append(f"ya29.{uuid.uuid4().hex}")
        return web.json_response({"access_token": self.issued[-1], "expires_in": self.lasts_s, "token_type": "Bearer"})


def _fault(message: dict[str, Any]) -> str:
    content = {name: message[name] for name in ("notification", "data") if name in message}
    counts = Counter(name for name in message.get("data", {}) if _KEYS_OF_GOOGLE.fullmatch(name))
    if set(message) - _FIELDS or "token" not in message:
        return f"Unknown name {set(message) - _FIELDS}"
    if any(not isinstance(value, str) for value in message.get("data", {}).values()):
        return "Invalid value at 'message.data'"
    if counts:
        return f"Invalid data payload key: {counts}"
    if not re.fullmatch(r"\d+s", message["android"]["ttl"]):
        return "Invalid value at 'message.android.ttl'"
    size = len(json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode())
    return "Message is too big" if size > _LIMIT else ""


def _error(code: str, message: str) -> web.Response:
    status, name = STATUS_OF[code]
    details = [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}]
    error = {"code": status, "message": message, "status": name, "details": details}
    return web.json_response({"error": error}, status=status)
