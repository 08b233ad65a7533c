"""Stand-ins for Bird, AWS and a service that speaks signed JSON, with the keys and signatures they document.

In a test: `async with BirdStandIn() as far, over(far) as channel` (`sms_providers.over`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from tests.support.sms_stand_in import Asked, Cut, Fate, StandIn, Taken, fate_of

from clarion.domain.providers.sms_http import AwsSms, Bird, SignedHttp


@dataclass
class BirdStandIn(StandIn):
    """Bird's platform API: a bearer key, keys that make repeats harmless, batches that are checked as a whole."""

    key: str = "bk_eu1_0123456789"
    webhook_secret: str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    batch_size: int = 100
    answered: dict[str, tuple[bytes, Any]] = field(default_factory=dict)
    is_cutting: bool = False

    @property
    def provider(self) -> Bird:
        return Bird(base_url=self.url, batch_size=self.batch_size)

    @property
    def secrets(self) -> Mapping[str, str]:
        return {"apiKey": self.key, "webhookSecret": self.webhook_secret}

    def new_name(self) -> str:
        return f"sms_{uuid.uuid4().hex[:26]}"

    def is_authentic(self, asked: Asked) -> bool:
        return asked.headers.get("Authorization") == f"Bearer {self.key}"

    def unauthorized(self) -> web.Response:
        return self._error(401, "auth_error", "Unauthenticated")

    async def act(self, asked: Asked) -> web.StreamResponse:
        if asked.method == "GET":
            return web.json_response({"data": []})
        said = json.loads(asked.body)
        messages = said if asked.path.endswith("/batches") else [said]
        fates = {self.fate(message["to"]) for message in messages}
        name = asked.headers["Idempotency-Key"]
        if name in self.answered:
            return self._again(asked.body, fates, *self.answered[name])
        if Fate.WRONG_NUMBER in fates:
            return self._error(422, "validation_error", "SMSInvalidRecipient")
        if Fate.THROTTLED in fates:
            return self.throttled({"error": {"type": "rate_limit_error", "name": "RateLimited"}})
        for fate in fates:
            if odd := await self.odd(fate):
                return odd
        entries = [self._entry(message) for message in messages]
        answer = {"data": entries} if isinstance(said, list) else entries[0]
        self.answered[name] = (asked.body, answer)
        if self.is_cutting:
            self.is_cutting = False
            raise Cut
        return web.json_response(answer, status=202)

    def _entry(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """What a batch tells of one message."""
        if fate_of(message["to"]) is Fate.OPTED_OUT:
            error = {"code": "recipient_opted_out", "description": "on the suppression list"}
            return {"id": self.new_name(), "status": "rejected", "last_error": error}
        try:
            taken = self.take(message["to"], message["text"], message["metadata"]["delivery"])
        except Cut:
            self.is_cutting = True
            taken = self.taken[-1]
        return {"id": taken.name, "status": "accepted"}

    def _again(self, body: bytes, fates: Collection[Fate], known: bytes, stored: object) -> web.Response:
        if Fate.CUT in fates:
            raise Cut
        return web.json_response(stored, status=202) if known == body else self._error(409, "conflict_error", "Used")

    def _error(self, status: int, kind: str, name: str) -> web.Response:
        error = {"type": kind, "name": name, "code": "E10001", "message": "see the reference"}
        return web.json_response({"error": error}, status=status)


@dataclass
class AwsStandIn(StandIn):
    """SendTextMessage of AWS End User Messaging SMS: Signature Version 4 over JSON 1.0."""

    access_key_id: str = "AKIDEXAMPLE"
    secret: str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    topic: str = "arn:aws:sns:eu-central-1:123456789012:sms"

    @property
    def provider(self) -> AwsSms:
        return AwsSms(region="eu-central-1", access_key_id=self.access_key_id, base_url=self.url, topic_arn=self.topic)

    @property
    def secrets(self) -> Mapping[str, str]:
        return {"secretAccessKey": self.secret}

    def is_authentic(self, asked: Asked) -> bool:
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/sms-voice/aws4_request, "
            r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
            asked.headers.get("Authorization", ""),
        )
        if found is None or found[1] != self.access_key_id or "x-amz-target" not in found[4].split(";"):
            return False
        lines = "".join(f"{name}:{asked.headers[name].strip()}\n" for name in found[4].split(";"))
        digest = hashlib.sha256(asked.body).hexdigest()
        canonical = f"{asked.method}\n{asked.path}\n\n{lines}\n{found[4]}\n{digest}"
        scope = f"{found[2]}/{found[3]}/sms-voice/aws4_request"
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{asked.headers['X-Amz-Date']}\n{scope}\n{hashed}"
        key = b"AWS4" + self.secret.encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, to_sign.encode(), "sha256").hex() == found[5]

    def unauthorized(self) -> web.Response:
        return self._error(400, "InvalidSignatureException", "")

    async def act(self, asked: Asked) -> web.StreamResponse:
        said = json.loads(asked.body)
        assert asked.headers["X-Amz-Target"] == "PinpointSMSVoiceV2.SendTextMessage"
        if said.get("DryRun"):
            return web.json_response({"MessageId": str(uuid.uuid4())})
        fate = self.fate(said["DestinationPhoneNumber"])
        match fate:
            case Fate.WRONG_NUMBER:
                return self._error(400, "ValidationException", "INVALID_PARAMETER")
            case Fate.OPTED_OUT:
                return self._error(400, "ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT")
            case Fate.THROTTLED:
                return self._error(400, "ThrottlingException", "")
        if odd := await self.odd(fate):
            return odd
        taken = self.take(said["DestinationPhoneNumber"], said["MessageBody"], said["Context"]["delivery"])
        return web.json_response({"MessageId": taken.name})

    def _error(self, status: int, kind: str, reason: str) -> web.Response:
        error = {"__type": f"com.amazonaws.pinpointsmsvoicev2#{kind}", "Message": "see the reference", "Reason": reason}
        return web.json_response(error, status=status)


@dataclass
class SignedStandIn(StandIn):
    """A service that speaks signed JSON: it checks the signature, and takes one id once."""

    secret: str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    batch_size: int = 50
    batches: list[int] = field(default_factory=list)
    ids: dict[str, Taken] = field(default_factory=dict)

    @property
    def provider(self) -> SignedHttp:
        return SignedHttp(url=f"{self.url}/sms", batch_size=self.batch_size)

    @property
    def secrets(self) -> Mapping[str, str]:
        return {"signingSecret": self.secret}

    def is_authentic(self, asked: Asked) -> bool:
        name, sent_at = asked.headers["webhook-id"], asked.headers["webhook-timestamp"]
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        signature = base64.b64encode(hmac.digest(key, f"{name}.{sent_at}.".encode() + asked.body, "sha256")).decode()
        is_recent = abs(time.time() - int(sent_at)) < 300
        return is_recent and asked.headers["webhook-signature"] == f"v1,{signature}"

    async def act(self, asked: Asked) -> web.StreamResponse:
        said = json.loads(asked.body)
        self.callback_urls.append(said["callbackUrl"])
        self.batches.append(len(said["messages"]))
        fates = {fate_of(message["to"]) for message in said["messages"]}
        for fate in fates:
            if odd := await self.odd(fate):
                return odd
        results, is_cut = [], False
        for message in said["messages"]:
            try:
                results.append({"id": message["id"], **self._result(message)})
            except Cut:
                is_cut = True
        if is_cut:
            raise Cut
        return web.json_response({"results": results})

    def _result(self, message: Mapping[str, Any]) -> dict[str, str]:
        match self.fate(message["to"]):
            case Fate.WRONG_NUMBER:
                return {"status": "rejected", "reason": "address_unknown", "detail": "no such number"}
            case Fate.OPTED_OUT:
                return {"status": "rejected", "reason": "unsubscribed"}
            case Fate.THROTTLED:
                return {"status": "retry", "reason": "throttled"}
        if message["id"] not in self.ids:
            self.ids[message["id"]] = Taken(message["to"], message["text"], message["id"], message["id"])
            self.take(message["to"], message["text"], message["id"])
        elif fate_of(message["to"]) is Fate.CUT:
            raise Cut
        return {"status": "accepted"}
