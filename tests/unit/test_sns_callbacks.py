"""Notifications of Amazon SNS: whether they are signed for our topic, and what they tell of a text message."""

from __future__ import annotations

import dataclasses
import json

import pytest
from tests.support import sms_callbacks
from tests.support.sms_batch_providers import AwsStandIn
from tests.support.sms_providers import SENDER_ID

from clarion.adapters.channels.sms_http.aws import AwsCallbacks
from clarion.adapters.channels.sms_http.aws_signing import Signer
from clarion.adapters.channels.sms_http.sns import Certificates
from clarion.application.ports.receipts import Callback, Confirmation, Forged, Inbound, Receipt
from clarion.domain.delivery import DeliveryId
from clarion.domain.errors import Unavailable
from clarion.domain.ids import Id
from clarion.domain.receipt import ReceiptState

HOOK = "https://clarion.example/hooks/0123456789ab0123456789ab"
RUN = "0123456789ab" * 2
DELIVERY = DeliveryId(Id(bytes.fromhex(RUN)), 7)
ECHO = f"{RUN}-7"

EVENT = {
    "eventType": "TEXT_DELIVERED",
    "eventTimestamp": 1686975103470,
    "messageId": "862a8790-60c0-4430-9b2b-658bdexample",
    "messageStatusDescription": "Message has been accepted by phone",
    "context": {"delivery": ECHO},
}
REPLY = {
    "originationNumber": "+14255550182",
    "destinationNumber": "+12125550101",
    "messageBody": "EXAMPLE",
    "inboundMessageId": "cae173d2-66b9-564c-8309-21f858e9fb84",
}


@pytest.fixture(scope="module")
def sns() -> sms_callbacks.Sns:
    return sms_callbacks.Sns(AwsStandIn().topic)


def aws(sns: sms_callbacks.Sns, **changed: str) -> AwsCallbacks:
    provider = dataclasses.replace(AwsStandIn(url="http://127.0.0.1").provider, **changed)  # type: ignore[arg-type]
    return AwsCallbacks(provider, SENDER_ID, Certificates(sns.fetch))


async def test_notifications_of_sns_are_news_once_their_certificate_is_here(sns: sms_callbacks.Sns) -> None:
    reader, call = aws(sns), sns.notification(HOOK, EVENT)
    with pytest.raises(Unavailable):
        reader.read(call)
    fetched = sns.fetched
    for version in ("1", "2"):
        signed = sns.notification(HOOK, EVENT, version=version)
        await reader.prepare(signed)
        [receipt] = reader.read(signed)
        assert isinstance(receipt, Receipt)
        assert (receipt.state, receipt.delivery_id) == (ReceiptState.DELIVERED, DELIVERY)
    assert sns.fetched == fetched + 1
    [inbound] = reader.read(sns.notification(HOOK, REPLY))
    assert isinstance(inbound, Inbound)
    assert inbound.text == "EXAMPLE"
    [asked] = reader.read(sns.confirmation(HOOK))
    assert isinstance(asked, Confirmation)


async def test_what_sns_did_not_sign_for_our_topic_is_forged(sns: sms_callbacks.Sns) -> None:
    reader = aws(sns)
    await reader.prepare(sns.notification(HOOK, EVENT))
    good = json.loads(sns.notification(HOOK, EVENT).body)
    edits: list[dict[str, object]] = [
        {"Message": json.dumps({**EVENT, "eventType": "TEXT_INVALID"})},
        {"Signature": "AAAA"},
        {"SignatureVersion": "3"},
        {"Timestamp": "2020-01-01T00:00:00.000Z"},
        {"Type": "UnsubscribeConfirmation"},
    ]
    for edit in edits:
        with pytest.raises(Forged):
            reader.read(Callback("POST", HOOK, {}, json.dumps({**good, **edit}).encode()))
    with pytest.raises(Forged, match="topic"):
        await aws(sns, topic_arn="arn:aws:sns:eu-central-1:999999999999:sms").prepare(sns.notification(HOOK, EVENT))
    with pytest.raises(Forged, match="topic"):
        await aws(sns, topic_arn="").prepare(sns.notification(HOOK, EVENT))


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-0123456789abcdef.pem",
        "https://evil.example/sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-central-1.amazonaws.com@evil.example/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-central-1.amazonaws.com/bucket/mine.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "",
    ],
)
async def test_t34_a_certificate_elsewhere_is_not_fetched(sns: sms_callbacks.Sns, url: str) -> None:
    fetched = sns.fetched
    with pytest.raises(Forged, match="certificate"):
        await aws(sns).prepare(sns.notification(HOOK, EVENT, SigningCertURL=url))
    assert sns.fetched == fetched


async def test_a_certificate_of_somebody_else_or_of_the_past_is_no_use() -> None:
    topic = AwsStandIn().topic
    other = sms_callbacks.Sns(topic, common_name="evil.example")
    with pytest.raises(Forged, match="not that of SNS"):
        await aws(other).prepare(other.notification(HOOK, EVENT))
    expired = sms_callbacks.Sns(topic, days=-1)
    reader = aws(expired)
    await reader.prepare(expired.notification(HOOK, EVENT))
    with pytest.raises(Unavailable):
        reader.read(expired.notification(HOOK, EVENT))


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        ("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ],
)
def test_signatures_are_those_of_the_test_suite_that_aws_publishes(method: str, signature: str) -> None:
    signer = Signer("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service")
    headers = signer.headers(method, "https://example.amazonaws.com/", {}, b"", 1440938160)
    assert headers["X-Amz-Date"] == "20150830T123600Z"
    assert headers["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}"
    )
