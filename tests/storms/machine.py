"""The state machine of gate G14: Hypothesis decides what is done next, the model says what must be true after it.

Each rule does one thing, or several at once, to the real program; after every step the invariants I1 to I5, I7, I9 and
I10 are checked, at the end I6: everything final, the parts add up, nobody twice. Runs in a thread beside the event
loop that the program runs in. Where to read next: `model`, `stand`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.storms.acts import ERASABLE, NAMES, PEOPLE, Acts
from tests.storms.stand import Stand

from clarion.domain.campaign import Lane

T = TypeVar("T")

DRIVING = [
    "before_render", "before_intent", "after_intent", "after_answers", "after_outcome", "before_settle", "after_settle",
]  # fmt: skip
TICKING = [
    "before_slice", "before_slice_commit", "after_slice", "before_due_start", "after_due_start", "before_closing",
    "after_closing",
]  # fmt: skip

one_name = st.sampled_from(NAMES)
one_person = st.sampled_from(PEOPLE)
one_lane = st.sampled_from(list(Lane))
commands = st.lists(st.sampled_from(["start", "start", "pause", "pause", "resume", "stop"]), min_size=1, max_size=3)
crash = st.none() | st.none() | st.sampled_from(DRIVING)


class Storm(RuleBasedStateMachine):
    """One account in a storm. `make` and `loop` are set by whoever runs it."""

    make: ClassVar[Callable[..., Awaitable[Stand]]]
    loop: ClassVar[asyncio.AbstractEventLoop]

    def __init__(self) -> None:
        super().__init__()
        self.is_broken = False
        self.acts = Acts(self.do(self._make()))

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Has the event loop do it and waits."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)
        except BaseException:
            self.is_broken = True
            raise

    async def _make(self) -> Stand:
        return await type(self).make(PEOPLE)

    # what people do

    @initialize(missing=st.none() | one_name)
    def begin(self, missing: str | None) -> None:
        """Most campaigns are running when the storm begins: their audience is there, and calls may come."""
        for name in NAMES:
            if name != missing:
                self.do(self.acts.command(name, ["start"]))
        self.do(self.acts.tick())

    @rule(name=one_name, given=commands)
    def command(self, name: str, given: list[str]) -> None:
        """Start, pause, resume and stop, up to three of them at the same moment."""
        self.do(self.acts.command(name, given))

    @rule(name=one_name, act=st.sampled_from(["edit", "schedule", "reopen"]))
    def author(self, name: str, act: str) -> None:
        """A new text, with or without a time to start at, or a draft again: never for a run that exists."""
        self.do(
            self.acts.command(name, ["reopen"]) if act == "reopen" else self.acts.edit(name, is_timed=act == "schedule")
        )

    @rule(
        request_id=st.sampled_from(["one", "two"]) | st.none(),
        who=st.sampled_from([PEOPLE[:3], PEOPLE[3:6], PEOPLE[5:]]),
        copies=st.integers(1, 3),
    )
    def call(self, request_id: str | None, who: list[str], copies: int) -> None:
        """A call with its recipients, several times at once under one request id."""
        self.do(self.acts.call(request_id, who, copies))

    @rule(who=one_person, name=one_name, act=st.sampled_from(["unsubscribe", "suppress", "opt out", "erase"]))
    def refuse(self, who: str, name: str, act: str) -> None:
        """Somebody unsubscribes, is put on the list, wants no more of one campaign, or is deleted."""
        self.do(self.acts.refuse(who, name, act))

    # what time does

    @rule(point=st.none() | st.sampled_from(TICKING), schedulers=st.integers(1, 2))
    def tick(self, point: str | None, schedulers: int) -> None:
        """One or two schedulers do what is due; the first may die of it."""
        self.do(self.acts.tick(point, schedulers))

    @rule(
        name=one_name,
        act=st.sampled_from(
            ["retries", "retries", "leases", "leases", "before_recovery", "after_recovery", "starts", "end"]
        ),
    )
    def time_passes(self, name: str, act: str) -> None:
        """Tries come due; every lease runs out, also of a worker that lives; starts come, or the end of a campaign."""
        if act == "retries":
            self.do(self.acts.stand.retries_come_due())
        elif act == "starts":
            self.do(self.acts.start_times_come())
        elif act == "end":
            self.do(self.acts.end_comes(name))
        else:
            self.do(self.acts.leases_end(None if act == "leases" else act))

    # what workers do

    @rule(lane=one_lane)
    def claim(self, lane: Lane) -> None:
        """A worker claims a batch, and is slow to begin."""
        self.do(self.acts.claim(lane))

    @rule(lane=one_lane, place=st.integers(0, 9), point=crash)
    def work(self, lane: Lane, place: int, point: str | None) -> None:
        """A worker sends a batch, one that it claimed a while ago if there is any, and may die of it."""
        self.do(self.acts.work(lane, place, point))

    @rule(
        batch=st.tuples(one_lane, st.integers(0, 9)), who=one_person, name=one_name, given=commands,
        act=st.sampled_from("ccseltt-"), dies=st.booleans(),
    )  # fmt: skip
    def work_during(
        self, batch: tuple[Lane, int], who: str, name: str, given: list[str], *, act: str, dies: bool
    ) -> None:
        """Something is done while messages are on the wire; the worker may be killed before they are answered."""
        meanwhile = {
            "c": lambda: self.acts.command(name, given),
            "s": lambda: self.acts.refuse(who, name, "suppress"),
            "e": lambda: self.acts.refuse(ERASABLE[batch[1] % 2], name, "erase"),
            "l": lambda: self.acts.leases_end(None),
            "t": lambda: self.acts.tick(None, 2),
            "-": _nothing,
        }[act]
        self.do(self.acts.work(*batch, None, lambda one: self.acts.stand.drive_during(one, meanwhile, dies=dies)))

    # what must be true

    @invariant()
    def holds(self) -> None:
        """Looks at everything after every step."""
        self.do(self.acts.look())

    def teardown(self) -> None:
        """Lets the storm pass: whatever was begun comes to its end, and every row is accounted for."""
        if not self.is_broken:
            self.do(self.acts.come_to_an_end())


async def _nothing() -> None:
    pass
