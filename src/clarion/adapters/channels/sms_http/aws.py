"""AWS End User Messaging SMS: `SendTextMessage` signed by us; its events and replies come as notifications of SNS.

AWS offers no key that makes repeating a request harmless; our delivery id comes back in the event's context and settles
what an answer that was lost left uncertain. Chosen over SNS Publish, which tells of deliveries by log files only.
Sources: docs/providers.md.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from clarion.adapters.channels.ground import Ground
from clarion.adapters.channels.http import HttpWay, Request, Timeouts
from clarion.adapters.channels.http_answers import UNREADABLE, Answer
from clarion.adapters.channels.http_channel import HttpChannel
from clarion.adapters.channels.json_reading import json_object, name_of, object_of, text_of
from clarion.adapters.channels.sms_http import sns
from clarion.adapters.channels.sms_http.aws_signing import Signer
from clarion.adapters.channels.sms_http.callbacks import CallbackReader, Clock, demand_object, international, why
from clarion.adapters.channels.sms_http.meanings import Table, failed, later, refused
from clarion.application.ports.receipts import Callback, Confirmation, Inbound, News, Receipt, ReceiptState
from clarion.domain.delivery import parse_delivery_id
from clarion.domain.ids import Id
from clarion.domain.outcome import Outcome, Reason, Verdict
from clarion.domain.providers.sms_http import AwsSms
from clarion.rendering.sms import WireSms

CODES: Final[Table] = {
    # errors of SendTextMessage, with their reason where it matters, and of signatures
    "AccessDeniedException": later(Reason.AUTH_FAILED, "Insufficient permissions, or a disabled account"),
    "UnrecognizedClientException": later(Reason.AUTH_FAILED, "Unknown access key"),
    "InvalidClientTokenId": later(Reason.AUTH_FAILED, "Unknown access key"),
    "InvalidSignatureException": later(Reason.AUTH_FAILED, "The signature does not match"),
    "SignatureDoesNotMatch": later(Reason.AUTH_FAILED, "The signature does not match"),
    "ExpiredTokenException": later(Reason.AUTH_FAILED, "The credentials have expired"),
    "MissingAuthenticationTokenException": later(Reason.AUTH_FAILED, "No credentials"),
    "ThrottlingException": later(Reason.THROTTLED, "Too many requests"),
    "ServiceQuotaExceededException": later(Reason.POLICY_REJECTED, "A quota is used up, such as the monthly spend"),
    "ResourceNotFoundException": later(Reason.POLICY_REJECTED, "No such originator or configuration set"),
    "ValidationException": failed(Reason.MESSAGE_REJECTED, "A parameter is not valid"),
    "ValidationException.DESTINATION_COUNTRY_BLOCKED": failed(Reason.COUNTRY_NOT_ALLOWED, "Country blocked"),
    "ValidationException.INVALID_IDENTITY_FOR_DESTINATION_COUNTRY": failed(
        Reason.NO_ORIGINATOR, "No good originator for the country"
    ),
    "ValidationException.SENDER_ID_NOT_REGISTERED": failed(Reason.NO_ORIGINATOR, "The sender id is not registered"),
    "ValidationException.SENDER_ID_NOT_SUPPORTED": failed(Reason.NO_ORIGINATOR, "No sender ids in this country"),
    "ValidationException.MAXIMUM_SIZE_EXCEEDED": failed(Reason.TOO_BIG, "The message body is too long"),
    "ConflictException": later(Reason.POLICY_REJECTED, "The account's configuration does not allow it"),
    "ConflictException.DESTINATION_PHONE_NUMBER_OPTED_OUT": failed(Reason.UNSUBSCRIBED, "The number opted out"),
    "ConflictException.DESTINATION_PHONE_NUMBER_NOT_VERIFIED": failed(Reason.ADDRESS_REJECTED, "Not verified; sandbox"),
    "ConflictException.DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION": failed(
        Reason.COUNTRY_NOT_ALLOWED, "Blocked by the protect configuration"
    ),
    "ConflictException.DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE": failed(
        Reason.ADDRESS_REJECTED, "Blocked by the protect configuration"
    ),
    "ConflictException.NO_ORIGINATION_IDENTITIES_FOUND": failed(Reason.NO_ORIGINATOR, "No originator fits"),
    # event types
    "TEXT_INVALID": failed(Reason.ADDRESS_UNKNOWN, "The number is not valid"),
    "TEXT_INVALID_MESSAGE": failed(Reason.MESSAGE_REJECTED, "The message body is not valid"),
    "TEXT_UNREACHABLE": failed(Reason.UNREACHABLE, "The device is not available"),
    "TEXT_CARRIER_UNREACHABLE": failed(Reason.UNREACHABLE, "A transient error of the carrier"),
    "TEXT_BLOCKED": failed(Reason.ADDRESS_REJECTED, "Device or carrier blocks messages to this number"),
    "TEXT_CARRIER_BLOCKED": failed(Reason.MESSAGE_REJECTED, "The carrier takes the message for malicious or abuse"),
    "TEXT_SPAM": failed(Reason.MESSAGE_REJECTED, "The carrier takes the message for spam"),
    "TEXT_TTL_EXPIRED": failed(Reason.DEADLINE_PASSED, "The time to live passed"),
    "TEXT_PROTECT_BLOCKED": failed(Reason.POLICY_REJECTED, "Blocked by the protect configuration"),
    "TEXT_UNKNOWN": failed(Reason.MESSAGE_REJECTED, "Not delivered, for a reason that nobody told"),
}
"""API reference of SendTextMessage, and "Event types for SMS, MMS, and voice"; else the HTTP status decides."""

_STATES: Final = {
    "TEXT_QUEUED": ReceiptState.ACCEPTED,
    "TEXT_PENDING": ReceiptState.ACCEPTED,
    "TEXT_SENT": ReceiptState.ACCEPTED,
    "TEXT_SUCCESSFUL": ReceiptState.ACCEPTED,
    "TEXT_DELIVERED": ReceiptState.DELIVERED,
} | {code: ReceiptState.FAILED for code in CODES if code.startswith("TEXT_")}
"""`TEXT_SUCCESSFUL` is the carrier's word, not the phone's: by country the two are used for one another."""
_ECHO: Final = "delivery"
_TARGET: Final = "PinpointSMSVoiceV2.SendTextMessage"
_TESTED: Final = "+12065550100"
"""A number that is nobody's (North American 555-01xx), for a dry run."""


def channel(
    provider: AwsSms, secrets: Mapping[str, str], ground: Ground, timeouts: Timeouts | None = None
) -> HttpChannel[WireSms]:
    """The channel of a sender at AWS. Where events go is set up there: a request cannot name it."""
    del ground
    way = HttpWay(max_connections=provider.max_connections, timeouts=timeouts)
    api = AwsApi(provider, secrets["secretAccessKey"])
    return HttpChannel(api, way)


def callbacks(provider: AwsSms, secrets: Mapping[str, str], ground: Ground) -> AwsCallbacks:
    """What reads the calls that SNS makes for a sender."""
    del secrets
    return AwsCallbacks(provider, ground.sender_id)


class AwsApi:
    """Speaks `SendTextMessage` (pinpoint-sms-voice-v2, JSON 1.0). Implements `http_channel.Api`."""

    most_at_once = 1
    repeats = 0

    def __init__(self, provider: AwsSms, secret_access_key: str, clock: Clock = time.time) -> None:
        self._url = provider.endpoint
        self._fixed = {"MessageType": provider.message_type}
        if provider.configuration_set:
            self._fixed["ConfigurationSetName"] = provider.configuration_set
        self._signer = Signer(provider.access_key_id, secret_access_key, provider.region, "sms-voice")
        self._clock = clock

    async def request(self, messages: Sequence[WireSms]) -> Request:
        """The request for one message."""
        [message] = messages
        return self._signed(
            {
                **self._fixed,
                "DestinationPhoneNumber": message.to,
                "OriginationIdentity": message.from_,
                "MessageBody": message.text,
                "Context": {_ECHO: message.key},
            }
        )

    def _signed(self, parameters: Mapping[str, object]) -> Request:
        body = msgspec.json.encode(parameters)
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": _TARGET}
        return Request(self._url, body, self._signer.headers("POST", self._url, headers, body, self._clock()))

    def outcomes(self, messages: Sequence[WireSms], answer: Answer) -> Sequence[Outcome]:
        """200 with an id took it; an error says why by its type, and by its reason where it has one."""
        return [_outcome(answer)] * len(messages)

    async def probe(self, way: HttpWay) -> Outcome:
        """Asks for a dry run, which AWS checks and does not send; whatever it says of that, it took the signature."""
        body = {**self._fixed, "DestinationPhoneNumber": _TESTED, "MessageBody": "test", "DryRun": True}
        answer = await way.ask(self._signed(body))
        outcome = answer if isinstance(answer, Outcome) else _outcome(answer)
        if outcome.verdict is Verdict.FAILED or outcome.reason is Reason.POLICY_REJECTED:
            return Outcome.sent(f"ready; AWS takes our credentials, and says of a dry run: {outcome.reply}")
        return outcome


def _outcome(answer: Answer) -> Outcome:
    said = json_object(answer.body)
    if answer.status == 200:
        name = name_of(said.get("MessageId"))
        return Outcome.sent(name) if name else UNREADABLE
    kind = (text_of(said.get("__type")) or answer.headers.get("x-amzn-ErrorType", "")).rpartition("#")[2]
    kind, reason = kind.partition(":")[0], text_of(said.get("Reason"))
    code = next((one for one in (f"{kind}.{reason}", kind) if one in CODES), "")
    words = " ".join(filter(None, (kind, reason, text_of(said.get("Message")) or text_of(said.get("message")))))
    return refused(CODES, code, words, answer)


class AwsCallbacks(CallbackReader):
    """Reads notifications of one SNS topic: events of messages, messages that came in, and its first question."""

    def __init__(
        self,
        provider: AwsSms,
        sender_id: Id,
        certificates: sns.Certificates = sns.CERTIFICATES,
        clock: Clock = time.time,
    ) -> None:
        self._topic = provider.topic_arn
        self._sender_id = sender_id
        self._certificates = certificates
        self._clock = clock

    async def prepare(self, request: Callback) -> None:
        """Fetches the certificate that the request names, once. Raises Forged, Unavailable."""
        await self._certificates.prepare(sns.certificate_url(json_object(request.body), self._topic))

    def read(self, request: Callback) -> Sequence[News | Confirmation]:
        """The news in a notification. Raises Forged, Malformed, and Unavailable without `prepare`."""
        said = json_object(request.body)
        key = self._certificates.key(sns.certificate_url(said, self._topic))
        sns.demand_signed(said, key, self._clock())
        match said.get("Type"):
            case "SubscriptionConfirmation":
                return [Confirmation(text_of(said.get("SubscribeURL")))]
            case "Notification":
                event = demand_object(request._replace(body=text_of(said.get("Message")).encode()))
                return list(self._news(event, text_of(said.get("MessageId"))))
            case _:
                return []

    def _news(self, said: Mapping[str, Any], notification_id: str) -> Sequence[News]:
        if "inboundMessageId" in said:
            from_, to = (international(text_of(said.get(part))) for part in ("originationNumber", "destinationNumber"))
            name, text = text_of(said["inboundMessageId"]), text_of(said.get("messageBody"))
            return [Inbound(self._sender_id, name or notification_id, from_, to, text)]
        kind, name = text_of(said.get("eventType")), text_of(said.get("messageId"))
        state = _STATES.get(kind)
        if state is None or not name:
            return []
        reason, detail = None, ""
        if state is ReceiptState.FAILED:
            reason, detail = why(CODES, kind, text_of(said.get("messageStatusDescription")))
        delivery_id = parse_delivery_id(text_of(object_of(said.get("context")).get(_ECHO)))
        at = _moment(said.get("eventTimestamp"))
        return [Receipt(self._sender_id, f"{name}:{kind}", state, name, delivery_id, reason, detail, at)]


def _moment(milliseconds: object) -> datetime | None:
    if not isinstance(milliseconds, int) or not 0 < milliseconds < 10**14:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
