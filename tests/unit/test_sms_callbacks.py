"""Callbacks of SMS providers: the examples their documentation publishes, with good and forged signatures."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from tests.support import sms_callbacks
from tests.support.sms_providers import SENDER_ID, TwilioStandIn, VonageStandIn

from clarion.adapters.channels.sms_http.bird import BirdCallbacks
from clarion.adapters.channels.sms_http.signed_http import SignedCallbacks
from clarion.adapters.channels.sms_http.standard_webhooks import demand_signed
from clarion.adapters.channels.sms_http.twilio import TwilioCallbacks
from clarion.adapters.channels.sms_http.vonage import VonageCallbacks
from clarion.application.ports.receipts import Callback, Callbacks, Confirmation, Forged, Inbound, News, Receipt
from clarion.domain.delivery import DeliveryId
from clarion.domain.errors import Malformed
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason
from clarion.domain.receipt import ReceiptState

HOOK = "https://clarion.example/hooks/0123456789ab0123456789ab"
RUN = "0123456789ab" * 2
DELIVERY = DeliveryId(Id(bytes.fromhex(RUN)), 7)
ECHO = f"{RUN}-7"
NOW = 1_587_495_000.0

TWILIO = TwilioCallbacks(TwilioStandIn().provider, "12345", SENDER_ID)
VONAGE_SECRET = VonageStandIn().signature_secret
VONAGE = VonageCallbacks(VonageStandIn().provider, VONAGE_SECRET, SENDER_ID, clock=lambda: NOW)
BIRD = BirdCallbacks(sms_callbacks.WEBHOOK_SECRET, SENDER_ID, clock=lambda: NOW)
SIGNED = SignedCallbacks(sms_callbacks.WEBHOOK_SECRET, SENDER_ID, clock=lambda: NOW)


def the_receipt(news: Sequence[News | Confirmation]) -> Receipt:
    [one] = news
    assert isinstance(one, Receipt)
    return one


def the_inbound(news: Sequence[News | Confirmation]) -> Inbound:
    [one] = news
    assert isinstance(one, Inbound)
    return one


# Twilio: "Webhooks security" and the tests of Twilio's own libraries publish these values for the token 12345.

FORM = {"CallSid": "CA1234567890ABCDE", "Digits": "1234", "To": "+18005551212"}
PUBLISHED = [
    ("https://example.com/myapp.php?foo=1&bar=2", "+14158675310", "L/OH5YylLD5NRKLltdqwSvS0BnU="),
    ("https://mycompany.com/myapp.php?foo=1&bar=2", "+12349013030", "0/KCTR6DLpKmkAf8muzZqo1nDgQ="),
]
JSON_URL = (
    "https://mycompany.com/myapp.php?foo=1&bar=2"
    "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
)
JSON_CALL = Callback(
    "POST",
    JSON_URL,
    {"content-type": "application/json", "x-twilio-signature": "a9nBmqA0ju/hNViExpshrM61xv4="},
    b'{"property": "value", "boolean": true}',
)


@pytest.mark.parametrize(("url", "caller", "published"), PUBLISHED)
def test_twilios_published_signatures_are_ours(url: str, caller: str, published: str) -> None:
    form = {name: [value] for name, value in {**FORM, "From": caller, "Caller": caller}.items()}
    assert TWILIO.signature(url, form) == published
    assert TWILIO.signature(url, {**form, "Digits": ["4321"]}) != published


def test_twilios_published_json_call_is_taken_for_signed_and_an_edited_one_is_not() -> None:
    with pytest.raises(Malformed):  # signed, but no message: the example is of nothing in particular
        TWILIO.read(JSON_CALL)
    with pytest.raises(Forged):
        TWILIO.read(JSON_CALL._replace(body=b'{"property": "VALUE", "boolean": true}'))
    with pytest.raises(Forged):
        TWILIO.read(JSON_CALL._replace(url=JSON_URL.replace("foo=1", "foo=2")))


STATUS = {
    "AccountSid": TwilioStandIn().account,
    "From": "+15017250604",
    "MessageSid": "SM1234567890abcdef1234567890abcdef",
    "MessageStatus": "delivered",
    "SmsSid": "SM1234567890abcdef1234567890abcdef",
    "SmsStatus": "delivered",
    "To": "+15558675310",
}


def test_a_status_callback_of_twilio_moves_the_delivery_its_address_names() -> None:
    url = f"{HOOK}?delivery={ECHO}"
    receipt = the_receipt(TWILIO.read(sms_callbacks.twilio(url, "12345", STATUS)))
    assert (receipt.state, receipt.delivery_id) == (ReceiptState.DELIVERED, DELIVERY)
    assert (receipt.ref, receipt.event_id) == (STATUS["MessageSid"], f"{STATUS['MessageSid']}:delivered")
    failed = {**STATUS, "MessageStatus": "undelivered", "ErrorCode": "30005"}
    receipt = the_receipt(TWILIO.read(sms_callbacks.twilio(url, "12345", failed)))
    assert (receipt.state, receipt.reason) == (ReceiptState.FAILED, Reason.ADDRESS_UNKNOWN)


def test_a_message_to_twilio_is_inbound() -> None:
    form = {**STATUS, "MessageStatus": "", "SmsStatus": "received", "Body": "STOP & go +1"}
    inbound = the_inbound(TWILIO.read(sms_callbacks.twilio(HOOK, "12345", form)))
    assert (inbound.from_, inbound.to, inbound.text) == ("+15017250604", "+15558675310", "STOP & go +1")
    assert TWILIO.answer.body == b"<Response/>"


def test_twilio_signs_some_addresses_with_their_port() -> None:
    signed = sms_callbacks.twilio(HOOK.replace("clarion.example", "clarion.example:443"), "12345", STATUS)
    assert TWILIO.read(signed._replace(url=HOOK))


# Vonage: "Decoding signed webhooks" and the tests of Vonage's own libraries publish this token and its secret.

TOKEN = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE1ODc0OTQ5NjIsImp0aSI6ImM1YmE4ZjI0LTFhMTQtNGMxMC1iZmRmLTNmYmU4"
    "Y2U1MTFiNSIsImlzcyI6IlZvbmFnZSIsInBheWxvYWRfaGFzaCI6ImQ2YzBlNzRiNTg1N2RmMjBlM2I3ZTUxYjMwYzBjMmE0MGVjNzNhNzc4Nzli"
    "NmYwNzRkZGM3YTIzMTdkZDAzMWIiLCJhcGlfa2V5IjoiYTFiMmMzZCIsImFwcGxpY2F0aW9uX2lkIjoiYWFhYWFhYWEtYmJiYi1jY2NjLWRkZGQt"
    "MDEyMzQ1Njc4OWFiIn0.JQRKi1d0SQitmjPINfTWMpt3XZkGsLbD7EjCdXoNSbk"
)
SUBMITTED = {
    "message_uuid": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    "to": "447700900000",
    "from": "447700900001",
    "timestamp": "2023-05-01T14:00:00.000Z",
    "status": "submitted",
    "client_ref": ECHO,
    "channel": "sms",
}


def test_vonages_published_token_is_taken_for_signed_and_a_forged_one_is_not() -> None:
    call = Callback("POST", HOOK, {"authorization": f"Bearer {TOKEN}"}, json.dumps(SUBMITTED).encode())
    with pytest.raises(Forged, match="the body is not"):  # its own body was never published
        VONAGE.read(call)
    other = VonageCallbacks(VonageStandIn().provider, VONAGE_SECRET[:-5] + "55555", SENDER_ID, clock=lambda: NOW)
    with pytest.raises(Forged, match="not signed with our secret"):
        other.read(call)


def test_a_status_webhook_of_vonage_moves_the_delivery_its_client_ref_names() -> None:
    receipt = the_receipt(VONAGE.read(sms_callbacks.vonage(HOOK, VONAGE_SECRET, SUBMITTED, issued_at=NOW)))
    assert (receipt.state, receipt.delivery_id) == (ReceiptState.ACCEPTED, DELIVERY)
    assert receipt.occurred_at == datetime(2023, 5, 1, 14, tzinfo=UTC)
    error = {"type": "https://developer.vonage.com/api-errors/messages#1260", "title": "1260", "detail": "unreachable"}
    failed = {**SUBMITTED, "status": "rejected", "error": error}
    receipt = the_receipt(VONAGE.read(sms_callbacks.vonage(HOOK, VONAGE_SECRET, failed, issued_at=NOW)))
    assert (receipt.state, receipt.reason, receipt.detail) == (
        ReceiptState.FAILED,
        Reason.UNREACHABLE,
        "1260 unreachable",
    )


def test_a_message_to_vonage_is_inbound_with_a_plus() -> None:
    said = {name: value for name, value in SUBMITTED.items() if name not in {"status", "client_ref"}}
    call = sms_callbacks.vonage(HOOK, VONAGE_SECRET, {**said, "to": "12345", "text": "Hello"}, issued_at=NOW)
    inbound = the_inbound(VONAGE.read(call))
    assert (inbound.from_, inbound.to, inbound.text) == ("+447700900001", "12345", "Hello")


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"issued_at": NOW - 200_000}, "too long ago"),
        ({"application_id": "11111111-bbbb-cccc-dddd-0123456789ab"}, "another application"),
        ({"payload_hash": "0" * 64}, "the body is not"),
    ],
)
def test_a_token_of_vonage_for_something_else_is_forged(claims: dict[str, object], why: str) -> None:
    call = sms_callbacks.vonage(HOOK, VONAGE_SECRET, SUBMITTED, **{"issued_at": NOW, **claims})  # type: ignore[arg-type]
    with pytest.raises(Forged, match=why):
        VONAGE.read(call)


# Standard Webhooks: the specification's own test vector; Bird and signed JSON

VECTOR = Callback(
    "POST",
    HOOK,
    {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,other v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= "
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
    b'{"test": 2432232314}',
)


def test_the_published_vector_of_standard_webhooks_is_taken_within_five_minutes() -> None:
    assert demand_signed(VECTOR, sms_callbacks.WEBHOOK_SECRET, 1614265330 + 299) == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    for now in (1614265330 + 301, 1614265330 - 301):
        with pytest.raises(Forged):
            demand_signed(VECTOR, sms_callbacks.WEBHOOK_SECRET, now)
    forged = {**VECTOR.headers, "webhook-signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}
    with pytest.raises(Forged):
        demand_signed(VECTOR._replace(headers=forged), sms_callbacks.WEBHOOK_SECRET, 1614265330)


def test_events_of_bird_are_receipts_and_inbound_messages() -> None:
    data = {"sms_id": "sms_1", "from": "+15557654321", "to": "+15551234567", "metadata": {"delivery": ECHO}}
    said = {"type": "sms.undelivered", "timestamp": "2026-05-20T09:14:52Z", "data": data}
    said["data"] = {**data, "error": {"code": "landline_unreachable", "description": "a landline"}}
    receipt = the_receipt(BIRD.read(sms_callbacks.standard(HOOK, said, name="evt_1", at=NOW)))
    assert (receipt.event_id, receipt.state, receipt.delivery_id) == ("evt_1", ReceiptState.FAILED, DELIVERY)
    assert receipt.reason is Reason.LANDLINE
    received = {"type": "sms.received", "timestamp": said["timestamp"], "data": {**data, "text": "STOP"}}
    assert the_inbound(BIRD.read(sms_callbacks.standard(HOOK, received, at=NOW))).text == "STOP"
    assert BIRD.read(sms_callbacks.standard(HOOK, {"type": "email.opened", "data": {}}, at=NOW)) == []


def test_events_in_signed_json_are_receipts_and_inbound_messages() -> None:
    events = [
        {"id": "e1", "type": "delivered", "messageId": ECHO, "occurredAt": "2026-05-20T09:14:52Z"},
        {"id": "e2", "type": "failed", "messageId": ECHO, "reason": "unreachable", "detail": "off"},
        {"id": "e3", "type": "failed", "ref": "r-1", "reason": "quarantined"},
        {"id": "e4", "type": "received", "from": "+15551234567", "to": "12345", "text": "Hi"},
        {"id": "e5", "type": "something new"},
    ]
    *receipts, inbound = SIGNED.read(sms_callbacks.standard(HOOK, {"events": events}, at=NOW))
    assert [(one.event_id, getattr(one, "reason", None)) for one in receipts] == [
        ("e1", None),
        ("e2", Reason.UNREACHABLE),
        ("e3", Reason.MESSAGE_REJECTED),
    ]
    assert isinstance(inbound, Inbound)
    broken: list[dict[str, object]] = [
        {"events": [{"type": "delivered"}]},
        {"events": [{"id": "e", "type": "failed"}]},
        {"news": []},
    ]
    for said in broken:
        with pytest.raises(Malformed):
            SIGNED.read(sms_callbacks.standard(HOOK, said, at=NOW))


# all of them

GOOD: list[tuple[Callbacks, Callable[[], Callback]]] = [
    (TWILIO, lambda: sms_callbacks.twilio(HOOK, "12345", STATUS)),
    (VONAGE, lambda: sms_callbacks.vonage(HOOK, VONAGE_SECRET, SUBMITTED, issued_at=NOW)),
    (BIRD, lambda: sms_callbacks.standard(HOOK, {"type": "sms.sent", "data": {"sms_id": "1"}}, at=NOW)),
    (SIGNED, lambda: sms_callbacks.standard(HOOK, {"events": []}, at=NOW)),
]


@pytest.mark.parametrize(("reader", "call"), GOOD)
async def test_t34_a_call_that_is_not_signed_or_was_edited_is_forged(
    reader: Callbacks, call: Callable[[], Callback]
) -> None:
    good = call()
    await reader.prepare(good)
    assert [one.event_id for one in reader.read(good) if not isinstance(one, Confirmation)] == [
        one.event_id for one in reader.read(good) if not isinstance(one, Confirmation)
    ]
    unsigned = {"content-type": good.headers["content-type"]}
    forged = [good._replace(headers=unsigned), good._replace(body=good.body + b" "), good._replace(body=b"")]
    forged += [
        good._replace(headers={**good.headers, name: value[:-3] + "AAA"})
        for name, value in good.headers.items()
        if name in {"x-twilio-signature", "authorization", "webhook-signature", "webhook-id"}
    ]
    for one in forged:
        with pytest.raises(Forged):
            reader.read(one)
