"""Campaigns on several channels: who is written to on which of them, and what callers see of their parts."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.support import stage
from tests.support.crowd import APP, Counts, Somebody, crowd, expected, settle_in
from tests.support.scene import LINKS
from tests.support.stage import Stage

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import activation, campaigns, runs
from clarion.application.campaign_draft import CampaignDraft
from clarion.domain.campaign import ChannelPolicy
from clarion.domain.content import PushContent, SmsContent
from clarion.domain.ids import Id, new_id
from clarion.domain.providers import Provider
from clarion.domain.providers.push import Apns, Fcm, WebPush
from clarion.domain.providers.sms_http import SignedHttp
from clarion.domain.sender import Sender
from clarion.pipeline import snapshot

SMS = SmsContent(text="Sale today. STOP to end")
PUSH = PushContent(title="Sale", body="Today only")
SMS_BOX = SignedHttp(url="http://127.0.0.1:9/sms")
PUSHERS: tuple[Provider, ...] = (
    Apns(app=APP, topic="example.shop", team_id="TEAM456789", key_id="KEY4567890"),
    Fcm(app=APP, project_id="shop", client_email="push@shop.example"),
    WebPush(app=APP, subject="mailto:push@shop.example"),
)


async def added(made: Stage, name: str, provider: Provider, from_address: str = "") -> Id:
    """A sender that is only named, and stored as if it had been checked."""
    async with made.database.transaction() as tx:
        now = await tx.campaigns.now()
        sender = Sender(
            id=new_id(), name=name, provider=provider, from_address=from_address, rate_per_second=None,
            created_at=now, updated_at=now,
        )  # fmt: skip
        await tx.senders.add(made.account_id, sender, None)
    return sender.id


async def on_three_channels(database: PostgresDatabase, people: list[Somebody]) -> Stage:
    """A campaign on every channel over these people."""
    made = await stage.build(database, [])
    sms = await added(made, "SMS", SMS_BOX, "+4915123456789")
    pushers = [await added(made, provider.name, provider) for provider in PUSHERS]
    async with database.transaction() as tx:
        await settle_in(tx, made.account_id, made.campaign_id, made.group_id, people)
    await change(
        made, CampaignDraft(sms=SMS, push=PUSH, sms_sender_id=sms.hex(), push_sender_ids=[p.hex() for p in pushers])
    )
    return made


async def change(made: Stage, draft: CampaignDraft) -> None:
    async with made.database.transaction() as tx:
        await campaigns.update_campaign(
            tx, account_id=made.account_id, campaign_id=made.campaign_id, draft=draft, links=LINKS
        )


async def frozen(made: Stage) -> Counts:
    """What the report says once everyone is frozen, as if every message that waits had been sent."""
    while await snapshot.take_slice(made.database):
        pass
    async with made.database.reading() as tx:
        report = await runs.report_run(tx, account_id=made.account_id, run_id=await made.run_id())
    assert report.run.snapshot_done
    assert report.frozen == report.run.selected_count == sum(one.frozen for one in report.channels)
    counts: Counts = Counter()
    for channel in report.channels:
        for one in channel.counts:
            counts[channel.channel.value, "sent" if one.state == "pending" else one.state.value, one.reason] = one.count
    return counts


def without_landlines(counts: Counts) -> Counts:
    """Before anything is sent: that a number is a landline is known when its message is made."""
    known = Counter(counts)
    known["sms", "sent", None] += known.pop(("sms", "skipped", "landline"), 0)
    return known


ORDERS = [("email", "sms", "push"), ("push", "sms", "email"), ("sms", "push", "email")]


@pytest.mark.parametrize("policy", ChannelPolicy)
async def test_whoever_is_reached_on_a_channel_is_what_a_count_of_the_mix_says(
    database: PostgresDatabase, policy: ChannelPolicy
) -> None:
    people = crowd(1500, seed=20)
    made = await on_three_channels(database, people)
    for order in ORDERS:
        await change(made, CampaignDraft(channel_policy=policy, channel_order=order))
        async with database.transaction() as tx:
            seen = await activation.activate(tx, account_id=made.account_id, campaign_id=made.campaign_id, links=LINKS)
        started = await made.started()
        said = without_landlines(expected(people, order, first_available=policy is ChannelPolicy.FIRST_AVAILABLE))
        assert await frozen(made) == said
        assert (seen.audience.selected, seen.audience.eligible) == (1500, started.instances_created)
        for channel in order:
            parts = [part for part in seen.audience.parts if part.channel == channel]
            assert sum(part.selected for part in parts) == sum(n for key, n in said.items() if key[0] == channel)
            assert sum(part.eligible for part in parts) == said[channel, "sent", None]
        async with database.transaction() as tx:
            await tx.connection.execute("UPDATE campaign SET state = 'draft' WHERE id = $1", made.campaign_id)
