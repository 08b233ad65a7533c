"""The providers' tables are shown as they are, and settings that are wrong are refused by name."""

from __future__ import annotations

import pytest
from tools.provider_tables import PAGE, TABLES, written

from clarion.domain.outcome import Verdict
from clarion.domain.providers.provider import Provider
from clarion.domain.providers.sms_http import AwsSms, Bird, SignedHttp, Twilio, Vonage


def test_the_page_shows_the_tables_there_are() -> None:
    page = PAGE.read_text("utf-8")
    assert written(page) == page, "run tools/provider_tables.py"
    assert all(f"<!-- table of {name}:" in page for name in TABLES)


def test_no_code_means_that_a_message_was_sent() -> None:
    assert not [code for codes in TABLES.values() for code, meaning in codes.items() if meaning[0] is Verdict.SENT]


SID = "AC" + "0" * 32
UUID = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"


@pytest.mark.parametrize(
    ("provider", "fields"),
    [
        (Twilio(account_sid=SID), set()),
        (Twilio(account_sid="SK" + "0" * 32), {"settings.accountSid"}),
        (Twilio(account_sid=SID, messaging_service_sid="x"), {"settings.messagingServiceSid"}),
        (Twilio(account_sid=SID, base_url="http://api.example.com"), {"settings.baseUrl"}),
        (Twilio(account_sid=SID, base_url="http://127.0.0.1:8080"), set()),
        (Twilio(account_sid=SID, max_connections=0), {"settings.maxConnections"}),
        (Vonage(application_id=UUID), set()),
        (Vonage(application_id="\u0660" * 36), {"settings.applicationId"}),
        (Bird(), set()),
        (Bird(batch_size=101, category=""), {"settings.batchSize", "settings.category"}),
        (AwsSms(region="eu-central-1", access_key_id="AKID"), set()),
        (AwsSms(region="eu/..", access_key_id="AKID"), {"settings.region"}),
        (AwsSms(region="eu-central-1", access_key_id="AKID", topic_arn="arn:aws:sqs:x"), {"settings.topicArn"}),
        (AwsSms(region="eu-central-1", access_key_id="AKID", message_type="SPAM"), {"settings.messageType"}),
        (SignedHttp(url="https://sms.example/send"), set()),
        (SignedHttp(url="https://user:pass@sms.example/", batch_size=0), {"settings.url", "settings.batchSize"}),
    ],
)
def test_settings_that_are_wrong_are_named(provider: Provider, fields: set[str]) -> None:
    assert {problem.field for problem in provider.problems()} == fields
