"""What the benchmarks of text messages and of push share: a stage on one channel, the end of its run, their lines.

Email has more to it: `tests/support/scene` and `pipeline`. Knows no far side; where to read next: `sms`, `push`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import asyncpg
from tests.support.scene import LINKS, Scene

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import campaigns
from clarion.application.campaign_draft import CampaignDraft
from clarion.domain.ids import new_id
from clarion.domain.sender import Sender

POLL_S: Final = 0.25

_ACCOUNT = "INSERT INTO account (id, name) VALUES ($1, 'Load')"
_GROUP = "INSERT INTO contact_group (id, account_id, name) VALUES ($1, $2, 'everyone')"
_MEMBERS = (
    "INSERT INTO group_member (group_id, contact_id) SELECT $1, id FROM contact WHERE account_id = $2 ORDER BY id"
)
_RUN = "SELECT state FROM run WHERE id = $1"
_STATES = "SELECT state, coalesce(reason, ''), count(*) FROM delivery WHERE run_id = $1 GROUP BY 1, 2 ORDER BY 1, 2"


async def build(
    database: PostgresDatabase,
    recipients: int,
    people: Sequence[str],
    *,
    sender: Sender,
    draft: CampaignDraft,
    sealed: bytes | None = None,
) -> Scene:
    """Makes everything up to a campaign; `people` are statements that are told the account and how many there are."""
    account_id, group_id = new_id(), new_id()
    async with database.transaction() as tx:
        await tx.connection.execute("SET LOCAL statement_timeout = 0")
        await tx.connection.execute(_ACCOUNT, account_id)
        await tx.connection.execute(_GROUP, group_id, account_id)
        for statement in people:
            await tx.connection.execute(statement, account_id, recipients, timeout=600)
        await tx.connection.execute(_MEMBERS, group_id, account_id, timeout=600)
    async with database.reading() as tx:
        await tx.connection.execute("VACUUM (ANALYZE) contact, group_member, device", timeout=600)
    async with database.transaction() as tx:
        await tx.senders.add(account_id, sender, sealed)
        to_everyone = replace(draft, groups=[group_id.hex()])
        campaign = await campaigns.create_campaign(tx, account_id=account_id, draft=to_everyone, links=LINKS)
    return Scene(account_id=account_id, campaign_id=campaign.id, recipients=recipients)


async def until_over(connection: asyncpg.Connection[asyncpg.Record], run_id: bytes) -> None:
    """Waits until the run is closed."""
    while await connection.fetchval(_RUN, run_id) in {"preparing", "sending"}:
        await asyncio.sleep(POLL_S)


async def states_of(connection: asyncpg.Connection[asyncpg.Record], run_id: bytes) -> dict[str, int]:
    """How many deliveries are in each state, for each reason."""
    return {f"{row[0]} {row[1]}".strip(): row[2] for row in await connection.fetch(_STATES, run_id)}


def print_costs(cpu_us: Mapping[str, float], states: Mapping[str, int]) -> None:
    """The lines on what it cost and what became of everybody."""
    for name, cpu in cpu_us.items():
        print(f"  CPU of {name:<18} {cpu:10.1f} µs a message")
    for state, count in states.items():
        print(f"  {state:<25} {count:10,}")
