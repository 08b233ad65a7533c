"""Who slows down after which answers: a sender, one domain of it, or nobody."""

from __future__ import annotations

import pytest

from clarion.application.ports.batches import Attempted
from clarion.domain.outcome import Outcome, Reason
from clarion.pipeline.pacing import too_fast

SENT = Outcome.sent("250 ok")
THROTTLED = Outcome.retry(Reason.THROTTLED, "421 too many messages")
DEFERRED = Outcome.retry(Reason.DEFERRED, "451 come back")
LOST = Outcome.retry(Reason.CONNECTION_LOST)
FAILED = Outcome.failed(Reason.ADDRESS_REJECTED)

ONE, OTHER = "one.example", "other.example"


@pytest.mark.parametrize(
    ("answers", "slows"),
    [
        ([(ONE, SENT, 20)], []),
        ([(ONE, THROTTLED, 1)], [("", 1.0)]),
        ([(ONE, THROTTLED, 1), (ONE, SENT, 199)], [("", 1.0)]),
        ([(ONE, THROTTLED, 5), (OTHER, SENT, 15)], [(ONE, 0.25)]),
        ([(ONE, THROTTLED, 5), (OTHER, THROTTLED, 15)], [("", 1.0)]),
        ([(ONE, THROTTLED, 5), (OTHER, FAILED, 15)], [("", 1.0)]),
        ([(ONE, DEFERRED, 9), (OTHER, SENT, 9)], []),
        ([(ONE, DEFERRED, 10), (OTHER, SENT, 30)], [(ONE, 0.25)]),
        ([(ONE, DEFERRED, 10), (ONE, SENT, 30)], []),
        ([(ONE, DEFERRED, 6), (OTHER, DEFERRED, 6)], [("", 1.0)]),
        ([(ONE, LOST, 50)], []),
    ],
)
def test_f50_only_definite_answers_slow_and_only_whom_they_mean(
    answers: list[tuple[str, Outcome, int]], slows: list[tuple[str, float]]
) -> None:
    told = [(domain, outcome) for domain, outcome, count in answers for _ in range(count)]
    attempted = [Attempted(seq, outcome) for seq, (_, outcome) in enumerate(told)]
    domains = {seq: domain for seq, (domain, _) in enumerate(told)}
    assert list(too_fast(attempted, domains)) == slows
