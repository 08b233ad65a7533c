"""Signed JSON: for a service of one's own, or a provider that Clarion does not know. The protocol is ours.

One request carries up to `batch_size` messages and is signed as Standard Webhooks says; the answer has an outcome for
each; the service's calls are signed with the same secret. Its word is checked, never trusted. See docs/providers.md.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from clarion.adapters.channels.ground import Ground
from clarion.adapters.channels.http import HttpWay, Request, Timeouts
from clarion.adapters.channels.http_answers import Answer, plain, refusal
from clarion.adapters.channels.http_channel import HttpChannel
from clarion.adapters.channels.json_reading import json_object, list_of, name_of, object_of, text_of
from clarion.adapters.channels.sms_http.callbacks import CallbackReader, Clock, demand_object, malformed, moment
from clarion.adapters.channels.sms_http.meanings import probed
from clarion.adapters.channels.sms_http.standard_webhooks import demand_signed, key_of, signed_headers
from clarion.application.ports.receipts import Callback, Inbound, News, Receipt, ReceiptState
from clarion.domain.delivery import parse_delivery_id
from clarion.domain.ids import Id
from clarion.domain.outcome import Outcome, Reason
from clarion.domain.providers.sms_http import SignedHttp
from clarion.rendering.sms import WireSms

REASONS: Final = frozenset(
    {
        Reason.ADDRESS_UNKNOWN,
        Reason.ADDRESS_REJECTED,
        Reason.MESSAGE_REJECTED,
        Reason.POLICY_REJECTED,
        Reason.TOO_BIG,
        Reason.UNROUTABLE,
        Reason.UNREACHABLE,
        Reason.LANDLINE,
        Reason.COUNTRY_NOT_ALLOWED,
        Reason.NO_ORIGINATOR,
        Reason.UNSUBSCRIBED,
        Reason.DEADLINE_PASSED,
        Reason.DEFERRED,
        Reason.THROTTLED,
    }
)
"""The reasons that a service may give; any other word counts as `message_rejected`, or `deferred` for a retry."""
_STATES: Final = {str(state): state for state in ReceiptState}
_LOST_ANSWERS: Final = 2
_NO_SECRET: Final = Outcome.retry(Reason.AUTH_FAILED, "not sent: the signing secret is not base64 behind whsec_")
_MISSING: Final = Outcome.unknown(Reason.NO_ANSWER, "the answer has no result for this message")


def channel(
    provider: SignedHttp, secrets: Mapping[str, str], ground: Ground, timeouts: Timeouts | None = None
) -> HttpChannel[WireSms]:
    """The channel of a sender that speaks signed JSON."""
    api = SignedApi(provider, secrets["signingSecret"], ground.callback_url)
    way = HttpWay(max_connections=provider.max_connections, timeouts=timeouts)
    return HttpChannel(api, way)


def callbacks(provider: SignedHttp, secrets: Mapping[str, str], ground: Ground) -> SignedCallbacks:
    """What reads the calls that the service makes for a sender."""
    del provider
    return SignedCallbacks(secrets["signingSecret"], ground.sender_id)


class SignedApi:
    """Writes requests and reads answers. Implements `http_channel.Api`.

    A message's `id` is its delivery id, and the service promises to take two messages with one id for one: so a lost
    answer is asked for again at once.
    """

    repeats = _LOST_ANSWERS

    def __init__(self, provider: SignedHttp, secret: str, callback_url: str, clock: Clock = time.time) -> None:
        self.most_at_once = provider.batch_size
        self._url = provider.url
        self._callback_url = callback_url
        self._clock = clock
        self._secret = secret

    async def request(self, messages: Sequence[WireSms]) -> Request | Outcome:
        """The request for these messages, or why there cannot be one: a secret that is none."""
        return self._signed(messages)

    def _signed(self, messages: Sequence[WireSms]) -> Request | Outcome:
        written = [
            {
                "id": message.key,
                "to": message.to,
                "from": message.from_,
                "text": message.text,
                "encoding": message.encoding,
                "segments": len(message.parts),
            }
            for message in messages
        ]
        body = msgspec.json.encode({"messages": written, "callbackUrl": self._callback_url})
        name = messages[0].key if len(messages) == 1 else hashlib.sha256(body).hexdigest()
        try:
            signed = signed_headers(key_of(self._secret), name=name, now=self._clock(), body=body)
        except ValueError:
            return _NO_SECRET
        return Request(self._url, body, {**signed, "Content-Type": "application/json", "Idempotency-Key": name})

    def outcomes(self, messages: Sequence[WireSms], answer: Answer) -> Sequence[Outcome]:
        """An outcome a message, found by its id. Success without a body took them all; who is missing is uncertain."""
        if not 200 <= answer.status < 300:
            said = json_object(answer.body)
            return [refusal(answer, plain(text_of(said.get("detail"))))] * len(messages)
        if not answer.body and answer.is_whole:
            return [Outcome.sent("accepted")] * len(messages)
        results = [object_of(one) for one in list_of(json_object(answer.body).get("results"))]
        found = {text_of(one.get("id")): _outcome(one) for one in results}
        return [found.get(message.key, _MISSING) for message in messages]

    async def probe(self, way: HttpWay) -> Outcome:
        """Sends a signed request without messages."""
        request = self._signed(())
        return request if isinstance(request, Outcome) else await probed(way, request, range(200, 300))


def _outcome(said: Mapping[str, Any]) -> Outcome:
    words = plain(text_of(said.get("detail")))
    match said.get("status"):
        case "accepted":
            ref = name_of(said.get("ref"))
            return Outcome.sent(words or "accepted", (ref,) if ref else ())
        case "rejected":
            return Outcome.failed(_reason(said, Reason.MESSAGE_REJECTED), words)
        case "retry":
            return Outcome.retry(_reason(said, Reason.DEFERRED), words)
        case _:
            return _MISSING


def _reason(said: Mapping[str, Any], otherwise: Reason) -> Reason:
    found = text_of(said.get("reason"))
    return Reason(found) if found in REASONS else otherwise


class SignedCallbacks(CallbackReader):
    """Reads `{"events": [...]}`: states of messages, and messages that came in."""

    def __init__(self, secret: str, sender_id: Id, clock: Clock = time.time) -> None:
        self._secret = secret
        self._sender_id = sender_id
        self._clock = clock

    def read(self, request: Callback) -> Sequence[News]:
        """The news of every event in it. Raises Forged, Malformed."""
        demand_signed(request, self._secret, self._clock())
        events = demand_object(request).get("events")
        if not isinstance(events, list):
            raise malformed("a list of events")
        return list(self._news(object_of(event) for event in events))

    def _news(self, events: Iterator[Mapping[str, Any]]) -> Iterator[News]:
        for event in events:
            name, kind = text_of(event.get("id")), text_of(event.get("type"))
            at, detail = moment(text_of(event.get("occurredAt"))), plain(text_of(event.get("detail")))
            if not name:
                raise malformed("every event has an id")
            if kind == "received":
                from_, to, text = (text_of(event.get(part)) for part in ("from", "to", "text"))
                yield Inbound(self._sender_id, name, from_, to, text, at)
            elif kind in _STATES:
                state, delivery_id = _STATES[kind], parse_delivery_id(text_of(event.get("messageId")))
                reason = _reason(event, Reason.MESSAGE_REJECTED) if state is ReceiptState.FAILED else None
                ref = name_of(event.get("ref"))
                if delivery_id is None and not ref:
                    raise malformed("messageId or ref says which message is meant")
                yield Receipt(self._sender_id, name, state, ref, delivery_id, reason, detail, at)
