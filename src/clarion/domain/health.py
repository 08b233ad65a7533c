"""When a sender counts as failing as a whole: the rule of the breaker, without a clock or a database.

What a server says of a recipient or a message is no failure of the sender, but shows that it works. Where to read next:
`pipeline/health`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from clarion.domain.outcome import Outcome, Reason, Verdict

NO_WAY: Final = frozenset({Reason.CONNECTION_FAILED, Reason.TLS_FAILED, Reason.AUTH_FAILED})
"""Nothing could be said to the server. The message is not to blame and does not wait: its sender has to recover."""
_FAILURES: Final = 5
_REFUSALS: Final = 20


class Pauses(NamedTuple):
    """How long a sender stays shut before it is tried again; doubles from time to time."""

    first: timedelta
    longest: timedelta


_PAUSES: Final = Pauses(timedelta(seconds=1), timedelta(minutes=1))
_PAUSES_BY_REASON: Final = {
    Reason.AUTH_FAILED: Pauses(timedelta(seconds=15), timedelta(minutes=5)),
    Reason.POLICY_REJECTED: Pauses(timedelta(minutes=15), timedelta(hours=4)),
}
"""A login that fails again and again locks accounts; a server that refuses us by its policy wants to be left alone."""


class Fault(NamedTuple):
    """Why a sender is to be shut, with the server's own words."""

    reason: Reason
    reply: str

    @property
    def pauses(self) -> Pauses:
        """How long it is left alone."""
        return _PAUSES_BY_REASON.get(self.reason, _PAUSES)


@dataclass(frozen=True, slots=True)
class Health:
    """How a sender fares that failed as a whole. `next_try_at` is when it is tried again, None while it is open."""

    is_shut: bool
    reason: str
    reply: str
    since: datetime
    next_try_at: datetime | None


@dataclass(slots=True)
class Streak:
    """How a sender fares in one worker: failures since the last success, refusals among the last answers."""

    failures: int = 0
    refused: int = 0
    answered: int = 0

    def add(self, outcomes: Sequence[Outcome]) -> Fault | None:
        """Takes in what became of some messages; tells why the sender is to be shut, if it is.

        Five failures without anything else in between shut it, and so does a server whose policy refused at least half
        of the last messages, twenty or more.
        """
        lost = [one for one in outcomes if one.reason in NO_WAY]
        refused = [one for one in outcomes if one.reason is Reason.POLICY_REJECTED]
        taken = sum(one.verdict is Verdict.SENT for one in outcomes)
        self.failures = self.failures + len(lost) if len(lost) == len(outcomes) else 0
        self.refused, self.answered = self.refused + len(refused), self.answered + taken + len(refused)
        if self.failures >= _FAILURES:
            return self._fault(Reason(lost[-1].reason or ""), lost[-1].reply)
        if refused and self.refused >= _REFUSALS and 2 * self.refused >= self.answered:
            return self._fault(Reason.POLICY_REJECTED, refused[-1].reply)
        if self.answered >= 10 * _REFUSALS:
            self.refused, self.answered = self.refused // 2, self.answered // 2
        return None

    def _fault(self, reason: Reason, reply: str) -> Fault:
        self.failures = self.refused = self.answered = 0
        return Fault(reason, reply)
