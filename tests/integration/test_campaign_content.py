"""What a campaign may hold: content of every channel, what is refused with its place, and its number."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support import stage
from tests.support.scene import LINKS
from tests.support.stage import Stage

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import activation, campaigns
from clarion.application.campaign_draft import CampaignDraft
from clarion.domain.campaign import Campaign, CampaignKind, Category
from clarion.domain.content import EmailContent, PushContent, SmsContent
from clarion.domain.errors import Conflict, Invalid, NotFound
from clarion.domain.ids import new_id

CONTEXT_ONLY = EmailContent(subject="Code {{ context.code }}", html="<p>{{ context.code }}</p>")


async def change(made: Stage, **fields: Any) -> Campaign:
    async with made.database.transaction() as tx:
        return await campaigns.update_campaign(
            tx, account_id=made.account_id, campaign_id=made.campaign_id, draft=CampaignDraft(**fields), links=LINKS
        )


async def test_content_of_every_channel_is_one_revision_and_is_copied(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["a@x.example"])
    sms, push = SmsContent(text="Hi {{ contact.firstName }}"), PushContent(body="Hi", title="T", extras={"a": [1]})
    both = await change(made, sms=sms, push=push, channel_order=("push", "email"), timezone="Europe/Berlin")
    assert (both.sms, both.push, both.email) == (sms, push, stage.EMAIL)
    same = await change(made, name="Other", extras={"x": {"y": 1}})
    assert same.revision_id == both.revision_id
    alone = await change(made, email=None)
    assert alone.revision_id not in {None, both.revision_id}
    async with database.transaction() as tx:
        copy = await campaigns.duplicate_campaign(tx, account_id=made.account_id, campaign_id=made.campaign_id)
    assert (copy.sms, copy.push, copy.channel_order) == (sms, push, ("push", "email"))
    assert (copy.timezone, copy.extras) == ("Europe/Berlin", {"x": {"y": 1}})
    assert copy.number > both.number > 0
    assert (await change(made, sms=None, push=None)).revision_id is None


async def test_what_only_unconnected_channels_would_say_is_not_started(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["a@x.example"])
    await change(made, sms=SmsContent(text="Hi"))
    async with database.transaction() as tx:
        seen = await activation.activate(tx, account_id=made.account_id, campaign_id=made.campaign_id, links=LINKS)
    assert any("sms" in warning for warning in seen.warnings)
    await change(made, email=None)
    with pytest.raises(Conflict) as start:
        await made.started()
    with pytest.raises(Conflict) as check:
        async with database.transaction() as tx:
            await activation.activate(tx, account_id=made.account_id, campaign_id=made.campaign_id, links=LINKS)
    assert {start.value.code, check.value.code} == {"CHANNEL_NOT_CONNECTED"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"sms": SmsContent(text="")}, "message.sms.text"),
        ({"sms": SmsContent(text="{{ contact.")}, "message.sms.text"),
        ({"sms": SmsContent(text="{% include 'x' %}")}, "message.sms.text"),
        ({"sms": SmsContent(text="x" * 4097)}, "message.sms.text"),
        ({"sms": SmsContent(text="a\0b")}, "message.sms.text"),
        ({"sms": SmsContent(text="\ud800")}, "message.sms.text"),
        ({"push": PushContent(body="")}, "message.push.body"),
        ({"push": PushContent(body="ok", title="{% if %}")}, "message.push.title"),
        ({"push": PushContent(body="ok", action_url="no url")}, "message.push.actionUrl"),
        ({"push": PushContent(body="ok", image_url="https://x.example/\0")}, "message.push.imageUrl"),
        ({"push": PushContent(body="ok", extras={"a": "\0"})}, "message.push.extras"),
        ({"push": PushContent(body="ok", extras={"a": "x" * 300_000})}, "message.push.extras"),
        ({"extras": {"a": "\ud800"}}, "extras"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"channel_order": ("email", "email")}, "channelOrder"),
        ({"channel_order": ("fax",)}, "channelOrder"),
        ({"name": "nul\0"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"description": "nul\0"}, "description"),
        ({"groups": ["nul\0"]}, "audience.groups[0]"),
        ({"segments": ["\ud800"]}, "audience.segments[0]"),
        ({"creates_contacts": True}, "createsContacts"),
        ({"high_throughput": True}, "highThroughput"),
        ({"kind": CampaignKind.TRIGGERED, "high_throughput": True}, "highThroughput"),
    ],
    ids=repr,
)
async def test_what_cannot_be_kept_is_refused_with_its_place(
    database: PostgresDatabase, fields: dict[str, Any], field: str
) -> None:
    made = await stage.build(database, ["a@x.example"])
    before = await made.campaign()
    with pytest.raises(Invalid) as refused:
        await change(made, **fields)
    assert field in [problem.field for problem in refused.value.problems]
    assert await made.campaign() == before


async def test_a_message_for_people_nobody_looks_up_uses_nothing_of_a_contact(database: PostgresDatabase) -> None:
    made = await stage.build(database, [], category=Category.TRANSACTIONAL)
    with pytest.raises(Invalid) as refused:
        await change(made, kind=CampaignKind.TRIGGERED, high_throughput=True)
    assert [(p.field, p.rule) for p in refused.value.problems] == [("message.email", "contextOnly")]
    changed = await change(made, kind=CampaignKind.TRIGGERED, high_throughput=True, email=CONTEXT_ONLY)
    assert changed.high_throughput
    for said in ({"sms": SmsContent(text="{{ contact.phone }}")}, {"push": PushContent(body="{{ contact.phone }}")}):
        with pytest.raises(Invalid) as refused:
            await change(made, **said)
        assert [problem.rule for problem in refused.value.problems] == ["contextOnly"]
    with pytest.raises(Invalid):
        await change(made, email=stage.EMAIL)


async def test_a_name_that_nothing_has_is_warned_of_once_and_one_of_the_context_never(
    database: PostgresDatabase,
) -> None:
    made = await stage.build(database, ["a@x.example"])
    await change(made, email=EmailContent(subject="x", html="<p>{{ contact.nick }}{{ context.code }}</p>"))
    async with database.transaction() as tx:
        seen = await activation.activate(tx, account_id=made.account_id, campaign_id=made.campaign_id, links=LINKS)
    assert sum("contact.nick" in warning for warning in seen.warnings) == 1
    assert not any("context.code" in warning for warning in seen.warnings)
    known = {variable.name: (variable.is_known, variable.missing_for) for variable in seen.forecast.variables}
    assert known == {"contact.nick": (False, 1), "context.code": (True, 0)}


async def test_a_campaign_is_found_by_its_number_by_its_account_alone(database: PostgresDatabase) -> None:
    made = await stage.build(database, [])
    number = (await made.campaign()).number
    async with database.reading() as tx:
        found = await campaigns.find_by_number(tx, account_id=made.account_id, number=number)
        assert found.id == made.campaign_id
        for account_id, asked in (
            (new_id(), number),
            *((made.account_id, wrong) for wrong in (0, -1, number + 1, 2**63 - 1, 2**63, 10**40)),
        ):
            with pytest.raises(NotFound):
                await campaigns.find_by_number(tx, account_id=account_id, number=asked)
