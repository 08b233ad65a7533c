"""G2: processes are killed at each step of a delivery's way, and the final state must equal the table (F01 to F18).

For each row a small run loses the processes that the row names at the points that the row names, and others take their
places. The email channel is the one there is. Where to read next: `uploads` for the rows about imports.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from tests.crash.gates import uploads
from tests.crash.ground import Ground, ground
from tests.crash.report import Report
from tests.crash.supervisor import Child
from tests.crash.verdict import Verdict
from tests.crash.witness import LETTER, Witness
from tests.support.database import Databases

from clarion.domain.campaign import Category
from clarion.domain.channel import ChannelName
from clarion.domain.content import EmailContent

TIERS = {"P": 1, "N": 20, "R": 100}
AT_ONCE = 4
CONNECTIONS = 10
LARGE = EmailContent(subject=LETTER.subject, html=f"{LETTER.html}<p>{'much ' * 16_000}</p>")
"""More than leaves in one write: only then is there a middle of the data."""


class Uncertain(Enum):
    """Whether messages are uncertain after the row's deaths, and how many of them the mail server had taken."""

    NOBODY = auto()
    NONE_ARRIVED = auto()
    NONE_ARRIVED_IF_ANY = auto()
    """A worker for text messages connects to hear receipts, too: it may die before it has anything to send."""
    FEW_ARRIVED = auto()
    """Those of a window that had no answer yet: a tenth, or more where the answers were slow to come."""
    SOME_ARRIVED = auto()
    MOST_ARRIVED = auto()
    """All but the last tenth of a window, whose answers nobody waits for."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: where workers and schedulers die, one after the other, and what that leaves."""

    fault: str
    worker: tuple[str, ...] = ()
    scheduler: tuple[str, ...] = ()
    leaves: Uncertain = Uncertain.NOBODY
    recipients: int = 24
    channel: ChannelName = ChannelName.EMAIL
    local_part: str = "person."
    is_held: bool = False
    """The mail server tells nobody what it took until all who die are dead: so long the run is not over."""
    email: EmailContent = field(default=LETTER, repr=False)

    @property
    def kinds(self) -> tuple[Category, ...]:
        """The kinds of message to try it with: where nobody is uncertain they go the same way, as channels do."""
        if self.channel is not ChannelName.EMAIL:
            return (Category.MARKETING if self.channel is ChannelName.SMS else Category.TRANSACTIONAL,)
        return (Category.MARKETING,) if self.leaves is Uncertain.NOBODY else tuple(Category)


TABLE = (
    Row("F01", worker=("before_claim:kill",)),
    Row("F02", worker=("after_claim:kill",)),
    Row("F03", worker=("before_render:kill",)),
    Row("F03", worker=("before_intent:kill",)),
    Row("F04", worker=("before_connect:kill",), leaves=Uncertain.NONE_ARRIVED),
    Row("F04", worker=("after_connect:kill",), leaves=Uncertain.NONE_ARRIVED),
    Row("F04", worker=("after_mail:kill",), leaves=Uncertain.NONE_ARRIVED),
    Row("F05", worker=("mid_data:kill",), leaves=Uncertain.NONE_ARRIVED, email=LARGE),
    Row("F06", worker=("after_intent:kill",), leaves=Uncertain.NONE_ARRIVED),
    Row("F06", worker=("before_dot:kill",), leaves=Uncertain.NONE_ARRIVED),
    Row("F07", worker=("after_dot:kill",), leaves=Uncertain.SOME_ARRIVED, local_part="slow0.6+"),
    Row("F08", worker=("after_answers:kill",), leaves=Uncertain.MOST_ARRIVED),
    Row("F09", worker=("after_outcome:kill",), leaves=Uncertain.FEW_ARRIVED),
    Row("F10", worker=("before_settle:kill",)),
    Row("F10", worker=("after_settle:kill",)),
    Row("F11", ("after_intent:kill",), ("before_recovery:kill",), Uncertain.NONE_ARRIVED),
    Row("F11", ("after_intent:kill",), ("after_recovery:kill",), Uncertain.NONE_ARRIVED),
    Row("F12", scheduler=("before_closing:kill",), is_held=True),
    Row("F12", scheduler=("after_closing:kill",), is_held=True),
    Row("F17", scheduler=("before_slice:kill@2",), recipients=1_500),
    Row("F17", scheduler=("before_slice_commit:kill@2",), recipients=1_500),
    Row("F17", scheduler=("after_slice:kill",), recipients=1_500),
)
OTHERS = tuple(
    Row(fault, worker=(f"{point}:kill",), leaves=leaves, channel=channel)
    for channel, before in (
        (ChannelName.SMS, Uncertain.NONE_ARRIVED_IF_ANY),
        (ChannelName.PUSH, Uncertain.NONE_ARRIVED),
    )
    for fault, point, leaves in (
        ("F04", "before_connect", before),
        ("F06", "before_dot", Uncertain.NONE_ARRIVED),
        ("F07", "after_dot", Uncertain.SOME_ARRIVED),
        ("F08", "after_answers", Uncertain.MOST_ARRIVED),
    )
)
"""What only the wire can tell, for text messages over SMPP and pushes over HTTP/2."""
TWICE = Row("F13", worker=("after_answers:kill", "after_answers:kill"), leaves=Uncertain.MOST_ARRIVED)
"""The same messages lost with two workers: uncertain for good, and never written to a third time."""


async def run(chance: random.Random, tier: str, databases: Databases) -> Report:
    """Every row for the kinds of mail that it makes a difference to, the same row killed twice, and the imports."""
    room = asyncio.Semaphore(AT_ONCE)

    async def in_turn(scenario: Coroutine[None, None, Report]) -> Report:
        async with room:
            return await scenario

    scenarios = [
        scenario
        for _ in range(TIERS[tier])
        for scenario in (
            *(_row(row, category, chance, databases) for row in (*TABLE, *OTHERS) for category in row.kinds),
            _row(TWICE, Category.TRANSACTIONAL, chance, databases),
            *(uploads.killed_at(point, databases) for point in uploads.POINTS),
        )
    ]
    reports = await asyncio.gather(*(in_turn(scenario) for scenario in scenarios))
    problems = [problem for report in reports for problem in report.problems]
    return Report({"scenarios": len(reports), "as_the_table": sum(not one.problems for one in reports)}, problems)


async def _row(row: Row, category: Category, chance: random.Random, databases: Databases) -> Report:
    async with ground(
        databases,
        chance,
        recipients=row.recipients,
        category=category,
        local_part=row.local_part,
        connections=CONNECTIONS,
        email=row.email,
        channel=row.channel,
    ) as site:
        if row.is_held:
            _relay(site).hold()
        dying = asyncio.create_task(_deaths(site, row))
        observer = await site.start()
        await dying
        if row.is_held:
            _relay(site).release()
        seconds = await site.over()
        verdict = await site.settle(observer, unknown_limit=row.recipients)
        for problem in _differences(row, category, verdict):
            verdict.complain(problem)
        words = " ".join((*row.worker, *row.scheduler))
        return Report.of(verdict, seconds, f"{row.fault} {words} ({row.channel}, {category})")


def _relay(site: Ground) -> Witness:
    assert isinstance(site.witness, Witness)
    return site.witness


async def _deaths(site: Ground, row: Row) -> None:
    """Everybody dies whom the row names; where both roles do, a scheduler dies of what the worker left."""
    if not (row.worker and row.scheduler):
        await asyncio.gather(_succession(site, "worker", row.worker), _succession(site, "scheduler", row.scheduler))
        return
    freezing = site.supervisor.start("scheduler")
    worker = await _dead(site, "worker", row.worker[0])
    await site.supervisor.end(freezing, signal.SIGTERM)
    await site.expire(worker)
    site.supervisor.start("worker")
    await _succession(site, "scheduler", row.scheduler)


async def _succession(site: Ground, role: str, deaths: Sequence[str]) -> None:
    """One process of the role after the other, each to die at its point, then a sound one."""
    for words in deaths:
        await site.expire(await _dead(site, role, words))
    site.supervisor.start(role)


async def _dead(site: Ground, role: str, words: str) -> Child:
    child = site.supervisor.start(role, armed=words)
    await site.supervisor.died(child)
    return child


def _differences(row: Row, category: Category, verdict: Verdict) -> list[str]:
    """Where the final state is not the table's, for the kind of mail this run was."""
    unknown, arrived = verdict.states.get("unknown", 0), verdict.unknown_delivered
    if category is Category.TRANSACTIONAL and row is not TWICE:
        unknown_wanted = unknown == 0
        arrived = verdict.duplicates  # what had arrived arrives again; what had not arrives once
    else:
        unknown_wanted = (unknown > 0) is (row.leaves is not Uncertain.NOBODY)
        unknown_wanted |= row.leaves is Uncertain.NONE_ARRIVED_IF_ANY
    arrived_wanted = {
        Uncertain.NOBODY: arrived == 0,
        Uncertain.NONE_ARRIVED: arrived == 0,
        Uncertain.NONE_ARRIVED_IF_ANY: arrived == 0,
        Uncertain.FEW_ARRIVED: arrived <= row.recipients // 2,
        Uncertain.SOME_ARRIVED: arrived > 0,
        Uncertain.MOST_ARRIVED: arrived > 0 and arrived >= unknown - row.recipients // 10,
    }
    found = [] if unknown_wanted else [f"{unknown} are unknown"]
    if not arrived_wanted[row.leaves]:
        found.append(f"{arrived} had arrived, the table says {row.leaves.name}")
    if verdict.states.keys() - {"sent", "unknown"}:
        found.append(f"the states are {verdict.states}")
    return found
