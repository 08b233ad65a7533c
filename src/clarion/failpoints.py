"""Named places in the code where a test can make this very process die, stop or fail, to see what it leaves behind.

`CLARION_TEST_FAILPOINTS=after_intent:kill@3,before_settle:raise` kills at the third time `after_intent` is reached and
raises at the first `before_settle`; `*:tell` only tells on stderr which points are reached. Unset, a point costs one
lookup in an empty dictionary. Decides nothing itself. Where to read next: docs/reliability.md, `tests/crash`.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from typing import Final, Literal, get_args

VARIABLE: Final = "CLARION_TEST_FAILPOINTS"

Point = Literal[
    # a worker and its batch
    "before_claim",
    "after_claim",
    "before_render",
    "before_intent",
    "after_intent",
    "after_answers",
    "after_outcome",
    "before_settle",
    "after_settle",
    "before_renewal",
    "draining",
    # the wire
    "before_connect",
    "after_connect",
    "after_mail",
    "mid_data",
    "before_dot",
    "after_dot",
    # what the scheduler does
    "before_slice",
    "before_slice_commit",
    "after_slice",
    "before_recovery",
    "after_recovery",
    "before_closing",
    "after_closing",
    "before_due_start",
    "after_due_start",
    "before_merge",
    "after_merge_slice",
    "before_merge_commit",
    "after_merge",
    # news that comes back
    "before_inbox_commit",
    "after_inbox_commit",
    "before_receipts_commit",
    # the API
    "before_reply_kept",
    "before_api_commit",
    "after_api_commit",
    "before_intake_commit",
    "after_intake_commit",
    "after_upload_piece",
]
POINTS: Final[tuple[str, ...]] = get_args(Point)

_STDERR: Final = 2
_ONE = re.compile(r"([a-z_]+|\*):(kill|raise|stop|tell)(?:@([1-9]\d*))?")


class Injected(Exception):
    """What a failpoint raises when it is told to: nobody expects it, like every surprise."""


_armed: dict[str, Callable[[], None]] = {}
ARMED = False
"""Whether any point is: asked before a point that is passed once a message."""


def failpoint(point: Point) -> None:
    """Does what the environment asks for at this point: nothing, as a rule. Raises `Injected` when told to."""
    strike = _armed.get(point)
    if strike is not None:
        strike()


def arm(words: str) -> None:
    """Takes the points from words like those of the environment, in place of what was armed. Raises ValueError."""
    global ARMED  # noqa: PLW0603 - a flag of this module, read by those who cannot afford a call
    found: dict[str, Callable[[], None]] = {}
    for word in filter(None, words.split(",")):
        match = _ONE.fullmatch(word)
        if match is None or (match[1] != "*" and match[1] not in POINTS):
            raise ValueError(f"{VARIABLE}: {word!r} is not a point of clarion.failpoints and kill, raise, stop or tell")
        for point in POINTS if match[1] == "*" else (match[1],):
            found[point] = _Strike(point, match[2], int(match[3] or 1))
    _armed.clear()
    _armed.update(found)
    ARMED = bool(found)


class _Strike:
    """What happens at one point, at the n-th time it is reached."""

    def __init__(self, point: str, act: str, at: int) -> None:
        self._point = point
        self._act = act
        self._left = at

    def __call__(self) -> None:
        self._left -= 1
        if self._left != 0:
            return
        os.write(_STDERR, f"failpoint {self._point} {self._act}\n".encode())
        if self._act == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self._act == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif self._act == "raise":
            raise Injected(self._point)


arm(os.environ.get(VARIABLE, ""))
