"""A small account for tests of the send path: contacts by address, a group, a sender, a campaign, all by use cases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from tests.support.patience import PATIENCE_S
from tests.support.scene import LINKS, Scene, finished
from tests.support.workers import SEALER

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import access, campaigns, contacts, groups, lifecycle, runs, senders, suppressions
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.contacts import ContactDraft
from clarion.application.lifecycle import Started
from clarion.application.sender_rules import SenderDraft
from clarion.domain.campaign import Campaign, Category
from clarion.domain.channel import ChannelName
from clarion.domain.content import EmailContent
from clarion.domain.ids import Id
from clarion.domain.providers.provider import Security
from clarion.domain.suppression import SuppressionReason

EMAIL = EmailContent(subject="Hello", html="<p>Hello {{ contact.email }}</p>")
MANY = [f"person{n}@load.example" for n in range(600)]
"""Addresses to build a stage with."""


@dataclass(slots=True)
class Stage:
    """One account with one campaign."""

    database: PostgresDatabase
    account_id: Id
    group_id: Id
    sender_id: Id
    campaign_id: Id
    contact_ids: dict[str, Id] = field(default_factory=dict)

    async def start(self) -> Id:
        """Starts the campaign and returns its run."""
        await self.started()
        return await self.run_id()

    async def started(self) -> Started:
        """Starts the campaign and returns what the use case says."""
        async with self.database.transaction() as tx:
            return await lifecycle.start(tx, account_id=self.account_id, campaign_id=self.campaign_id)

    async def run_id(self) -> Id:
        """The campaign's newest run."""
        async with self.database.reading() as tx:
            found = await runs.list_runs(
                tx, account_id=self.account_id, campaign_id=self.campaign_id, after=None, limit=100
            )
        return found[-1].id

    async def campaign(self) -> Campaign:
        """The campaign as it is now."""
        async with self.database.reading() as tx:
            return await campaigns.get_campaign(tx, account_id=self.account_id, campaign_id=self.campaign_id)

    async def pause(self) -> None:
        """Pauses as the API does: commit, then wait for the barrier."""
        async with self.database.transaction() as tx:
            await lifecycle.pause(tx, account_id=self.account_id, campaign_id=self.campaign_id)
        await self.barrier()

    async def resume(self) -> None:
        """Resumes the campaign."""
        async with self.database.transaction() as tx:
            await lifecycle.resume(tx, account_id=self.account_id, campaign_id=self.campaign_id)

    async def stop(self) -> None:
        """Stops as the API does: commit, then wait for the barrier."""
        async with self.database.transaction() as tx:
            await lifecycle.stop(tx, account_id=self.account_id, campaign_id=self.campaign_id)
        await self.barrier()

    async def barrier(self) -> None:
        """Waits for the turns that are under way."""
        async with self.database.reading() as tx:
            await tx.barrier(self.account_id)

    async def finished(self) -> None:
        """Waits until the newest run is closed."""
        await finished(self.database, await self.run_id())

    async def rows(self) -> dict[str, tuple[str, str | None]]:
        """State and reason of every delivery of the newest run, by address (or contact id where there is none)."""
        run_id = await self.run_id()
        async with self.database.reading() as tx:
            found = await tx.deliveries.page(run_id, None, None, 0, 10_000)
        return {row.address or (row.contact_id or b"").hex(): (row.state.value, row.reason) for row in found}

    async def suppress(self, address: str, reason: SuppressionReason) -> None:
        """Suppresses an address as the API does: commit, then wait for the barrier."""
        async with self.database.transaction() as tx:
            await suppressions.suppress(
                tx, account_id=self.account_id, channel=ChannelName.EMAIL, address=address, reason=reason
            )
        await self.barrier()

    async def execute(self, statement: str, *values: object) -> None:
        """Runs a statement, to move a clock in the database."""
        async with self.database.reading() as tx:
            await tx.connection.execute(statement, *values)


async def build(
    database: PostgresDatabase,
    addresses: Sequence[str],
    *,
    port: int = 9,
    category: Category = Category.MARKETING,
    rate: float | None = None,
    email: EmailContent = EMAIL,
) -> Stage:
    """Makes everything up to a draft campaign over these addresses, on a plain relay at the loopback `port`."""
    async with database.transaction() as tx:
        account, _, _ = await access.create_account(tx, name="Stage")
        group = await groups.create_group(tx, account_id=account.id, name="everyone")
        stage = Stage(database, account.id, group.id, account.id, account.id)
        for address in addresses:
            draft = ContactDraft(email=address)
            contact, _ = await contacts.save_contact(tx, account_id=account.id, draft=draft)
            stage.contact_ids[address] = contact.id
        await groups.add_members(
            tx, account_id=account.id, group_id=group.id, contact_ids=list(stage.contact_ids.values())
        )
        sender = await senders.create_sender(
            tx,
            account_id=account.id,
            draft=SenderDraft(
                name="Relay",
                host="127.0.0.1",
                port=port,
                security=Security.NONE,
                from_address="Stage <stage@clarion.example>",
                rate_per_second=rate,
            ),
            sealer=SEALER,
        )
        campaign = await campaigns.create_campaign(
            tx,
            account_id=account.id,
            draft=CampaignDraft(
                name="Stage", category=category, groups=["everyone"], sender_id=sender.id.hex(), email=email
            ),
            links=LINKS,
        )
    stage.sender_id = sender.id
    stage.campaign_id = campaign.id
    return stage


def over(database: PostgresDatabase, scene: Scene) -> Stage:
    """The stage of a load scene, for what is done to its campaign; it knows no group, sender or contact of it."""
    return Stage(database, scene.account_id, scene.account_id, scene.account_id, scene.campaign_id)


async def states(database: PostgresDatabase, run_id: bytes) -> dict[str, int]:
    """How many deliveries of the run are in each state."""
    async with database.reading() as tx:
        rows = await tx.connection.fetch("SELECT state, count(*) FROM delivery WHERE run_id = $1 GROUP BY 1", run_id)
    return {row["state"]: row["count"] for row in rows}


async def unleased(database: PostgresDatabase) -> bool:
    """True when no worker holds a batch."""
    async with database.reading() as tx:
        return bool(await tx.connection.fetchval("SELECT NOT EXISTS (SELECT FROM batch WHERE worker IS NOT NULL)"))


async def settled(database: PostgresDatabase, run_id: bytes, counts: dict[str, int]) -> bool:
    """True when the run's deliveries are in these states and no worker holds a batch."""
    return await states(database, run_id) == counts and await unleased(database)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Asks the database again and again until it holds: what workers do there gives tests no other signal."""
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():
            await asyncio.sleep(0.02)
