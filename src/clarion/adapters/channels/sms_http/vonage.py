"""Vonage's Messages API: a JSON request a message with the application's JWT; webhooks carry a JWT over their body.

Chosen over the older SMS API because one id stands for the whole message however many parts it has, our delivery id
comes back as `client_ref`, and a webhook's signature covers its body. Sources: docs/providers.md.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jwt
import msgspec

from clarion.adapters.channels.ground import Ground
from clarion.adapters.channels.http import HttpWay, Request, Timeouts
from clarion.adapters.channels.http_answers import UNREADABLE, Answer
from clarion.adapters.channels.http_channel import HttpChannel
from clarion.adapters.channels.json_reading import json_object, name_of, object_of, text_of
from clarion.adapters.channels.sms_http.callbacks import (
    CallbackReader,
    Clock,
    demand_fresh,
    demand_object,
    international,
    moment,
    same,
    sha256_hex,
    why,
)
from clarion.adapters.channels.sms_http.meanings import Table, bare, failed, later, probed, refused, uncertain
from clarion.application.ports.receipts import Callback, Forged, Inbound, News, Receipt, ReceiptState
from clarion.domain.delivery import parse_delivery_id
from clarion.domain.ids import Id
from clarion.domain.outcome import Outcome, Reason
from clarion.domain.providers.sms_http import Vonage
from clarion.rendering.sms import WireSms
from clarion.rendering.sms_encoding import Encoding

CODES: Final[Table] = {
    "1000": later(Reason.THROTTLED, "Throttled"),
    "1010": failed(Reason.MESSAGE_REJECTED, "Missing params"),
    "1020": failed(Reason.MESSAGE_REJECTED, "Invalid params"),
    "1030": uncertain("Internal error"),
    "1040": failed(Reason.UNROUTABLE, "Invalid message, for example an unrecognised prefix"),
    "1050": failed(Reason.ADDRESS_REJECTED, "Number barred"),
    "1060": later(Reason.POLICY_REJECTED, "Partner account barred"),
    "1070": later(Reason.POLICY_REJECTED, "Partner quota exceeded"),
    "1080": later(Reason.POLICY_REJECTED, "Account not enabled for REST"),
    "1090": failed(Reason.TOO_BIG, "Message too long"),
    "1100": later(Reason.DEFERRED, "Communication failed"),
    "1110": later(Reason.AUTH_FAILED, "Invalid signature"),
    "1120": failed(Reason.NO_ORIGINATOR, "Illegal sender address"),
    "1140": later(Reason.POLICY_REJECTED, "Facility not allowed"),
    "1160": failed(Reason.ADDRESS_REJECTED, "Destination is not in the pre-approved list"),
    "1170": failed(Reason.ADDRESS_UNKNOWN, "Invalid or missing msisdn"),
    "1180": failed(Reason.UNREACHABLE, "Absent subscriber, temporary"),
    "1190": failed(Reason.ADDRESS_UNKNOWN, "Absent subscriber, permanent"),
    "1200": failed(Reason.UNROUTABLE, "Portability error"),
    "1210": failed(Reason.MESSAGE_REJECTED, "Anti-spam rejection"),
    "1220": failed(Reason.UNREACHABLE, "Handset busy"),
    "1230": failed(Reason.UNREACHABLE, "Network error"),
    "1240": failed(Reason.UNSUBSCRIBED, "Illegal number: opted out by STOP"),
    "1241": later(Reason.THROTTLED, "Too many send requests"),
    "1250": failed(Reason.UNROUTABLE, "Unroutable"),
    "1260": failed(Reason.UNREACHABLE, "Destination unreachable"),
    "1270": failed(Reason.ADDRESS_REJECTED, "Subscriber age restriction"),
    "1280": failed(Reason.ADDRESS_REJECTED, "Number blocked by carrier"),
    "1290": failed(Reason.ADDRESS_REJECTED, "Pre-paid, insufficient funds"),
    "1300": failed(Reason.ADDRESS_UNKNOWN, "Not part of the provider network"),
    "1310": failed(Reason.ADDRESS_REJECTED, "Not a suitable device"),
    "1330": failed(Reason.MESSAGE_REJECTED, "Unknown"),
    "1360": failed(Reason.DEADLINE_PASSED, "Time to live passed"),
}
"""https://developer.vonage.com/en/api-errors/messages; what it does not hold is read by its HTTP status."""

_STATES: Final = {
    "submitted": ReceiptState.ACCEPTED,
    "delivered": ReceiptState.DELIVERED,
    "read": ReceiptState.DELIVERED,
    "rejected": ReceiptState.FAILED,
    "undeliverable": ReceiptState.FAILED,
}
"""Statuses of "Messages API Status Callbacks"."""
_ENCODINGS: Final = {Encoding.GSM: "text", Encoding.UCS2: "unicode"}
_TOKEN_S: Final = 900
_RENEWED_BEFORE_S: Final = 300
"""A token is renewed so long before it ends, so that none ends on the way."""
_OLDEST_S: Final = 25 * 3600.0
"""Vonage repeats a webhook for a day and says nothing of a signature's age: older than that it is nobody's repeat."""


def channel(
    provider: Vonage, secrets: Mapping[str, str], ground: Ground, timeouts: Timeouts | None = None
) -> HttpChannel[WireSms]:
    """The channel of a sender at Vonage."""
    api = VonageApi(provider, secrets["privateKey"], ground.callback_url)
    way = HttpWay(max_connections=provider.max_connections, timeouts=timeouts)
    return HttpChannel(api, way)


def callbacks(provider: Vonage, secrets: Mapping[str, str], ground: Ground) -> VonageCallbacks:
    """What reads the calls that Vonage makes for a sender."""
    return VonageCallbacks(provider, secrets["signatureSecret"], ground.sender_id)


class VonageApi:
    """Speaks `POST /v1/messages`. Implements `http_channel.Api`. No key of ours makes a repeat harmless."""

    most_at_once = 1
    repeats = 0

    def __init__(self, provider: Vonage, private_key: str, callback_url: str, clock: Clock = time.time) -> None:
        self._url = f"{provider.base_url.rstrip('/')}/v1/messages"
        self._application = provider.application_id
        self._private_key = private_key
        self._callback_url = callback_url
        self._clock = clock
        self._token = ""
        self._renewed_at = 0.0

    async def request(self, messages: Sequence[WireSms]) -> Request | Outcome:
        """The request for one message, or why there cannot be one: a private key that is none."""
        [message] = messages
        body = {
            "channel": "sms",
            "message_type": "text",
            "to": bare(message.to),
            "from": bare(message.from_),
            "text": message.text,
            "client_ref": message.key,
            "sms": {"encoding_type": _ENCODINGS[message.encoding]},
        }
        if self._callback_url:
            body |= {"webhook_url": self._callback_url, "webhook_version": "v1"}
        return self._signed(body)

    def _signed(self, body: Mapping[str, object]) -> Request | Outcome:
        now = self._clock()
        if not 0 <= now - self._renewed_at < _TOKEN_S - _RENEWED_BEFORE_S:
            claims = {"application_id": self._application, "iat": int(now), "exp": int(now) + _TOKEN_S}
            try:
                self._token = jwt.encode({**claims, "jti": str(uuid.uuid4())}, self._private_key, "RS256")
            except (ValueError, TypeError, jwt.PyJWTError):
                return Outcome.retry(Reason.AUTH_FAILED, "not sent: the private key is no RSA key in PEM")
            self._renewed_at = now
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        return Request(self._url, msgspec.json.encode(body), headers)

    def outcomes(self, messages: Sequence[WireSms], answer: Answer) -> Sequence[Outcome]:
        """202 with an id took it; a problem (RFC 7807) says why not."""
        said = json_object(answer.body)
        if 200 <= answer.status < 300:
            name = name_of(said.get("message_uuid"))
            return [Outcome.sent(name) if name else UNREADABLE] * len(messages)
        code = _code(said)
        words = " ".join(filter(None, (code, text_of(said.get("title")), text_of(said.get("detail")))))
        return [refused(CODES, code, words, answer)] * len(messages)

    async def probe(self, way: HttpWay) -> Outcome:
        """Posts a message without anything in it: a good token is told so with 422, a bad one with 401."""
        request = self._signed({})
        return request if isinstance(request, Outcome) else await probed(way, request, (400, 422))


class VonageCallbacks(CallbackReader):
    """Reads message status and inbound webhooks, signed as "Webhooks: Decoding signed webhooks" says."""

    def __init__(self, provider: Vonage, signature_secret: str, sender_id: Id, clock: Clock = time.time) -> None:
        self._application = provider.application_id
        self._secret = signature_secret
        self._sender_id = sender_id
        self._clock = clock

    def read(self, request: Callback) -> Sequence[News]:
        """One receipt or one inbound message. Raises Forged, Malformed."""
        self._demand_signed(request)
        said = demand_object(request)
        name, at = text_of(said.get("message_uuid")), moment(text_of(said.get("timestamp")))
        if not name or said.get("channel", "sms") != "sms":
            return []
        state = _STATES.get(text_of(said.get("status")))
        if state is not None:
            reason, detail = None, ""
            if state is ReceiptState.FAILED:
                error = object_of(said.get("error"))
                words = text_of(error.get("detail")) or text_of(error.get("reason"))
                reason, detail = why(CODES, _code(error), words)
            delivery_id = parse_delivery_id(text_of(said.get("client_ref")))
            event_id = f"{name}:{said['status']}"
            return [Receipt(self._sender_id, event_id, state, name, delivery_id, reason, detail, at)]
        if "status" in said or "text" not in said:
            return []
        from_, to = international(text_of(said.get("from"))), international(text_of(said.get("to")))
        return [Inbound(self._sender_id, f"{name}:received", from_, to, text_of(said["text"]), at)]

    def _demand_signed(self, request: Callback) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            # Only this one algorithm: a token must not choose how it is checked.
            claims = jwt.decode(
                token.strip() if scheme.lower() == "bearer" else "",
                self._secret,
                algorithms=["HS256"],
                options={"require": ["iat", "payload_hash"], "verify_aud": False, "verify_iat": False},
            )
        except jwt.PyJWTError as fault:
            raise Forged("the token in Authorization is not signed with our secret") from fault
        if not same(text_of(claims["payload_hash"]).lower(), sha256_hex(request.body)):
            raise Forged("the body is not the one that was signed")
        if text_of(claims.get("application_id", self._application)) != self._application:
            raise Forged("signed for another application of the account")
        try:
            issued_at = float(text_of(claims["iat"]))
        except ValueError:
            raise Forged("iat in the token is no time") from None
        demand_fresh(issued_at, self._clock(), _OLDEST_S)


def _code(problem: Mapping[str, Any]) -> str:
    """The number of an error: behind the # of its type, or as its title or code, by the age of what answers."""
    fragment = text_of(problem.get("type")).rpartition("#")[2]
    candidates = (fragment, text_of(problem.get("title")), text_of(problem.get("code")))
    return next((one for one in candidates if re.fullmatch(r"[0-9]{3,5}", one)), "")
