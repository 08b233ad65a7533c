"""What HTTP answers mean by themselves, how long a provider may hold us up, and the brake that keeps to it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarion.adapters.channels.brake import Brake
from clarion.adapters.channels.http import Request
from clarion.adapters.channels.http_answers import LEAST_PAUSE_S, LONGEST_PAUSE_S, Answer, plain, refusal, retry_after
from clarion.adapters.channels.sms_http.aws_signing import Signer
from clarion.domain.outcome import Outcome, Reason, Verdict

NOW = datetime(2026, 5, 20, 9, 0, 0, tzinfo=UTC)
THROTTLED = Outcome.retry(Reason.THROTTLED, "429")
LOST = Outcome.unknown(Reason.NO_ANSWER, "silence")
TAKEN = Outcome.sent("ok")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("30", 30.0),
        ("0", LEAST_PAUSE_S),
        ("-1", LEAST_PAUSE_S),
        ("1000000000", LONGEST_PAUSE_S),
        ("9" * 30, LONGEST_PAUSE_S),
        ("Wed, 20 May 2026 09:00:30 GMT", 30.0),
        ("Wed, 20 May 1926 09:00:30 GMT", LEAST_PAUSE_S),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_PAUSE_S),
        ("soon", None),
        ("", None),
        ("\u0663\u0660", None),
    ],
)
def test_f50_a_pause_is_kept_between_a_second_and_an_hour(said: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": said}, NOW) == seconds


@given(st.text(max_size=60))
def test_f50_whatever_is_asked_for_is_a_sane_pause_or_none(said: str) -> None:
    seconds = retry_after({"Retry-After": said}, NOW)
    assert seconds is None or LEAST_PAUSE_S <= seconds <= LONGEST_PAUSE_S


@pytest.mark.parametrize(
    ("status", "verdict", "reason"),
    [
        (204, Verdict.UNKNOWN, Reason.NO_ANSWER),
        (302, Verdict.RETRY, Reason.CONNECTION_FAILED),
        (400, Verdict.FAILED, Reason.MESSAGE_REJECTED),
        (401, Verdict.RETRY, Reason.AUTH_FAILED),
        (402, Verdict.RETRY, Reason.POLICY_REJECTED),
        (403, Verdict.RETRY, Reason.AUTH_FAILED),
        (404, Verdict.RETRY, Reason.CONNECTION_FAILED),
        (413, Verdict.FAILED, Reason.TOO_BIG),
        (429, Verdict.RETRY, Reason.THROTTLED),
        (500, Verdict.UNKNOWN, Reason.NO_ANSWER),
        (503, Verdict.RETRY, Reason.THROTTLED),
        (504, Verdict.UNKNOWN, Reason.NO_ANSWER),
    ],
)
def test_a_status_is_read_as_http_means_it(status: int, verdict: Verdict, reason: Reason) -> None:
    outcome = refusal(Answer(status, {}, b"", is_whole=True), "words")
    assert (outcome.verdict, outcome.reason, outcome.reply) == (verdict, reason, f"HTTP {status} words")


def test_what_is_printed_of_a_request_and_of_a_signer_holds_no_secret() -> None:
    request = Request("https://provider.example/", b"", {"Authorization": "Bearer s3cret"})
    assert "s3cret" not in f"{request} {Signer('id', 's3cret', 'eu-central-1', 'sms-voice')}"


def test_somebody_elses_words_fit_on_a_line() -> None:
    assert plain("a\r\nb\x00 \x1b[31m" + "c" * 1000) == f"a b [31m{'c' * 292}"


def test_too_fast_halves_the_room_and_every_answer_gives_some_back() -> None:
    brake = Brake(8)
    brake.feel([TAKEN, THROTTLED], None, now=10.0)
    assert brake.allowed == 4
    assert brake.stands(10.1)
    for moment in range(20, 24):
        assert not brake.stands(moment)
        brake.feel([TAKEN], None, now=moment)
    assert (brake.allowed, brake.last) == (8, None)


def test_a_pause_that_is_asked_for_is_kept_and_grows_otherwise() -> None:
    brake = Brake(4)
    brake.feel([THROTTLED], 100.0, now=0.0)
    assert brake.stands(99.0)
    assert not brake.stands(100.0)
    pauses = []
    for now in (1000.0, 2000.0, 3000.0, 4000.0):
        brake.feel([THROTTLED], None, now=now)
        pauses.append(brake.until - now)
    assert pauses == sorted(pauses)
    assert brake.allowed == 1


def test_one_lost_answer_is_chance_and_many_on_end_are_not() -> None:
    brake = Brake(4)
    for now in (1.0, 2.0):
        brake.feel([LOST], None, now=now)
        assert not brake.stands(now)
    brake.feel([TAKEN], None, now=3.0)
    for now in (4.0, 5.0, 6.0):
        brake.feel([LOST], None, now=now)
    assert brake.stands(6.0)
    assert (brake.allowed, brake.last) == (1, LOST)


def test_a_failure_now_and_then_among_good_answers_never_makes_the_pause_grow() -> None:
    brake = Brake(50)
    pauses = []
    for now in range(100, 120):
        brake.feel([THROTTLED], None, now=float(now))
        pauses.append(brake.until - now)
        for _ in range(19):
            brake.feel([TAKEN], None, now=now + 0.01)  # these went out together with the one that failed
    assert max(pauses) < 0.5
    assert brake.allowed > 20
