"""Addresses that one campaign must not write to: whatever its category, and beside other campaigns."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support import stage
from tests.support.people import new_account
from tests.support.sink import Sink
from tests.support.stage import Stage
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import campaign_suppressions, campaigns
from clarion.application.starts import start_run
from clarion.domain.campaign import Category
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Invalid, NotFound
from clarion.domain.ids import Id, new_id
from clarion.domain.suppression import CampaignSuppression

EMAIL = ChannelName.EMAIL


async def suppress(made: Stage, address: str, campaign_id: Id | None = None) -> bool:
    async with made.database.transaction() as tx:
        return await campaign_suppressions.suppress_for_campaign(
            tx,
            account_id=made.account_id,
            campaign_id=campaign_id or made.campaign_id,
            channel=EMAIL,
            address=address,
        )


async def listed(made: Stage, limit: int = 10) -> list[CampaignSuppression]:
    async with made.database.reading() as tx:
        return await campaign_suppressions.list_campaign_suppressions(
            tx, account_id=made.account_id, campaign_id=made.campaign_id, after=None, limit=limit
        )


@pytest.mark.parametrize("category", list(Category))
async def test_whoever_wants_nothing_of_a_campaign_gets_nothing_of_it_and_all_of_the_others(
    database: PostgresDatabase, database_url: str, category: Category
) -> None:
    async with Sink() as sink:
        made = await stage.build(database, ["in@x.example", "Out@x.example"], port=sink.port, category=category)
        async with database.transaction() as tx:
            other = await campaigns.duplicate_campaign(tx, account_id=made.account_id, campaign_id=made.campaign_id)
        assert await suppress(made, "OUT@X.example")
        assert not await suppress(made, "out@x.example")
        started = await made.started()
        async with working(database, database_url):
            await made.finished()
            assert await made.rows() == {"in@x.example": ("sent", None), "Out@x.example": ("skipped", "unsubscribed")}
            async with database.transaction() as tx:
                await start_run(tx, account_id=made.account_id, campaign_id=other.id)
            await sink.wait_accepted(3)
    assert (started.campaign.selected_count, started.instances_created) == (2, 1)
    assert sorted(sink.recipients()) == ["Out@x.example", "in@x.example", "in@x.example"]


async def test_it_holds_for_what_is_frozen_already(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink:
        made = await stage.build(database, ["in@x.example", "out@x.example"], port=sink.port)
        await made.start()
        async with working(database, database_url):
            await made.finished()
        async with database.transaction() as tx:
            await start_run(tx, account_id=made.account_id, campaign_id=made.campaign_id)
            while await tx.runs.take_slice(10, 10):
                continue
        await suppress(made, "out@x.example")
        await made.barrier()
        async with working(database, database_url):
            await made.finished()
    assert await made.rows() == {"in@x.example": ("sent", None), "out@x.example": ("skipped", "unsubscribed")}


async def test_a_suppression_is_lifted_in_any_spelling_and_only_once(database: PostgresDatabase) -> None:
    made = await stage.build(database, [])
    await suppress(made, "ada@mail.example")
    assert [found.address_key for found in await listed(made)] == ["ada@mail.example"]
    lift = campaign_suppressions.lift_campaign_suppression
    named: dict[str, Any] = {"account_id": made.account_id, "campaign_id": made.campaign_id, "channel": EMAIL}
    async with database.transaction() as tx:
        await lift(tx, **named, address="ADA@mail.example")
    for address in ("ada@mail.example", "nobody", "nul\0@mail.example"):
        with pytest.raises(NotFound):
            async with database.transaction() as tx:
                await lift(tx, **named, address=address)
    assert await listed(made) == []


async def test_what_is_no_address_and_what_is_anothers_campaign_is_refused(database: PostgresDatabase) -> None:
    made = await stage.build(database, [])
    for address in ("nobody", "", "nul\0@mail.example", "\ud800@mail.example"):
        with pytest.raises(Invalid):
            await suppress(made, address)
    with pytest.raises(NotFound):
        await suppress(made, "ada@mail.example", new_id())
    stranger = await new_account(database)
    with pytest.raises(NotFound):
        async with database.transaction() as tx:
            await campaign_suppressions.suppress_for_campaign(
                tx, account_id=stranger, campaign_id=made.campaign_id, channel=EMAIL, address="ada@mail.example"
            )
    assert await listed(made) == []
