"""Bird, formerly MessageBird: its platform API, up to a hundred messages a request, each request with its own key.

Bird keeps a key for 24 hours: the same request again returns the first answer, so a lost answer is asked for again at
once. Of the three APIs under its names this is the one that is documented and developed. Sources: docs/providers.md.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from clarion.adapters.channels.ground import Ground
from clarion.adapters.channels.http import HttpWay, Request, Timeouts
from clarion.adapters.channels.http_answers import UNREADABLE, Answer
from clarion.adapters.channels.http_channel import HttpChannel
from clarion.adapters.channels.json_reading import json_object, list_of, name_of, object_of, text_of
from clarion.adapters.channels.sms_http.callbacks import (
    CallbackReader,
    Clock,
    demand_object,
    international,
    moment,
    why,
)
from clarion.adapters.channels.sms_http.meanings import Table, failed, later, probed, refused, uncertain
from clarion.adapters.channels.sms_http.standard_webhooks import demand_signed
from clarion.application.ports.receipts import Callback, Inbound, News, Receipt, ReceiptState
from clarion.domain.delivery import parse_delivery_id
from clarion.domain.ids import Id
from clarion.domain.outcome import Outcome, Reason
from clarion.domain.providers.sms_http import Bird
from clarion.rendering.sms import WireSms

CODES: Final[Table] = {
    # categories of an error ("type" of the error object)
    "auth_error": later(Reason.AUTH_FAILED, "No good key"),
    "permission_error": later(Reason.AUTH_FAILED, "The key may not do this"),
    "billing_error": later(Reason.POLICY_REJECTED, "Not paid"),
    "precondition_error": later(Reason.POLICY_REJECTED, "The workspace is not ready to send"),
    "misdirected_error": later(Reason.CONNECTION_FAILED, "Another region's key"),
    "rate_limit_error": later(Reason.THROTTLED, "Too many requests"),
    "service_unavailable_error": later(Reason.THROTTLED, "Not available just now"),
    "conflict_error": uncertain("The same key is at work, or was used for something else"),
    # names of errors of a send
    "SMSInvalidRecipient": failed(Reason.ADDRESS_UNKNOWN, "The recipient cannot be routed"),
    "SMSNoEligibleSender": failed(Reason.NO_ORIGINATOR, "No sender for this message"),
    "SenderCategoryNotPermitted": failed(Reason.NO_ORIGINATOR, "The sender is not registered for this category"),
    # codes of a failed message (SMSErrorCode)
    "blocked_by_carrier": failed(Reason.MESSAGE_REJECTED, "The carrier filtered the message"),
    "blocked_by_fraud_protection": failed(Reason.ADDRESS_REJECTED, "Blocked by fraud protection"),
    "blocked_by_recipient": failed(Reason.ADDRESS_REJECTED, "The recipient's device blocked the sender"),
    "content_rejected": failed(Reason.MESSAGE_REJECTED, "The carrier rejected the content"),
    "insufficient_balance": later(Reason.POLICY_REJECTED, "The wallet is empty"),
    "invalid_destination": failed(Reason.ADDRESS_UNKNOWN, "Not assigned, ported out, or malformed"),
    "landline_unreachable": failed(Reason.LANDLINE, "A landline that takes no SMS"),
    "provider_unavailable": later(Reason.DEFERRED, "An upstream failure after retries"),
    "recipient_opted_out": failed(Reason.UNSUBSCRIBED, "The recipient is on Bird's suppression list"),
    "sender_unregistered": failed(Reason.NO_ORIGINATOR, "The sender is not registered for the destination"),
    "unreachable": failed(Reason.UNREACHABLE, "Handset off or out of coverage"),
    "unknown": failed(Reason.MESSAGE_REJECTED, "An unmapped failure"),
}
"""The API's own names, as its reference and SDKs list them; what it does not hold is read by its HTTP status."""

_STATES: Final = {
    "sms.accepted": ReceiptState.ACCEPTED,
    "sms.sent": ReceiptState.ACCEPTED,
    "sms.delivered": ReceiptState.DELIVERED,
    "sms.undelivered": ReceiptState.FAILED,
    "sms.failed": ReceiptState.FAILED,
    "sms.rejected": ReceiptState.FAILED,
    "sms.expired": ReceiptState.FAILED,
}
_ECHO: Final = "delivery"
_LOST_ANSWERS: Final = 2
"""So often a request is sent again with its key at once when no answer came."""


def channel(
    provider: Bird, secrets: Mapping[str, str], ground: Ground, timeouts: Timeouts | None = None
) -> HttpChannel[WireSms]:
    """The channel of a sender at Bird. Its webhooks are set up there: a request cannot name one."""
    del ground
    way = HttpWay(max_connections=provider.max_connections, timeouts=timeouts)
    return HttpChannel(BirdApi(provider, secrets["apiKey"]), way)


def callbacks(provider: Bird, secrets: Mapping[str, str], ground: Ground) -> BirdCallbacks:
    """What reads the calls that Bird makes for a sender."""
    del provider
    return BirdCallbacks(secrets["webhookSecret"], ground.sender_id)


class BirdApi:
    """Speaks `/v1/sms/messages` for one message and `/v1/sms/batches` for several. Implements `http_channel.Api`."""

    repeats = _LOST_ANSWERS

    def __init__(self, provider: Bird, api_key: str) -> None:
        self.most_at_once = provider.batch_size
        self._url = f"{provider.base_url.rstrip('/')}/v1/sms"
        self._category = provider.category
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}

    async def request(self, messages: Sequence[WireSms]) -> Request:
        """The request for these messages. Alone, a message's key is its delivery id, whenever it is sent again."""
        written = [
            {
                "to": message.to,
                "from": message.from_,
                "text": message.text,
                "category": self._category,
                "metadata": {_ECHO: message.key},
            }
            for message in messages
        ]
        if len(messages) == 1:
            body, path, key = msgspec.json.encode(written[0]), "messages", messages[0].key
        else:
            body, path = msgspec.json.encode(written), "batches"
            key = hashlib.sha256(body).hexdigest()
        return Request(f"{self._url}/{path}", body, {**self._headers, "Idempotency-Key": key})

    def outcomes(self, messages: Sequence[WireSms], answer: Answer) -> Sequence[Outcome | None]:
        """One outcome a message; None for those of a batch that was refused as a whole because of some of them."""
        said = json_object(answer.body)
        if 200 <= answer.status < 300:
            entries = [said] if len(messages) == 1 else list_of(said.get("data"))
            if len(entries) != len(messages):
                return [UNREADABLE] * len(messages)
            return [_of_message(object_of(entry)) for entry in entries]
        if answer.status in {400, 413, 422} and len(messages) > 1:
            return [None] * len(messages)
        error = object_of(said.get("error")) or said
        names = [text_of(error.get(part)) for part in ("name", "type")]
        code = next((name for name in names if name in CODES), "")
        words = " ".join(filter(None, (text_of(error.get("code")), *names, text_of(error.get("message")))))
        return [refused(CODES, code, words, answer)] * len(messages)

    async def probe(self, way: HttpWay) -> Outcome:
        """Lists one message, which any good key may."""
        return await probed(way, Request(f"{self._url}/messages?limit=1", b"", self._headers, "GET"), (200,))


def _of_message(said: Mapping[str, Any]) -> Outcome:
    name, status = name_of(said.get("id")), name_of(said.get("status"))
    if status in {"rejected", "failed"}:
        error = object_of(said.get("last_error"))
        known = CODES.get(text_of(error.get("code")), CODES["unknown"])
        return known.outcome(f"{name} {text_of(error.get('code'))} {text_of(error.get('description'))}")
    return Outcome.sent(f"{name} {status}".strip()) if name else UNREADABLE


class BirdCallbacks(CallbackReader):
    """Reads webhook events, which are signed as Standard Webhooks says. Implements `application.ports.receipts`."""

    def __init__(self, webhook_secret: str, sender_id: Id, clock: Clock = time.time) -> None:
        self._secret = webhook_secret
        self._sender_id = sender_id
        self._clock = clock

    def read(self, request: Callback) -> Sequence[News]:
        """One receipt or one inbound message. Raises Forged, Malformed."""
        event_id = demand_signed(request, self._secret, self._clock())
        said = demand_object(request)
        kind, data, at = text_of(said.get("type")), object_of(said.get("data")), moment(text_of(said.get("timestamp")))
        name = text_of(data.get("sms_id"))
        if kind == "sms.received" and name:
            from_, to = international(text_of(data.get("from"))), international(text_of(data.get("to")))
            return [Inbound(self._sender_id, event_id, from_, to, text_of(data.get("text")), at)]
        state = _STATES.get(kind)
        if state is None or not name:
            return []
        reason, detail = None, ""
        if state is ReceiptState.FAILED:
            error = object_of(data.get("error")) or object_of(data.get("last_error"))
            reason, detail = why(CODES, text_of(error.get("code")), text_of(error.get("description")))
            if kind == "sms.expired":
                reason = Reason.DEADLINE_PASSED
        delivery_id = parse_delivery_id(text_of(object_of(data.get("metadata")).get(_ECHO)))
        return [Receipt(self._sender_id, event_id, state, name, delivery_id, reason, detail, at)]
