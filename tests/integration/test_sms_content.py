"""Text messages on a real database: whose country a number is read in, and what a sample of an audience tells."""

from __future__ import annotations

import msgspec
from tests.support.people import all_contacts, imported, new_account, rejections, save
from tests.support.scene import LINKS
from tests.support.text_messages import plan_of, sender

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import campaigns, groups
from clarion.application.account_settings import AccountDraft, update_account
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.sms_estimate import SegmentCounts, SmsEstimate, estimate_sms
from clarion.domain.campaign import Category
from clarion.domain.contact import Identity
from clarion.domain.contact_import import ImportFormat
from clarion.domain.content import SmsContent
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason
from clarion.rendering.sms_encoding import Encoding

TEXT = "Hello {{ contact.firstName }} {{ contact.attributes.city }}, " + "x" * 100


async def test_numbers_are_read_as_the_accounts_country_dials_them(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    async with database.transaction() as tx:
        await update_account(tx, account_id=account_id, draft=AccountDraft(country="DE"))
    saved = await save(database, account_id, phone="0151 23456781", identities=[("tel", "(0151) 23456780")])
    assert saved.phone == "+4915123456781"
    assert saved.identities == (Identity("phone", "+4915123456780"),)
    assert (await save(database, account_id, phone="+49 (0)151 23456781", first_name="Ada")).id == saved.id
    assert (await save(database, account_id, phone="+1 202 555 0123")).phone == "+12025550123"
    rows = b"phone,first name\n0151-23456782,Bea\n+33 6 12 34 56 78,Cleo\n12,Nobody\n"
    done = await imported(database, account_id, rows)
    lines = b"\n".join(msgspec.json.encode({"phone": number}) for number in ("0151 23456783", "0049 151 23456781"))
    await imported(database, account_id, lines, format_=ImportFormat.NDJSON)
    people = await all_contacts(database, account_id)
    assert sorted(person.phone or "" for person in people) == [
        "+12025550123", "+33612345678", "+4915123456781", "+4915123456782", "+4915123456783",
    ]  # fmt: skip
    assert [refused.field for refused in await rejections(database, account_id, done.id)] == ["phone"]


async def _told(database: PostgresDatabase, account_id: Id) -> SmsEstimate:
    async with database.transaction() as tx:
        campaign = await campaigns.create_campaign(
            tx,
            account_id=account_id,
            draft=CampaignDraft(
                name="Texts", category=Category.MARKETING, sms=SmsContent(text=TEXT), groups=["Everyone"]
            ),
            links=LINKS,
        )
        return await estimate_sms(
            tx, account_id=account_id, campaign=campaign, rules=[], plan=plan_of(TEXT), sender=sender(None),
            recipients=600,
        )  # fmt: skip


async def test_an_estimate_is_made_of_a_sample_of_those_who_may_get_a_message(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    rows = [f"p{number},+4915123{number:06},Ada,{'Köln' if number % 4 else 'Łódź'}" for number in range(560)]
    rows += ["a,+4930123456,Lan,Line", "b,,No,Number"]
    body = "\n".join(["external id,phone,first name,city", *rows]).encode()
    await imported(database, account_id, body, group="Everyone")
    refused = await save(database, account_id, phone="+33612345678", consent_sms=False, first_name="Cleo")
    async with database.transaction() as tx:
        group = (await groups.list_groups(tx, account_id=account_id, after=None, limit=1))[0]
        await groups.add_members(tx, account_id=account_id, group_id=group.id, contact_ids=[refused.id])
    first = await _told(database, account_id)
    assert first == await _told(database, account_id)
    assert first.sampled == 500
    assert {share.country for share in first.countries} == {"DE"}
    assert 0.15 < first.encodings[Encoding.UCS2] / 500 < 0.35
    assert first.segments == SegmentCounts(1, 1, 2)
    assert first.total == round((first.encodings[Encoding.GSM] + 2 * first.encodings[Encoding.UCS2]) * 600 / 500)
    assert set(first.skipped) <= {Reason.LANDLINE}
