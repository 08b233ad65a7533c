"""G8: a mail server that refuses, defers, cuts and dawdles: everyone is accounted for, and most of the speed is left.

5 % are deferred once, 2 % refused, 2 % cut off in the middle of the data, 1 % cut off after the dot, 1 % answered late.
A message centre and a push service defer and refuse as many; what a lost answer means is the conformance suite's.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from tests.crash.ground import Ground, ground
from tests.crash.report import Report
from tests.crash.verdict import Verdict
from tests.support.database import Databases

from clarion.domain.channel import ChannelName

WORKERS = 2
MIX = {"grey": 5, "550_5.1.1-rcpt": 2, "cut-mid-data": 2, "cut-after-dot": 1, "slow0.3": 1}
"""Percent of the recipients for whom the sink does this."""
FAULTS = {"deferred": range(5), "refused": range(5, 7)}
"""The same of those who are not written to by email: by the last two digits of their number."""
TIERS = {"P": 2_000, "N": 100_000, "R": 1_000_000}

# Every hundredth person and so on get the address that asks the sink for its fault; everyone else keeps theirs.
_GIVE_FAULT = """
UPDATE contact SET email = $1 || '+' || email, email_key = $1 || '+' || email_key
WHERE ('x' || encode(substr(id, 9), 'hex'))::bit(32)::int % 100 BETWEEN $2 AND $3 RETURNING true
"""
# What is deferred waits half a minute or more: here the wait is over at once, in the rows as in the batches.
_HURRY_ROWS = "UPDATE delivery SET not_before = now() WHERE not_before > now() AND state = 'pending'"
_HURRY_BATCHES = "UPDATE batch SET due_at = now() WHERE due_at > now()"


@dataclass(frozen=True, slots=True)
class _Run:
    verdict: Verdict
    seconds: float


async def run(chance: random.Random, tier: str, databases: Databases) -> Report:
    """A clean run, then one with the faults; the ratio of their speeds is reported, not judged: machines are noisy."""
    recipients = TIERS[tier]
    clean = await _send({}, recipients, chance, databases)
    faulty = await _send(MIX, recipients, chance, databases)
    for problem in _differences(faulty.verdict, recipients // 100):
        faulty.verdict.complain(problem)
    reports = [Report.of(clean.verdict, clean.seconds, "clean"), Report.of(faulty.verdict, faulty.seconds, "faulty")]
    for channel in (ChannelName.SMS, ChannelName.PUSH):
        other = await _send({}, recipients // 2, chance, databases, channel)
        wanted = {"failed": recipients // 2 * len(FAULTS["refused"]) // 100}
        if (found := {"failed": other.verdict.states.get("failed", 0)}) != wanted:
            other.verdict.complain(f"{found}, the faults ask for {wanted}")
        reports.append(Report.of(other.verdict, other.seconds, channel.value))
    return Report.merged(reports, speed_ratio=round(clean.seconds / faulty.seconds, 2))


async def _send(
    mix: dict[str, int],
    recipients: int,
    chance: random.Random,
    databases: Databases,
    channel: ChannelName = ChannelName.EMAIL,
) -> _Run:
    async with ground(databases, chance, recipients=recipients, connections=10, channel=channel, faults=FAULTS) as site:
        first = 0
        for script, percent in mix.items():
            await site.execute(_GIVE_FAULT, script, first, first + percent - 1)
            first += percent
        site.supervisor.keep(worker=WORKERS, scheduler=1)
        observer = await site.start()
        hurrying = asyncio.create_task(_hurry(site))
        seconds = await site.over()
        hurrying.cancel()
        uncertain = (mix.get("cut-mid-data", 0) + mix.get("cut-after-dot", 0)) * recipients // 100
        return _Run(await site.settle(observer, unknown_limit=uncertain), seconds)


async def _hurry(site: Ground) -> None:
    while True:
        await site.execute(_HURRY_ROWS)
        await site.execute(_HURRY_BATCHES)
        await asyncio.sleep(0.2)


def _differences(verdict: Verdict, percent: int) -> list[str]:
    """Where the audience became something else than the faults ask for."""
    cuts = MIX["cut-mid-data"] + MIX["cut-after-dot"]
    wanted = {"failed": MIX["550_5.1.1-rcpt"] * percent, "unknown": cuts * percent}
    found = {state: verdict.states.get(state, 0) for state in wanted}
    problems = [] if found == wanted else [f"{found}, the faults ask for {wanted}"]
    if verdict.duplicates > MIX["cut-after-dot"] * percent:
        problems.append(f"{verdict.duplicates} duplicates")
    return problems
