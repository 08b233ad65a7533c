"""What became of every recipient of one run, and which promises were broken.

Judges rows against what a mail server accepted; asks nobody. Where to read next: `observer`, which fills it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import NamedTuple

FINAL_STATES = frozenset({"sent", "failed", "unknown", "skipped", "cancelled"})
_PROBLEMS_KEPT = 20


class Row(NamedTuple):
    """One delivery as it stands at the end."""

    seq: int
    address: str
    state: str
    attempts: int
    doubts: int


@dataclass(slots=True)
class Verdict:
    """What the observer found; `problems` empty means every promise held.

    `holds` says that whoever is uncertain is not written to again (marketing); else once more at most.
    """

    holds: bool
    looks: int = 0
    audience: int = 0
    states: dict[str, int] = field(default_factory=dict)
    accepted: int = 0
    lost: int = 0
    duplicates: int = 0
    max_copies: int = 0
    unknown_delivered: int = 0
    longest_overdue_s: float = 0.0
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """For the JSON line."""
        return asdict(self)

    def complain(self, text: str) -> None:
        """Notes a broken promise, the first twenty of them."""
        if len(self.problems) < _PROBLEMS_KEPT:
            self.problems.append(text)

    def expect_blows(self, landed: int, wanted: int) -> None:
        """A run that was over before half of its blows had come has shown little."""
        if landed < wanted / 2:
            self.complain(f"only {landed} of {wanted} blows found the run under way")

    def judge(self, row: Row, copies: int) -> None:
        """Takes one delivery and how often its message was accepted."""
        self.duplicates += max(0, copies - 1)
        if copies > 1 and (self.holds or copies > 2 or not row.doubts):
            self.complain(f"I4: delivery {row.seq} ({row.state}) was accepted {copies} times")
        if row.state not in FINAL_STATES:
            self.lost += 1
            self.complain(f"delivery {row.seq} is left {row.state}")
        elif row.state == "sent" and not copies:
            self.lost += 1
            self.complain(f"I3: delivery {row.seq} says sent and never arrived")
        elif row.state == "unknown":
            self.unknown_delivered += min(copies, 1)
        elif row.state != "sent" and copies and not (row.state == "failed" and row.doubts):
            self.complain(f"I5: delivery {row.seq} is {row.state} and arrived")
        if copies and not row.attempts:
            self.complain(f"I2: delivery {row.seq} arrived without an intent")
