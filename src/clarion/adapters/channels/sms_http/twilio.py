"""Twilio's Programmable Messaging: one form-encoded request a message, status callbacks signed with the auth token.

Twilio offers no key that makes repeating a request harmless, so an answer that is lost leaves the message uncertain;
the callback, whose address carries our delivery id, settles it. Retries nothing. Sources: docs/providers.md.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

from clarion.adapters.channels.ground import Ground
from clarion.adapters.channels.http import HttpWay, Request, Timeouts
from clarion.adapters.channels.http_answers import UNREADABLE, Answer
from clarion.adapters.channels.http_channel import HttpChannel
from clarion.adapters.channels.json_reading import json_object, name_of, text_of
from clarion.adapters.channels.sms_http.callbacks import (
    CallbackReader,
    hmac_base64,
    international,
    malformed,
    same,
    sha256_hex,
    why,
)
from clarion.adapters.channels.sms_http.meanings import Table, failed, later, probed, refused
from clarion.application.ports.receipts import Answer as CallbackAnswer
from clarion.application.ports.receipts import Callback, Forged, Inbound, News, Receipt, ReceiptState
from clarion.domain.delivery import parse_delivery_id
from clarion.domain.ids import Id
from clarion.domain.outcome import Outcome, Reason
from clarion.domain.providers.sms_http import Twilio
from clarion.rendering.sms import WireSms

CODES: Final[Table] = {
    # on the request ("Error and Warning Dictionary", 2xxxx)
    "20003": later(Reason.AUTH_FAILED, "Authentication failed"),
    "20005": later(Reason.AUTH_FAILED, "Account not active"),
    "20429": later(Reason.THROTTLED, "Too many requests"),
    "14107": later(Reason.THROTTLED, "Message send rate limit exceeded"),
    "21211": failed(Reason.ADDRESS_UNKNOWN, "Invalid 'To' phone number"),
    "21214": failed(Reason.UNROUTABLE, "'To' phone number cannot be reached"),
    "21217": failed(Reason.ADDRESS_UNKNOWN, "Phone number does not appear to be valid"),
    "21265": failed(Reason.ADDRESS_REJECTED, "'To' number cannot be a short code"),
    "21266": failed(Reason.ADDRESS_REJECTED, "'To' and 'From' are the same number"),
    "21268": failed(Reason.ADDRESS_REJECTED, "'To' number is a premium or service number"),
    "21408": failed(Reason.COUNTRY_NOT_ALLOWED, "Sending to this region is not enabled"),
    "21602": failed(Reason.MESSAGE_REJECTED, "Message body is required"),
    "21603": later(Reason.POLICY_REJECTED, "'From' phone number is required"),
    "21606": later(Reason.POLICY_REJECTED, "'From' number cannot send messages for this account"),
    "21608": failed(Reason.ADDRESS_REJECTED, "'To' number is not verified; trial account"),
    "21609": later(Reason.POLICY_REJECTED, "Invalid 'StatusCallback' URL"),
    "21610": failed(Reason.UNSUBSCRIBED, "The recipient has opted out"),
    "21611": later(Reason.THROTTLED, "The queue of this 'From' number is full"),
    "21612": failed(Reason.UNROUTABLE, "This pair of 'To' and 'From' cannot be connected"),
    "21614": failed(Reason.ADDRESS_REJECTED, "'To' number is not a valid mobile number"),
    "21617": failed(Reason.TOO_BIG, "The message body exceeds 1600 characters"),
    "21635": failed(Reason.LANDLINE, "'To' number cannot be a landline"),
    "21659": later(Reason.POLICY_REJECTED, "'From' is not a Twilio number, or of another country"),
    "21660": later(Reason.POLICY_REJECTED, "'From' number belongs to another account"),
    # in the answer or later, by status callback (3xxxx)
    "30001": later(Reason.THROTTLED, "Queue overflow"),
    "30002": later(Reason.AUTH_FAILED, "Account suspended"),
    "30003": failed(Reason.UNREACHABLE, "Unreachable destination handset"),
    "30004": failed(Reason.ADDRESS_REJECTED, "Message blocked"),
    "30005": failed(Reason.ADDRESS_UNKNOWN, "Unknown destination handset"),
    "30006": failed(Reason.LANDLINE, "Landline or unreachable carrier"),
    "30007": failed(Reason.MESSAGE_REJECTED, "Message filtered"),
    "30008": failed(Reason.MESSAGE_REJECTED, "Unknown error"),
    "30010": failed(Reason.POLICY_REJECTED, "Message price exceeds the maximum"),
    "30022": later(Reason.THROTTLED, "US A2P 10DLC: rate limits exceeded"),
    "30023": later(Reason.THROTTLED, "US A2P 10DLC: daily message cap reached"),
    "30024": failed(Reason.NO_ORIGINATOR, "Numeric sender id not provisioned on the carrier"),
    "30032": failed(Reason.NO_ORIGINATOR, "Toll-free number has not been verified"),
    "30034": failed(Reason.NO_ORIGINATOR, "US A2P 10DLC: message from an unregistered number"),
    "30036": failed(Reason.DEADLINE_PASSED, "Validity period expired"),
}
"""https://www.twilio.com/docs/api/errors; what it does not hold is read by its HTTP status."""

_STATES: Final = {
    "accepted": ReceiptState.ACCEPTED,
    "scheduled": ReceiptState.ACCEPTED,
    "queued": ReceiptState.ACCEPTED,
    "sending": ReceiptState.ACCEPTED,
    "sent": ReceiptState.ACCEPTED,
    "delivered": ReceiptState.DELIVERED,
    "read": ReceiptState.DELIVERED,
    "undelivered": ReceiptState.FAILED,
    "failed": ReceiptState.FAILED,
    "canceled": ReceiptState.FAILED,
}
"""Message status values of the Message resource."""
_ECHO: Final = "delivery"
_FORM: Final = "application/x-www-form-urlencoded"
_FIELDS_LIMIT: Final = 500


def channel(
    provider: Twilio, secrets: Mapping[str, str], ground: Ground, timeouts: Timeouts | None = None
) -> HttpChannel[WireSms]:
    """The channel of a sender at Twilio."""
    api = TwilioApi(provider, secrets["authToken"], ground.callback_url)
    way = HttpWay(max_connections=provider.max_connections, timeouts=timeouts)
    return HttpChannel(api, way)


def callbacks(provider: Twilio, secrets: Mapping[str, str], ground: Ground) -> TwilioCallbacks:
    """What reads the calls that Twilio makes for a sender."""
    return TwilioCallbacks(provider, secrets["authToken"], ground.sender_id)


class TwilioApi:
    """Speaks the Message resource ("Messages resource", 2010-04-01). Implements `http_channel.Api`."""

    most_at_once = 1
    repeats = 0

    def __init__(self, provider: Twilio, auth_token: str, callback_url: str) -> None:
        account = provider.account_sid
        self._account_url = f"{provider.base_url.rstrip('/')}/2010-04-01/Accounts/{account}"
        self._service = provider.messaging_service_sid
        self._callback_url = callback_url
        login = base64.b64encode(f"{account}:{auth_token}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}", "Content-Type": _FORM, "Accept": "application/json"}

    async def request(self, messages: Sequence[WireSms]) -> Request:
        """The request for one message."""
        [message] = messages
        form = {"To": message.to, "Body": message.text}
        form |= {"MessagingServiceSid": self._service} if self._service else {"From": message.from_}
        if self._callback_url:
            form["StatusCallback"] = f"{self._callback_url}?{_ECHO}={quote(message.key)}"
        return Request(f"{self._account_url}/Messages.json", urlencode(form).encode(), self._headers)

    def outcomes(self, messages: Sequence[WireSms], answer: Answer) -> Sequence[Outcome]:
        """201 took it, unless the resource says at once that it failed; anything else says why by its code."""
        said = json_object(answer.body)
        if answer.status == 201:
            code = text_of(said.get("error_code"))
            if said.get("status") in {"failed", "undelivered"} and code in CODES:
                return [CODES[code].outcome(f"{code} {text_of(said.get('error_message'))}")] * len(messages)
            name = name_of(said.get("sid"))
            if not name:
                return [UNREADABLE] * len(messages)
            # Without a public address of ours, a callback set up at Twilio knows the message by this name only.
            refs = () if self._callback_url else (name,)
            return [Outcome.sent(f"{name} {name_of(said.get('status'))}".strip(), refs)] * len(messages)
        code = text_of(said.get("code"))
        return [refused(CODES, code, f"{code} {text_of(said.get('message'))}", answer)] * len(messages)

    async def probe(self, way: HttpWay) -> Outcome:
        """Reads the account, which any good login may."""
        return await probed(way, Request(f"{self._account_url}.json", b"", self._headers, "GET"), (200,))


class TwilioCallbacks(CallbackReader):
    """Reads status callbacks and inbound messages, signed as "Webhooks security" says.

    The scheme signs no time: the same event again is known by its id instead.
    """

    def __init__(self, provider: Twilio, auth_token: str, sender_id: Id) -> None:
        self._account = provider.account_sid
        self._token = auth_token.encode()
        self._sender_id = sender_id

    @property
    def answer(self) -> CallbackAnswer:
        """An empty TwiML document: we reply with nothing."""
        return CallbackAnswer(200, "text/xml", b"<Response/>")

    def read(self, request: Callback) -> Sequence[News]:
        """One receipt or one inbound message. Raises Forged, Malformed."""
        said = self._signed(request)
        name, status = said.get("MessageSid", ""), said.get("MessageStatus") or said.get("SmsStatus", "")
        if not name or said.get("AccountSid", self._account) != self._account:
            raise malformed("a message of this account")
        if status == "received":
            from_, to = international(said.get("From", "")), international(said.get("To", ""))
            return [Inbound(self._sender_id, f"{name}:received", from_, to, said.get("Body", ""))]
        state = _STATES.get(status)
        if state is None:
            return []
        reason, detail = None, ""
        if state is ReceiptState.FAILED:
            reason, detail = why(CODES, said.get("ErrorCode", ""), said.get("ErrorMessage", ""))
        delivery_id = parse_delivery_id(dict(parse_qsl(urlsplit(request.url).query)).get(_ECHO, ""))
        return [Receipt(self._sender_id, f"{name}:{status}", state, name, delivery_id, reason, detail)]

    def _signed(self, request: Callback) -> dict[str, str]:
        """The parameters of a request that Twilio signed."""
        query = parse_qs(urlsplit(request.url).query, keep_blank_values=True)
        form: dict[str, list[str]] = {}
        is_form = request.method == "POST" and request.headers.get("content-type", "").startswith(_FORM)
        if is_form:
            form = _form(request.body)
        elif request.body and query.get("bodySHA256") != [sha256_hex(request.body)]:
            raise Forged("the body is not the one that was signed")
        signature = request.headers.get("x-twilio-signature", "")
        if True not in [same(signature, self.signature(url, form)) for url in _with_and_without_port(request.url)]:
            raise Forged("X-Twilio-Signature is not ours")
        if is_form or not request.body:
            return {name: values[0] for name, values in (form or query).items()}
        return _texts(json_object(request.body))

    def signature(self, url: str, form: Mapping[str, Sequence[str]]) -> str:
        """HMAC-SHA1 of the URL with every parameter behind it, sorted, name and value without anything between."""
        written = "".join(name + value for name in sorted(form) for value in sorted(set(form[name])))
        return hmac_base64(self._token, (url + written).encode(), "sha1")


def _form(body: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FIELDS_LIMIT)
    except ValueError:
        raise Forged(f"a call of Twilio never has more than {_FIELDS_LIMIT} fields") from None


def _with_and_without_port(url: str) -> list[str]:
    """Twilio signs some URLs with the standard port, some without: its own libraries try both."""
    match = re.fullmatch(r"(https?)://([^/?#:]+|\[[^]]+\])(:[0-9]+)?(.*)", url)
    if match is None:
        return [url]
    scheme, host, port, rest = match.groups(default="")
    return [url, f"{scheme}://{host}{rest}" if port else f"{scheme}://{host}:{_PORTS[scheme]}{rest}"]


_PORTS: Final = {"http": 80, "https": 443}


def _texts(found: Mapping[str, Any]) -> dict[str, str]:
    return {name: text_of(value) for name, value in found.items()}
