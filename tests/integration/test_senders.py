"""Senders that two people change, delete and name at the same time."""

from __future__ import annotations

import asyncio

import pytest
from tests.support import stage
from tests.support.people import until_waiting
from tests.support.scene import LINKS
from tests.support.stage import Stage
from tests.support.workers import SEALER

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import campaigns, senders
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.sender_rules import SenderDraft
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Conflict
from clarion.domain.ids import Id
from clarion.domain.providers import ProviderName

PUSH = SenderDraft(
    name="Push",
    provider=ProviderName.FCM,
    settings={"app": "shop", "projectId": "shop-1234", "clientEmail": "push@shop.test"},
    secrets={"privateKey": "made up"},
)


async def add(made: Stage, draft: SenderDraft) -> Id:
    """One more sender of the stage's account."""
    async with made.database.transaction() as tx:
        return (await senders.create_sender(tx, account_id=made.account_id, draft=draft, sealer=SEALER)).id


async def change(made: Stage, sender_id: Id, draft: SenderDraft) -> None:
    """Changes a sender."""
    async with made.database.transaction() as tx:
        await senders.update_sender(tx, account_id=made.account_id, sender_id=sender_id, draft=draft, sealer=SEALER)


async def delete(made: Stage, sender_id: Id) -> None:
    """Deletes a sender."""
    async with made.database.transaction() as tx:
        await senders.delete_sender(tx, account_id=made.account_id, sender_id=sender_id)


async def test_two_changes_at_once_both_hold_and_whoever_is_being_named_stays(database: PostgresDatabase) -> None:
    made = await stage.build(database, [])
    sender_id = await add(made, PUSH)
    async with database.transaction() as tx:
        await senders.update_sender(
            tx, account_id=made.account_id, sender_id=sender_id, draft=SenderDraft(weight=7), sealer=SEALER
        )
        other = asyncio.create_task(change(made, sender_id, SenderDraft(name="Renamed", secrets={"privateKey": "x"})))
        await until_waiting(database, other)
    await other
    async with database.reading() as tx:
        sender = await senders.get_sender(tx, account_id=made.account_id, sender_id=sender_id)
    assert (sender.name, sender.weight) == ("Renamed", 7)

    async with database.transaction() as tx:
        draft = CampaignDraft(push_sender_ids=[sender_id.hex()])
        await campaigns.update_campaign(
            tx, account_id=made.account_id, campaign_id=made.campaign_id, draft=draft, links=LINKS
        )
        deleting = asyncio.create_task(delete(made, sender_id))
        await until_waiting(database, deleting)
    with pytest.raises(Conflict) as refused:
        await deleting
    assert refused.value.code == "SENDER_IN_USE"
    assert (await made.campaign()).push_sender_ids == (sender_id,)


async def test_the_first_sender_of_a_channel_is_found_behind_however_many_of_another(
    database: PostgresDatabase,
) -> None:
    made = await stage.build(database, [])
    copying = """
        INSERT INTO sender (id, account_id, name, channel, provider, config, from_address)
        SELECT substr(sha256(n::text::bytea), 1, 12), account_id, n::text, channel, provider, config, from_address
        FROM sender, generate_series(1, 150) AS n
    """
    await made.execute(copying)
    push = await add(made, PUSH)
    async with database.reading() as tx:
        first = await senders.first_senders(tx, account_id=made.account_id)
    assert first[ChannelName.PUSH].id == push
    assert set(first) == {ChannelName.EMAIL, ChannelName.PUSH}
