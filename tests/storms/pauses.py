"""Gates G9 and G10: commands at full speed, and what went out after they were answered.

    python -m tests.storms.pauses                  200 commands, then 500 who unsubscribe, however long it takes
    python -m tests.storms.pauses --tier nightly   10,000 and 10,000

Prints one JSON line a gate: how long callers waited, how long after an answer the last message arrived, and what broke.
Where to read next: `gale`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import secrets
import sys
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.conftest import TEST_KEY
from tests.storms.gale import Answered, Gale, gale, percentile
from tests.support.database import Databases, running_server
from tests.support.scene import LINKS

from clarion.adapters.sealing import KeyRing
from clarion.application import campaigns
from clarion.application.campaign_draft import CampaignDraft
from clarion.domain.ids import Id
from clarion.rendering.tokens import Purpose, TokenSigner
from clarion.setting_rules import decode_key

SMALL = 50
"""People of a campaign that is started many times at once and stopped while it is ending."""
STARTS = 6
AT_ONCE = 8
SETTLED_S = 1.0
"""After an answer, messages whose intent was written before may arrive for so long."""


@dataclass(frozen=True, slots=True)
class Tier:
    """How much of each."""

    recipients: int
    commands: int
    unsubscribers: int
    patience_s: float
    """After so long a crowded machine has done enough of each: what it did is judged."""


TIERS = {
    "commit": Tier(5_000, 200, 500, 12),
    "gate": Tier(12_000, 200, 500, 600),
    "nightly": Tier(300_000, 10_000, 10_000, 7200),
}


@dataclass(slots=True)
class Report:
    """What a gate found; no `problems` means that it held."""

    gate: str
    figures: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def expect(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as what is expected
        """Notes what does not hold."""
        if not holds:
            self.problems.append(otherwise)

    def line(self) -> str:
        """For people and machines."""
        figures = {name: round(value, 4) for name, value in self.figures.items()}
        return json.dumps({"gate": self.gate, **figures, "held": not self.problems, "problems": self.problems[:10]})


async def pausing(wind: Gale, tier: Tier, chance: random.Random) -> Report:
    """G9: one campaign is paused and resumed again and again while others are started at once and stopped."""
    report = Report("G9")
    small = [await _small_campaign(wind) for _ in range(max(1, tier.commands // 40))]
    rounds = (tier.commands - len(small) * (STARTS + 2)) // 2
    wind.hold()
    await wind.command("start", wind.scene.campaign_id)
    run_id = await wind.run_of(wind.scene.campaign_id)
    await wind.until_frozen(run_id)
    others = [asyncio.create_task(_start_and_stop(wind, one, report, chance)) for one in small]
    pauses = await _pause_and_resume(wind, rounds, chance, time.monotonic() + tier.patience_s)
    await asyncio.gather(*others)
    await wind.command("resume", wind.scene.campaign_id)
    await wind.command("stop", wind.scene.campaign_id)
    runs = {run_id: wind.scene.recipients, **{await wind.run_of(one): SMALL for one in small}}
    await _until_closed(wind, list(runs))
    report.expect(bool(pauses), "the run was over before anybody could pause it")
    await _judge_pauses(wind, run_id, pauses, report)
    for one, audience in runs.items():
        states = await wind.states(one)
        report.expect(states.total() == audience, f"I1: {dict(states)} of {audience}")
        report.expect(set(states) <= {"sent", "cancelled"}, f"not final or not explained: {dict(states)}")
    await _judge_all(wind, report)
    waits = wind.waits_s(["pause", "stop"])
    report.figures |= {"commands": len(wind.answers), "pauses": len(pauses), "p99_s": percentile(waits, 0.99)}
    report.figures |= {"median_s": percentile(waits, 0.5), "longest_s": percentile(waits, 1)}
    return report


async def _pause_and_resume(
    wind: Gale, rounds: int, chance: random.Random, ends_at: float
) -> list[tuple[Answered, Answered]]:
    """Pauses and resumes; gives each pause with the resume that ended it. The waits are the randomness under test."""
    pauses = []
    for _ in range(rounds):
        if time.monotonic() > ends_at:
            break
        await asyncio.sleep(chance.uniform(0, 0.03))
        paused = await wind.command("pause", wind.scene.campaign_id)
        wind.release()
        await asyncio.sleep(chance.uniform(0, 0.03))
        resumed = await wind.command("resume", wind.scene.campaign_id)
        if paused.status == 200:
            pauses.append((paused, resumed))
    return pauses


async def _start_and_stop(wind: Gale, campaign_id: Id, report: Report, chance: random.Random) -> None:
    """F63 and F62: one of many starts wins, and one of two stops may, if the end of the run does not."""
    await asyncio.sleep(chance.uniform(0, 2))
    starts = await asyncio.gather(*(wind.command("start", campaign_id) for _ in range(STARTS)))
    started = Counter(one.status for one in starts)
    report.expect(started == {200: 1, 409: STARTS - 1}, f"F63: {STARTS} starts were answered {dict(started)}")
    await asyncio.sleep(chance.uniform(0, 0.3))
    stops = Counter(one.status for one in await asyncio.gather(*(wind.command("stop", campaign_id) for _ in "ab")))
    report.expect(stops[200] <= 1 and stops[200] + stops[409] == 2, f"F62: two stops were answered {dict(stops)}")


async def _judge_pauses(wind: Gale, run_id: Id, pauses: list[tuple[Answered, Answered]], report: Report) -> None:
    intents = [at for _, at in await wind.intents(run_id)]
    arrivals = [at for at, _ in wind.accepted()]
    late, tails = 0, [0.0]
    for paused, resumed in pauses:
        late += bisect_left(intents, resumed.sent_at) - bisect_right(intents, paused.at)
        behind = arrivals[bisect_right(arrivals, paused.at) : bisect_left(arrivals, resumed.sent_at)]
        tails += [behind[-1] - paused.at] if behind else []
    report.expect(late == 0, f"F61: {late} intents were written between the answer to a pause and the next resume")
    report.figures |= {"late_intents": late, "last_arrival_after_s": max(tails)}


async def unsubscribing(wind: Gale, tier: Tier, chance: random.Random) -> Report:
    """G10: people unsubscribe by API and by the link of their message while a campaign is on its way to them."""
    report = Report("G10")
    async with wind.database.transaction() as tx:
        copy = await campaigns.duplicate_campaign(
            tx, account_id=wind.scene.account_id, campaign_id=wind.scene.campaign_id
        )
    wind.hold()
    await wind.command("start", copy.id)
    run_id = await wind.run_of(copy.id)
    await wind.until_frozen(run_id)
    async with wind.database.reading() as tx:
        rows = await tx.connection.fetch("SELECT seq, address FROM delivery WHERE run_id = $1", run_id)
    # Mostly those who are reached late: whoever has the message already proves nothing.
    leaving = sorted(
        chance.sample([(row["seq"], row["address"]) for row in rows], tier.unsubscribers), key=lambda row: -row[0]
    )
    answered: dict[int, Answered] = {}
    ends_at = time.monotonic() + tier.patience_s
    waiting = itertools.takewhile(lambda _: time.monotonic() < ends_at, leaving)
    await asyncio.gather(*(_unsubscribe_some(wind, run_id, waiting, answered) for _ in range(AT_ONCE)))
    people = len(answered)
    await _until_closed(wind, [run_id])
    intents = await wind.intents(run_id)
    late = [seq for seq, at in intents if seq in answered and at > answered[seq].at]
    before = {seq for seq, at in intents if seq in answered and at <= answered[seq].at}
    states = await wind.states(run_id)
    report.expect(not late, f"F64: {len(late)} intents were written after the answer to an unsubscription")
    report.expect(states.total() == wind.scene.recipients, f"I1: {dict(states)}")
    report.expect(states["skipped"] == people - len(before), f"{people - len(before)} were in time: {dict(states)}")
    report.expect(len(before) < people, "the run was over before anybody could unsubscribe")
    waits = wind.waits_s(["unsubscribe"])
    report.figures |= {"unsubscribed": len(answered), "in_time": people - len(before), "late_intents": len(late)}
    report.figures |= {"p99_s": percentile(waits, 0.99), "median_s": percentile(waits, 0.5)}
    report.expect(len(waits) == people, f"{people} asked and {len(waits)} were answered well")
    return report


async def _unsubscribe_some(
    wind: Gale, run_id: Id, waiting: Iterator[tuple[int, str]], answered: dict[int, Answered]
) -> None:
    ring = KeyRing([decode_key(TEST_KEY)])
    signer = TokenSigner(ring.subkeys("links"), ring.current)
    for seq, address in waiting:
        if seq % 2:
            body = {"channel": "email", "address": address, "reason": "unsubscribed"}
            answered[seq] = await wind.ask("unsubscribe", "/suppressions", json=body)
        else:
            token = signer.sign(Purpose.UNSUBSCRIBE, wind.scene.account_id, run_id, seq)
            answered[seq] = await wind.ask("unsubscribe", f"/u/{token}")
        wind.release()


async def _small_campaign(wind: Gale) -> Id:
    account_id = wind.scene.account_id
    async with wind.database.transaction() as tx:
        people = await tx.connection.fetch(
            "SELECT id FROM contact WHERE account_id = $1 ORDER BY id LIMIT $2", account_id, SMALL
        )
        copy = await campaigns.duplicate_campaign(tx, account_id=account_id, campaign_id=wind.scene.campaign_id)
        draft = CampaignDraft(groups=[], contacts=[row["id"].hex() for row in people])
        await campaigns.update_campaign(tx, account_id=account_id, campaign_id=copy.id, draft=draft, links=LINKS)
    return copy.id


async def _until_closed(wind: Gale, runs: list[Id]) -> None:
    async with asyncio.timeout(600), wind.database.reading() as tx:
        while await tx.connection.fetchval(
            "SELECT count(*) FROM run WHERE id = ANY($1::bytea[]) AND finished_at IS NULL", runs
        ):
            await asyncio.sleep(0.05)


async def _judge_all(wind: Gale, report: Report) -> None:
    """Everything that says sent arrived as often as it says, and no request was answered by a surprise."""
    async with wind.database.reading() as tx:
        rows = await tx.connection.fetch("SELECT address, count(*) FROM delivery WHERE state = 'sent' GROUP BY address")
    sent = Counter({row["address"]: row["count"] for row in rows})
    arrived = Counter(to for _, to in wind.accepted())
    report.expect(sent == arrived, f"{(sent - arrived).total()} lost, {(arrived - sent).total()} too many")
    surprises = Counter(one.status for one in wind.answers if one.status not in {200, 201, 409})
    report.expect(not surprises, f"answered with {dict(surprises)}")


async def run(databases: Databases, tier: Tier, seed: int) -> list[Report]:
    """Both gates, one after the other, on the same processes."""
    chance = random.Random(seed)
    async with gale(databases, recipients=tier.recipients) as wind:
        return [
            await pausing(wind, tier, chance),
            await unsubscribing(wind, tier, chance),
        ]


def main() -> int:
    """Reads the command line and runs one tier; here, on a machine of its own, the promised times count as well."""
    parser = argparse.ArgumentParser(prog="python -m tests.storms.pauses")
    parser.add_argument("--tier", choices=sorted(TIERS), default="gate")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    options = parser.parse_args()
    print(f"pauses: tier {options.tier}, seed {options.seed}", flush=True)
    with running_server() as server_url:
        reports = asyncio.run(run(Databases(server_url), TIERS[options.tier], options.seed))
    for report in reports:
        report.expect(report.figures["p99_s"] <= 0.3, "p99 is more than 300 ms")
        report.expect(report.figures.get("last_arrival_after_s", 0) <= SETTLED_S, "a message arrived too long after")
        print(report.line())
    return int(any(report.problems for report in reports))


if __name__ == "__main__":
    sys.exit(main())
