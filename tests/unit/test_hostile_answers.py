"""Whatever a provider answers, each message gets one outcome that can be stored, and success must look like its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.sms_batch_providers import AwsStandIn, BirdStandIn, SignedStandIn
from tests.support.sms_providers import PEM, TwilioStandIn, VonageStandIn
from tests.support.texts import sms

from clarion.adapters.channels.http_answers import Answer
from clarion.adapters.channels.push import apns_answers, fcm, web_push_answers
from clarion.adapters.channels.sms_http.aws import AwsApi
from clarion.adapters.channels.sms_http.bird import BirdApi
from clarion.adapters.channels.sms_http.signed_http import SignedApi
from clarion.adapters.channels.sms_http.twilio import TwilioApi
from clarion.adapters.channels.sms_http.vonage import VonageApi
from clarion.domain.outcome import REPLY_LIMIT, Outcome, Verdict

FAR = "http://127.0.0.1"
MESSAGES = [sms(f"+49151200000{seq:02}", key=f"{'0123456789ab' * 2}-{seq}") for seq in (1, 2)]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

Read = Callable[[Answer], Sequence[Outcome | None]]
READERS: dict[str, Read] = {
    "twilio": lambda answer: TwilioApi(TwilioStandIn(url=FAR).provider, "token", "").outcomes(MESSAGES[:1], answer),
    "vonage": lambda answer: VonageApi(VonageStandIn(url=FAR).provider, PEM, "").outcomes(MESSAGES[:1], answer),
    "bird": lambda answer: BirdApi(BirdStandIn(url=FAR).provider, "key").outcomes(MESSAGES[:1], answer),
    "bird-batch": lambda answer: BirdApi(BirdStandIn(url=FAR).provider, "key").outcomes(MESSAGES, answer),
    "aws": lambda answer: AwsApi(AwsStandIn(url=FAR).provider, "key").outcomes(MESSAGES[:1], answer),
    "signed-http": lambda answer: SignedApi(SignedStandIn(url=FAR).provider, SECRET, "").outcomes(MESSAGES, answer),
    "fcm": lambda answer: [fcm.outcome(answer)],
    "apns": lambda answer: [apns_answers.outcome(answer)],
    "web-push": lambda answer: [web_push_answers.outcome(answer, "https://push.example")],
}
NEEDS_ITS_OWN_FORM = sorted(set(READERS) - {"apns", "web-push", "signed-http"})
"""Of the others the status alone says success: an empty body is their own form."""

NAMES = [
    "sid",
    "status",
    "code",
    "message",
    "message_uuid",
    "title",
    "detail",
    "type",
    "id",
    "data",
    "last_error",
    "ref",
]
NAMES += ["description", "error", "name", "MessageId", "__type", "Reason", "Message", "results", "details", "reason"]
NAMES += ["@type", "errorCode", "timestamp", "error_code", "error_message"]
WORDS = [
    "accepted",
    "rejected",
    "failed",
    "retry",
    "type.googleapis.com/google.firebase.fcm.v1.FcmError",
    MESSAGES[0].key,
]
TEXTS = st.text(max_size=30) | st.sampled_from([*WORDS, "\0", "a\0b" * 300, "\ud800", "\u202e\r\n", "x" * 5000])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=12,
)
BODIES = st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode())
STATUSES = st.sampled_from([200, 201, 202, 204, 301, 400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503, 999])
HEADERS = st.dictionaries(st.sampled_from(["apns-id", "x-amzn-ErrorType"]), st.text(max_size=40))


@pytest.mark.parametrize("reader", READERS)
@given(status=STATUSES, headers=HEADERS, body=BODIES)
@example(status=201, headers={}, body=b'{"sid": "a\\u0000b", "message_uuid": "a\\u0000b", "id": "\\u0000"}')
@example(status=202, headers={}, body=b"[" * 100_000)
@example(status=400, headers={}, body=b'{"reason": "Unregistered", "timestamp": ' + b"9" * 5000 + b"}")
def test_an_answer_comes_to_one_outcome_a_message_that_can_be_stored(
    reader: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    outcomes = READERS[reader](Answer(status, headers, body, is_whole=True))
    assert len(outcomes) == (2 if reader in {"bird-batch", "signed-http"} else 1)
    for outcome in filter(None, outcomes):
        assert outcome.verdict is not Verdict.SENT or 200 <= status < 300
        assert len(outcome.reply) <= REPLY_LIMIT
        for text in (outcome.reply, *outcome.refs):
            assert text.isprintable()
        assert all(0 < len(ref) <= 255 for ref in outcome.refs)


@pytest.mark.parametrize("reader", NEEDS_ITS_OWN_FORM)
@pytest.mark.parametrize("body", [b"", b"<h1>It works!</h1>", b"[]", b"{}", b'{"id": "", "sid": null, "name": [1]}'])
@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_success_that_is_not_the_providers_own_is_uncertain(reader: str, body: bytes, status: int) -> None:
    outcomes = READERS[reader](Answer(status, {}, body, is_whole=True))
    assert {outcome and outcome.verdict for outcome in outcomes} == {Verdict.UNKNOWN}
