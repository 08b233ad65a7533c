"""One campaign, three channels, 10,000 people with every mix: is the report what a count of the mix says?

    python -m tests.acceptance.three_channels               part of `make acceptance`
    python -m tests.acceptance.three_channels --people 2000 --seed 7

Sent by a worker to stand-ins for a mail server, an SMS provider, APNs, FCM and Web Push, under both policies. Exits 1
when any count differs, a message came twice, or a push service found something wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.support.crowd import Counts, crowd, expected
from tests.support.database import Databases, opened, running_server
from tests.support.three_channels import FarSides, built, change, far_sides, is_over, reported
from tests.support.workers import working

from clarion.application.campaign_draft import CampaignDraft
from clarion.domain.campaign import ChannelPolicy

ORDER = ("push", "email", "sms")
PATIENCE_S = 600.0


async def tried(url: str, directory: Path, policy: ChannelPolicy, options: argparse.Namespace) -> list[str]:
    """What is wrong under one policy."""
    async with opened(url) as database, opened(url, max_size=10) as busy, far_sides(directory) as far:
        people = crowd(options.people, options.seed, far.web.subscribe)
        made = await built(database, people, far.ways, far.sink.port)
        await change(made, CampaignDraft(channel_policy=policy, channel_order=ORDER))
        said = expected(people, ORDER, first_available=policy is ChannelPolicy.FIRST_AVAILABLE)
        began = time.monotonic()
        await made.started()
        started_s = time.monotonic() - began
        async with working(busy, url), asyncio.timeout(PATIENCE_S):
            while not await is_over(made):
                await asyncio.sleep(0.5)
        sent = sum(count for (_, state, _), count in said.items() if state == "sent")
        took_s = time.monotonic() - began
        print(f"{policy}: started in {started_s * 1000:.0f} ms, {sent:,} messages sent in {took_s:.1f} s")
        return [*_differences(said, await reported(made)), *_strange(far, said)]


def _differences(said: Counts, found: Counts) -> list[str]:
    for (channel, state, reason), count in sorted(said.items(), key=str):
        print(
            f"  {channel:5} {state:8} {reason or '':16} counted {count:6,}  reported {found[channel, state, reason]:6,}"
        )
    return [f"{key}: counted {said[key]}, reported {found[key]}" for key in said | found if said[key] != found[key]]


def _strange(far: FarSides, said: Counts) -> list[str]:
    """What the far sides have to say against it."""
    found = list(dict.fromkeys(far.complaints()))
    for channel, addresses in far.took().items():
        count = said[channel, "sent", None]
        if not len(set(addresses)) == len(addresses) == count:
            found.append(f"{channel}: {len(addresses)} arrived at {len(set(addresses))} addresses, {count} were due")
    return found


async def main(options: argparse.Namespace) -> int:
    """Tries both policies; returns how much is wrong."""
    wrong: list[str] = []
    with running_server() as server, tempfile.TemporaryDirectory() as directory:
        databases = Databases(server)
        for policy in ChannelPolicy:
            url = await databases.create_migrated()
            wrong += await tried(url, Path(directory), policy, options)
            await databases.drop(url)
        await databases.drop_template()
    print(*wrong, sep="\n")
    return len(wrong)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=2026)
    sys.exit(min(asyncio.run(main(parser.parse_args())), 1))
