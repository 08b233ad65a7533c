"""What arms a failpoint, what it does then, and that nothing happens where nothing is armed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clarion import failpoints
from clarion.failpoints import Injected, arm, failpoint


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    arm("")


def test_nothing_happens_at_a_point_that_is_not_armed() -> None:
    assert not failpoints.ARMED
    failpoint("after_intent")


def test_a_point_strikes_the_time_it_was_told_to_and_no_other() -> None:
    arm("after_intent:raise@3,before_settle:tell")
    assert failpoints.ARMED
    failpoint("after_intent")
    failpoint("after_intent")
    with pytest.raises(Injected, match="after_intent"):
        failpoint("after_intent")
    failpoint("after_intent")


def test_a_star_is_every_point(capfd: pytest.CaptureFixture[str]) -> None:
    arm("*:tell")
    failpoint("before_dot")
    failpoint("before_dot")
    assert capfd.readouterr().err == "failpoint before_dot tell\n"


@pytest.mark.parametrize("words", ["nowhere:kill", "after_intent", "after_intent:sleep", "after_intent:kill@0", "*"])
def test_words_that_mean_nothing_are_refused_and_arm_nothing(words: str) -> None:
    with pytest.raises(ValueError, match="CLARION_TEST_FAILPOINTS"):
        arm(words)
    assert not failpoints.ARMED


def test_there_are_at_least_25_points_and_each_has_one_name() -> None:
    assert len(set(failpoints.POINTS)) == len(failpoints.POINTS) >= 25
