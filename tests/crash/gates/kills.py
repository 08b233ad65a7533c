"""G1: workers are killed at random moments, for marketing (hold) and transactional messages (sent once more).

Email carries most of it; text messages and pushes go through the same, an eighth of the kills for each.
"""

from __future__ import annotations

import asyncio
import random
import signal
from dataclasses import dataclass

from tests.crash.ground import SHORT_LEASE_S, SLOW, Ground, ground
from tests.crash.observer import Observer
from tests.crash.report import Report
from tests.support.database import Databases

from clarion.domain.campaign import Category
from clarion.domain.channel import ChannelName

WORKERS = 3
WINDOW = 200
ON_THE_WIRE = {Category.MARKETING: 3 * WINDOW, Category.TRANSACTIONAL: 8 * WINDOW}
"""What one worker may have on the wire to one sender: a window in each of the batches it sends at once."""


@dataclass(frozen=True, slots=True)
class Size:
    """So many kills during so many recipients; of the email, half of each for either kind."""

    kills: int
    recipients: int


ON_OTHERS = 8
"""The share of kills and recipients that text messages and pushes have, each."""
TIERS = {"P": Size(50, 5_000), "N": Size(1_000, 100_000), "R": Size(10_000, 1_000_000)}


async def run(chance: random.Random, tier: str, databases: Databases) -> Report:
    """Both kinds of email beside each other, then text messages and pushes: they share nothing but the machine."""
    size = TIERS[tier]
    mail = Size(size.kills // 2, size.recipients // 2)
    other = Size(size.kills // ON_OTHERS, size.recipients // ON_OTHERS)
    reports = []
    for part, channels in ((mail, (ChannelName.EMAIL,)), (other, (ChannelName.SMS, ChannelName.PUSH))):
        chances = {(one, kind): random.Random(chance.random()) for one in channels for kind in _kinds(one)}
        reports += await asyncio.gather(*(_shake(own, part, databases, *key) for key, own in chances.items()))
    return Report.merged(reports)


def _kinds(channel: ChannelName) -> tuple[Category, ...]:
    """SMS is tried as marketing, push as transactional: what differs between them is no channel's."""
    return {ChannelName.SMS: (Category.MARKETING,), ChannelName.PUSH: (Category.TRANSACTIONAL,)}.get(
        channel, tuple(Category)
    )


async def _shake(
    chance: random.Random, size: Size, databases: Databases, channel: ChannelName, category: Category
) -> Report:
    kills, recipients = size.kills, size.recipients
    async with ground(
        databases,
        chance,
        recipients=recipients,
        category=category,
        local_part=SLOW,
        channel=channel,
        lease_s=SHORT_LEASE_S,
    ) as site:
        site.supervisor.keep(worker=WORKERS, scheduler=1)
        observer = await site.start(to_be_hurt=True)
        killed = await _kill_on_the_way(site, observer, kills)
        seconds = await site.over()
        verdict = await site.settle(observer, unknown_limit=killed * ON_THE_WIRE[category])
        if verdict.duplicates > killed * ON_THE_WIRE[category]:
            verdict.complain(f"{verdict.duplicates} duplicates after {killed} kills")
        verdict.expect_blows(killed, kills)
        per_kill = round(verdict.duplicates / max(killed, 1), 1)
        name = category.value if channel is ChannelName.EMAIL else f"{channel} {category}"
        return Report.of(verdict, seconds, name, kills=killed, duplicates_per_kill=per_kill)


async def _kill_on_the_way(site: Ground, observer: Observer, kills: int) -> int:
    """Kills a random worker each time the run has come to a random place."""
    for done, count in enumerate(site.moments(kills)):
        if not await site.progress(observer, count):
            return done
        await asyncio.sleep(site.chance.uniform(0.0, 0.2))  # the randomness under test
        await site.supervisor.end(site.chance.choice(site.supervisor.of("worker")), signal.SIGKILL)
    return kills
