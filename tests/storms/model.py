"""What must be true of campaigns, runs and deliveries, said again in plain Python without looking at the program.

Knows no database and no network: the machine tells it what was done and what it sees, and it says what is wrong. Where
to read next: `machine`, which does things, and `stand`, on which they are done.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

FINAL = {"sent", "failed", "skipped", "cancelled", "unknown"}
_LEAVES = {
    "pending": FINAL | {"sending"},
    "sending": {"sent", "failed", "unknown", "pending", "skipped", "cancelled"},
    "unknown": FINAL | {"pending", "sending"},
}
"""Where a row may be found later, however many steps were taken in between; from any other state nowhere else."""
LIFE: Mapping[str, Mapping[str, str]] = {
    "start": {"draft": "running", "scheduled": "running"},
    "pause": {"running": "paused"},
    "resume": {"paused": "running"},
    "stop": {"scheduled": "stopped", "running": "stopped", "paused": "stopped"},
    "reopen": {"scheduled": "draft", "completed": "draft", "stopped": "draft"},
}
"""From which state each command leads where; from all others it is refused."""


@dataclass(frozen=True, slots=True)
class Row:
    """A delivery as the database shows it. `who` is the address that the test knows its recipient by."""

    run: bytes
    seq: int
    who: str
    state: str
    reason: str | None
    doubts: int


@dataclass(frozen=True, slots=True)
class RunSeen:
    """A run as the database shows it."""

    id: bytes
    campaign: str
    state: str
    report: Mapping[str, int]
    selected: int
    frozen: int
    snapshot_done: bool
    is_finished: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that the mail server took, in the order of taking."""

    run: bytes
    seq: int
    who: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """From the answer to a request on, nothing goes out to those it covers, but for what was on the wire already."""

    why: str
    campaign: str | None = None
    runs: frozenset[bytes] | None = None
    who: str | None = None
    on_the_wire: frozenset[tuple[bytes, int]] = frozenset()

    def forbids(self, message: Accepted, campaign: str) -> bool:
        """Whether this message of this campaign broke it."""
        covered = self.campaign in {None, campaign} and self.who in {None, message.who}
        covered = covered and (self.runs is None or message.run in self.runs)
        return covered and (message.run, message.seq) not in self.on_the_wire


@dataclass(slots=True)
class CampaignModel:
    """What was said of a campaign and where it must stand."""

    name: str
    is_marketing: bool
    is_triggered: bool
    state: str = "draft"
    version: int = 1
    runs: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class RunModel:
    """What a run must reach: each address so often, with the words of its start."""

    campaign: CampaignModel
    audience: Counter[str]
    version: int
    doubtful: set[int] = field(default_factory=set)
    was_ended: bool = False
    """Whether it may have cancelled rows."""


@dataclass(slots=True)
class Model:
    """The whole account. Every method that finds something wrong raises AssertionError."""

    campaigns: dict[str, CampaignModel]
    people: set[str]
    runs: dict[bytes, RunModel] = field(default_factory=dict)
    bans: list[Ban] = field(default_factory=list)
    barred: set[str] = field(default_factory=set)
    """Addresses that were suppressed, deleted or opted out at some time: their rows may be skipped."""
    calls: dict[str, tuple[tuple[str, ...], bytes]] = field(default_factory=dict)
    is_late: bool = False
    """Whether a deadline has passed, so that what is put off may have failed."""
    _states: dict[tuple[bytes, int], str] = field(default_factory=dict)
    _judged: int = 0

    def after(self, name: str, commands: Sequence[str], fine: Sequence[bool], state: str) -> set[str]:
        """Checks commands that were given at once: some order of them must explain who was refused and the end.

        Returns the states in which a stop may have found the campaign.
        """
        before = self.campaigns[name].state
        stopped_from: set[str] = set()
        is_explained = False
        for order in itertools.permutations(range(len(commands))):
            reached, answers, found = before, [False] * len(commands), set[str]()
            for place in order:
                target = LIFE[commands[place]].get(reached)
                answers[place] = target is not None
                found |= {reached} if target == "stopped" else set()
                reached = target or reached
            if answers == list(fine) and reached == state:
                is_explained = True
                stopped_from |= found
        assert is_explained, f"{name} was {before}, {list(commands)} were answered {list(fine)}, now it is {state}"
        self.campaigns[name].state = state
        return stopped_from

    def moved_by_itself(self, name: str, state: str, rows: Iterable[Row], runs: Iterable[RunSeen]) -> None:
        """Checks a move nobody asked for: only a broadcast whose every row is final completes."""
        campaign = self.campaigns[name]
        if state == campaign.state:
            return
        assert (campaign.state, state) == ("running", "completed"), f"{name} went from {campaign.state} to {state}"
        assert not campaign.is_triggered, f"{name} takes calls and completed"
        last = campaign.runs[-1]
        assert all(run.is_finished and run.snapshot_done for run in runs if run.id == last), f"{name} completed early"
        assert all(row.state in FINAL for row in rows if row.run == last), f"{name} completed with open rows"
        campaign.state = state

    def begin(self, name: str, run: bytes) -> None:
        """Learns of a new run, over everyone who is there now."""
        campaign = self.campaigns[name]
        audience = Counter[str]() if campaign.is_triggered else Counter(self.people)
        self.runs[run] = RunModel(campaign, audience, campaign.version)
        campaign.runs.append(run)

    def look(self, rows: Sequence[Row], runs: Sequence[RunSeen], accepted: Sequence[Accepted]) -> None:
        """I1, I7, I9, I10 and what was accepted since the last look (I3, I4, I5)."""
        by_run: dict[bytes, list[Row]] = {}
        for row in rows:
            by_run.setdefault(row.run, []).append(row)
        for run in runs:
            self._look_at_run(run, by_run.get(run.id, []))
        for row in rows:
            before = self._states.get((row.run, row.seq), row.state)
            assert row.state == before or row.state in _LEAVES.get(before, ()), f"I7: {row} was {before}"
            self._states[row.run, row.seq] = row.state
        active = Counter(run.campaign for run in runs if run.state in {"preparing", "sending", "paused"})
        assert not [n for n, many in active.items() if many > 1 and not self.campaigns[n].is_triggered], (
            f"I10: {active}"
        )
        self._judge(rows, accepted)

    def _look_at_run(self, run: RunSeen, rows: Sequence[Row]) -> None:
        model = self.runs[run.id]
        found = Counter(row.who for row in rows)
        assert sum(run.report.values()) == len(rows) == run.frozen, f"I1: {run} has {len(rows)} rows"
        assert run.report == Counter(row.state for row in rows), f"I9: {run} counts otherwise than its rows"
        assert found <= model.audience, f"{run.campaign}: {found - model.audience} were never asked for"
        if run.snapshot_done or model.campaign.is_triggered:
            assert found == model.audience, f"{run.campaign}: {model.audience - found} are missing"
        if run.snapshot_done:
            assert run.selected == len(rows), f"I1: {run} says {run.selected} and has {len(rows)}"

    def _judge(self, rows: Sequence[Row], accepted: Sequence[Accepted]) -> None:
        times = Counter((one.run, one.seq) for one in accepted)
        for one in accepted[self._judged :]:
            run = self.runs[one.run]
            broken = [ban.why for ban in self.bans if ban.forbids(one, run.campaign.name)]
            assert not broken, f"I5: {one} went out although {broken}"
            assert one.subject == f"v{run.version}", f"F65: {one} is not what its run was started with"
        self._judged = len(accepted)
        for row in rows:
            run = self.runs[row.run]
            copies = times.pop((row.run, row.seq), 0)
            again = not run.campaign.is_marketing and row.seq in run.doubtful
            assert copies <= 1 + again, f"I4: {row} arrived {copies} times"
            assert row.state != "sent" or copies, f"I3: {row} never arrived"
            if row.state in {"skipped", "cancelled", "failed"}:
                assert not copies or again, f"I5: {row} arrived"
        assert not times, f"I2: {times} arrived without a row"

    def close(self, rows: Sequence[Row]) -> None:
        """At the end every row is final, in a state that what was done explains."""
        for row in rows:
            run = self.runs[row.run]
            allowed = set(_outcomes(row.who, is_late=self.is_late))
            allowed |= {"unknown"} if row.seq in run.doubtful else set()
            allowed |= {"skipped"} if row.who in self.barred or row.who.startswith("550_5.1.1") else set()
            allowed |= {"cancelled"} if run.was_ended else set()
            assert row.state in allowed, f"{row} ended where only {sorted(allowed)} are explained"


def _outcomes(who: str, *, is_late: bool) -> set[str]:
    script = who.partition("+")[0]
    if script.startswith("5"):
        return {"failed"}
    if script.startswith("4xx"):
        return {"failed"}
    if script == "cut-after-dot":
        return {"unknown"}
    return {"sent", "failed"} if is_late else {"sent"}
