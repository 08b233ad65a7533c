"""Volt MX's campaigns as its callers make and read them: every field, every refusal, every state they begin in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.integration.http.dialects.voltmx_scene import MAIL, Volt, ahead, volt, wall

from clarion.application.account_settings import AccountDraft, update_account
from clarion.bootstrap import App

FIELDS = {
    "id", "name", "campaignType", "zone", "startDateStr", "endDateStr", "terminatedDateStr", "pausedDateStr",
    "lastModifiedBy", "lastModifiedDateStr", "createdBy", "createdDateStr", "campaignSegments", "campaignMessages",
    "campaignMails", "campaignSms", "campaignVoiceSms", "campaignPasses", "campaignChannelPriorities", "status",
}  # fmt: skip


@pytest.fixture
async def scene(app: App, base_url: str) -> AsyncIterator[Volt]:
    async with volt(app, base_url) as scene:
        yield scene


async def test_r10_a_campaign_that_begins_later_is_pending_and_shown_as_it_was_said(scene: Volt) -> None:
    body = await scene.campaign()
    answer = await scene.done("campaigns", body)
    assert answer == {"message": "Details added successfully", "id": answer["id"]}
    assert isinstance(answer["id"], str)
    seen = await scene.get(f"campaigns/{answer['id']}")
    assert set(seen) == FIELDS
    assert (seen["id"], seen["status"]) == (int(answer["id"]), "Pending")
    assert (seen["terminatedDateStr"], seen["pausedDateStr"], seen["campaignType"]) == ("", "", "")
    assert (seen["startDateStr"], seen["endDateStr"]) == (body["startDateStr"], body["endDateStr"])
    assert seen["campaignMails"] == [MAIL | {"mailsSent": 0, "mailsOpened": 0}]
    assert seen["campaignMessages"] == seen["campaignSms"] == seen["campaignVoiceSms"] == seen["campaignPasses"] == []
    assert [item["segment"]["name"] for item in seen["campaignSegments"]] == ["All Users"]
    assert seen["createdBy"] == seen["lastModifiedBy"] == "ada@lovelace.example"
    assert seen["createdDateStr"].endswith(" UTC")


async def test_r11_a_campaign_whose_time_has_come_runs_without_a_start(scene: Volt) -> None:
    started = ahead(minutes=-5)
    campaign = await scene.made(startDateStr=started)
    seen = await scene.get(f"campaigns/{campaign}")
    assert (seen["status"], seen["startDateStr"]) == ("Running", started)
    assert await scene.runs() == 1


async def test_a_campaign_without_a_message_is_a_draft_and_becomes_pending_with_one(scene: Volt) -> None:
    campaign = await scene.made(campaignMails=[], campaignSegments=...)
    assert await scene.status(campaign) == "Draft"
    answer = await scene.done(f"campaigns/{campaign}/modify", await scene.campaign(name="Summer letter"))
    assert answer == {"message": "Details updated successfully", "id": campaign}
    seen = await scene.get(f"campaigns/{campaign}")
    assert (seen["status"], seen["name"]) == ("Pending", "Summer letter")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": ...}, "name is missing"),
        ({"name": "  "}, "name is missing"),
        ({"name": 7}, "name must be text"),
        ({"name": "x" * 256}, "name must have at most 255 characters"),
        ({"startDateStr": ...}, "startDateStr is missing"),
        ({"endDateStr": ...}, "endDateStr is missing"),
        ({"startDateStr": "2027-03-20T09:00:00Z"}, "startDateStr must be in the format MM/dd/yyyy hh:mm:ss aa"),
        ({"startDateStr": "02/30/2027 09:00:00 AM"}, "startDateStr must be in the format"),
        ({"endDateStr": "03/20/2027 13:00:00 PM"}, "endDateStr must be in the format"),
        ({"endDateStr": "03/20/2027"}, "endDateStr must be in the format"),
        ({"startDateStr": "01/01/9999 01:00:00 AM", "zone": "GMT-14:00"}, "endDateStr is before startDateStr"),
        ({"endDateStr": "01/01/2001 01:00:00 AM"}, "endDateStr is before startDateStr"),
        ({"startDateStr": "01/01/2001 01:00:00 AM", "endDateStr": "01/02/2001 01:00:00 AM"}, "endDateStr"),
        ({"zone": "Mars/Olympus"}, "zone must be such as"),
        ({"zone": "GMT+25:00"}, "zone must be such as"),
        ({"campaignSegments": [{"segment": {"id": 9_000_000}}]}, "campaignSegments[0].segment is not a segment"),
        ({"campaignSegments": [{"segment": {"id": "abc"}}]}, "campaignSegments[0].segment is not a segment"),
        ({"campaignSegments": [{"segment": None}]}, "campaignSegments[0].segment is not a segment"),
        ({"campaignSegments": [{"segment": {"name": "Nobody"}}]}, "campaignSegments[0].segment is not a segment"),
        ({"campaignSegments": []}, "campaignSegments is missing"),
        ({"campaignSegments": "x"}, "campaignSegments must be a list of objects"),
        ({"campaignType": "Newsletter"}, "campaignType is not a campaign type"),
        ({"campaignMessages": [{"message": "x", "application": {"appId": "404"}}]}, "is not the id of an application"),
        ({"campaignMails": [MAIL | {"content": None}]}, "campaignMails[0].content is missing"),
        ({"campaignMails": [MAIL | {"content": {"name": "value"}}]}, "campaignMails[0].content must be text"),
        ({"campaignMails": [MAIL | {"subject": ""}]}, "campaignMails[0].subject is missing"),
        ({"campaignMails": [MAIL | {"senderEmail": "nobody"}]}, "campaignMails[0].senderEmail"),
        ({"campaignMails": [MAIL | {"senderName": "x\r\nBcc: y@z.example"}]}, "campaignMails[0].senderName"),
        ({"campaignMails": [MAIL, MAIL]}, "campaignMails must have at most one mail"),
        ({"campaignMails": [], "campaignSms": [{"smsMessage": "Hi"}]}, "campaignSms is not sent by anything"),
        ({"campaignMails": [], "campaignMessages": [{"message": "Hi"}]}, "campaignMessages is not sent by anything"),
        ({"campaignMails": [], "campaignVoiceSms": [{"smsMessage": "Hi"}]}, "campaignMails is missing"),
        ({"campaignChannelPriorities": [{"messageChannel": "Pigeon"}]}, "must be PUSH, Email, SMS"),
        ({"campaignChannelPriorities": [{"messageChannel": "PUSH"}]}, "must name a channel"),
    ],
)
async def test_r12_what_breaks_a_rule_is_refused_and_nothing_is_stored(
    scene: Volt, changes: dict[str, Any], told: str
) -> None:
    assert told in await scene.refused("campaigns", await scene.campaign(**changes))
    assert (await scene.get("campaigns"))["total"] == 0


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'"x"', b'{"name":"\\u0000"}', b"\xff", b'{"a":1,"a":2}', b"1" * 99, b"[" * 5000]
)
async def test_a_body_that_is_no_campaign_is_refused(scene: Volt, body: bytes) -> None:
    response = await scene.http.post("/api/v1/campaigns", content=body)
    assert response.status_code == 400
    assert response.json()["message"]


async def test_a_modify_of_an_unknown_campaign_is_refused(scene: Volt) -> None:
    assert "No campaign" in await scene.refused("campaigns/9000000/modify", await scene.campaign())


@pytest.mark.parametrize("id_", ["abc", "1.5", "-1", "9223372036854775808", "0", "9000000", "1e3", "%D9%A3", "1" * 300])
async def test_r5_r6_an_id_that_is_none_or_unknown_is_refused_everywhere(scene: Volt, id_: str) -> None:
    for verb in ("start", "pause", "resume", "terminate", "delete", "publish"):
        response = await scene.post(f"campaigns/{id_}/{verb}")
        assert (response.status_code, verb) == (400, verb)
    assert (await scene.http.get(f"/api/v1/campaigns/{id_}")).status_code == 400
    assert (await scene.http.get(f"/api/v1/segments/{id_}")).status_code == 400


async def test_an_error_names_the_id_as_it_was_sent(scene: Volt) -> None:
    response = await scene.post("campaigns/007abc/start")
    assert response.json() == {"id": "007abc", "message": "No campaign is found with this id"}


async def test_a_campaign_of_another_account_is_unknown(scene: Volt, app: App, base_url: str) -> None:
    campaign = await scene.made()
    async with volt(app, base_url) as stranger:
        assert "No campaign" in await stranger.refused(f"campaigns/{campaign}/start")
        assert (await stranger.get("campaigns"))["total"] == 0
    assert await scene.status(campaign) == "Pending"


async def test_r18_a_list_counts_all_and_shows_a_page(scene: Volt) -> None:
    made = [await scene.made(name=f"Letter {number}") for number in range(5)]
    page = await scene.get("campaigns?start=0&pageSize=2")
    assert (page["total"], [one["id"] for one in page["campaigns"]]) == (5, [int(made[0]), int(made[1])])
    last = await scene.get("campaigns?start=4&pageSize=2")
    assert [one["name"] for one in last["campaigns"]] == ["Letter 4"]
    assert await scene.get("campaigns?start=5&pageSize=2") == {"total": 5, "campaigns": []}
    assert len((await scene.get("campaigns"))["campaigns"]) == 5


@pytest.mark.parametrize("query", ["start=-1", "start=x", "pageSize=0", "pageSize=501", "start=99999999999999999999"])
async def test_a_page_that_cannot_be_is_refused(scene: Volt, query: str) -> None:
    assert (await scene.http.get(f"/api/v1/campaigns?{query}")).status_code == 400


@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        ("(GMT+05:30) Chennai, Kolkata, Mumbai", 5.5),
        ("GMT-05:00", -5),
        ("(GMT) Greenwich Mean Time", 0),
        ("Asia/Kolkata", 5.5),
    ],
)
async def test_dates_are_the_wall_clock_of_the_campaigns_zone(scene: Volt, zone: str, hours: float) -> None:
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    said = {"zone": zone, "startDateStr": wall(start + timedelta(hours=hours)), "endDateStr": ahead(days=3)}
    campaign = await scene.made(**said)
    seen = await scene.get(f"campaigns/{campaign}")
    assert {name: seen[name] for name in said} == said
    async with scene.app.database.reading() as tx:
        stored = await tx.connection.fetchval("SELECT start_at FROM campaign WHERE number = $1", int(campaign))
    assert stored == start


async def test_the_server_notes_times_in_the_accounts_zone(scene: Volt) -> None:
    async with scene.app.database.transaction() as tx:
        await update_account(tx, account_id=scene.account.id, draft=AccountDraft(timezone="Asia/Kolkata"))
    campaign = await scene.made(zone=...)
    seen = await scene.get(f"campaigns/{campaign}")
    assert seen["createdDateStr"].endswith(" IST")
    assert seen["zone"] == "GMT+05:30"
    assert seen["startDateStr"] == (await scene.get("campaigns"))["campaigns"][0]["startDateStr"]


async def test_messages_of_channels_that_are_not_sent_are_kept_and_shown(scene: Volt) -> None:
    push = {"name": "p", "message": "Hi ##First Name##", "platformSpecificProps": "", "pushesSent": 5}
    campaign = await scene.made(
        campaignMessages=[push], campaignSms=[{"name": "s", "smsMessage": "Hi", "smsSent": 3}],
        campaignChannelPriorities=[{"messageChannel": "PUSH"}, {"messageChannel": "Email"}, {"messageChannel": "SMS"}],
    )  # fmt: skip
    seen = await scene.get(f"campaigns/{campaign}")
    assert seen["campaignMessages"] == [push | {"subscribers": 0, "pushesSent": 0, "pushesOpened": 0}]
    assert seen["campaignSms"] == [{"name": "s", "smsMessage": "Hi", "smsSent": 0, "smsOpened": 0}]
    assert [one["messageChannel"] for one in seen["campaignChannelPriorities"]] == ["PUSH", "Email", "SMS"]


async def test_a_name_may_have_255_characters(scene: Volt) -> None:
    name = "x" * 255
    assert (await scene.get(f"campaigns/{await scene.made(name=name)}"))["name"] == name


async def test_a_pending_campaign_is_replaced_whole_and_keeps_who_made_it(scene: Volt) -> None:
    campaign = await scene.made()
    moved = ahead(hours=5)
    await scene.done(f"campaigns/{campaign}/modify", await scene.campaign(name="Later", startDateStr=moved))
    seen = await scene.get(f"campaigns/{campaign}")
    assert (seen["name"], seen["startDateStr"], seen["status"]) == ("Later", moved, "Pending")
    assert seen["createdBy"] == "ada@lovelace.example"
    assert "missing" in await scene.refused(f"campaigns/{campaign}/modify", {"name": "Only this"})


async def test_a_modify_to_a_time_that_has_come_starts_the_campaign(scene: Volt) -> None:
    campaign = await scene.made()
    await scene.done(f"campaigns/{campaign}/modify", await scene.campaign(startDateStr=ahead(minutes=-1)))
    assert await scene.status(campaign) == "Running"


async def test_a_campaign_made_elsewhere_is_shown_by_what_it_is(scene: Volt) -> None:
    native = {"name": "Native", "category": "marketing", "message": {"email": {"subject": "Hi", "html": "<p>x</p>"}}}
    headers = {"Authorization": f"Bearer {scene.key_text}"}
    path = f"/v1/accounts/{scene.account.id.hex()}/campaigns"
    assert (await scene.http.post(path, json=native, headers=headers)).status_code == 201
    (seen,) = (await scene.get("campaigns"))["campaigns"]
    assert set(seen) == FIELDS
    assert (seen["name"], seen["status"], seen["startDateStr"]) == ("Native", "Draft", "")
    assert seen["campaignMails"][0]["subject"] == "Hi"


async def test_criteria_are_counted_and_a_publish_changes_nothing(scene: Volt) -> None:
    await scene.person("ada@x.example")
    campaign = await scene.made()
    counted = await scene.get(f"campaigns/{campaign}/validate")
    assert counted == {"id": campaign, "message": "Campaign Criteria is valid. Audience Members Count: 1"}
    published = await scene.done(f"campaigns/{campaign}/publish")
    assert published == {"id": campaign, "message": "Campaign published successfully"}
    assert await scene.status(campaign) == "Pending"


async def test_a_campaign_of_another_kind_is_shown_but_not_replaced(scene: Volt) -> None:
    native = {"name": "Calls", "category": "transactional", "kind": "triggered"}
    headers = {"Authorization": f"Bearer {scene.key_text}"}
    made = await scene.http.post(f"/v1/accounts/{scene.account.id.hex()}/campaigns", json=native, headers=headers)
    assert made.status_code == 201, made.text
    (seen,) = (await scene.get("campaigns"))["campaigns"]
    assert "made elsewhere" in await scene.refused(f"campaigns/{seen['id']}/modify", await scene.campaign())
    assert (await scene.get(f"campaigns/{seen['id']}"))["name"] == "Calls"


async def test_a_body_that_is_too_large_is_refused(scene: Volt) -> None:
    long = "x" * 230_000
    assert "at most 224 kB" in await scene.refused(
        "campaigns", await scene.campaign(campaignMails=[MAIL | {"x": long}])
    )
    assert await scene.refused("campaigns", await scene.campaign(campaignMails=[MAIL | {"x": long * 5}]))
    assert (await scene.get("campaigns"))["total"] == 0


async def test_a_plain_text_mail_and_a_sender_of_no_relay_are_kept_as_they_were_said(scene: Volt) -> None:
    mail = {
        "subject": "Hi",
        "contentType": "text/plain",
        "senderEmail": "ann@other.example",
        "content": "a < b\n##Email##",
    }
    campaign = await scene.made(campaignMails=[mail])
    async with scene.app.database.reading() as tx:
        stored = await tx.connection.fetchval(
            "SELECT m.email FROM campaign AS c JOIN message_revision AS m ON m.id = c.revision_id WHERE c.number = $1",
            int(campaign),
        )
    assert stored["text"] == "a < b\n{{ contact.email }}"
    assert stored["html"] == "a &lt; b<br>\n{{ contact.email }}"
    assert stored["from_"] == "ann@other.example"
    (seen,) = (await scene.get(f"campaigns/{campaign}"))["campaignMails"]
    assert {name: seen[name] for name in mail} == mail
