"""How a channel slows down for a centre that says it is too fast, and comes back."""

from __future__ import annotations

from clarion.adapters.channels.smpp.slowing import Slowing


def paced(slowing: Slowing, since: float, seconds: float) -> int:
    """How many messages go in this time when there are always some, looked at a hundred times a second."""
    went = 0
    for step in range(1, int(seconds * 100) + 1):
        room = slowing.room(since + step / 100)
        slowing.spend(room)
        went += room
    return went


def running(rate: int) -> Slowing:
    """One that has gone at this pace for three seconds."""
    slowing = Slowing(100)
    for step in range(300):
        slowing.took(rate // 100, 10 + step / 100)
    return slowing


def test_nothing_is_slow_until_the_centre_says_so() -> None:
    slowing = running(2000)
    assert (slowing.rate, slowing.window, slowing.room(13), slowing.wait_s()) == (None, 100, 100, 0)


def test_half_the_pace_and_half_the_window_at_once_and_once_for_all_on_the_wire() -> None:
    slowing = running(2000)
    for late in range(50):
        slowing.too_fast(13 + late / 1000)
    assert slowing.rate is not None
    assert 900 < slowing.rate < 1100
    assert slowing.window == 50
    assert 900 < paced(slowing, 13.05, 1) < 1200


def test_each_quiet_second_adds_a_tenth_until_nothing_limits_it() -> None:
    slowing = running(1000)
    slowing.too_fast(13)
    seconds = [paced(slowing, 13 + second, 1) for second in range(8)]
    assert seconds == sorted(seconds)
    assert 900 < seconds[-1] < 1200
    paced(slowing, 21, 20)
    assert slowing.rate is None
    slowing.took(100_000, 42)
    assert slowing.window == 100


def test_a_centre_that_takes_nothing_is_tried_once_a_second() -> None:
    slowing = Slowing(100)
    for second in range(60):
        slowing.too_fast(100 + second)
    assert slowing.rate == 1
    assert slowing.window == 1
    assert paced(slowing, 160, 3) in {3, 4}
    assert 0 < slowing.wait_s() <= 1
