"""A Volt MX campaign's life over HTTP, with a worker that sends to a real sink: who gets what, and who decides when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import pytest
from tests.integration.http.dialects.voltmx_scene import MAIL, Volt, ahead, completed_one, end, recheck, subject, volt
from tests.support.sink import Sink
from tests.support.stage import until
from tests.support.workers import working

from clarion.adapters.postgres.runs import RunStore
from clarion.bootstrap import App
from clarion.domain.access import Permission
from clarion.settings import Settings

STARTED = "Campaign execution intiated successfully. "


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with Sink() as sink:
        yield sink


@pytest.fixture
async def scene(app: App, base_url: str, sink: Sink) -> AsyncIterator[Volt]:
    async with volt(app, base_url, port=sink.port) as scene:
        await scene.person("ada@x.example", first_name="Ada", last_name="Lovelace")
        yield scene


@pytest.fixture
async def worker(app: App, api_settings: Settings) -> AsyncIterator[None]:
    assert api_settings.database_url
    async with working(app.database, api_settings.database_url.reveal()):
        yield


async def reads(scene: Volt, campaign: str, status: str) -> None:
    """Waits until the campaign is in a state."""

    async def is_so() -> bool:
        return await scene.status(campaign) == status

    await until(is_so)


async def counts(scene: Volt, campaign: str, mails: int) -> None:
    """Waits until the campaign shows so many mails: the relay has one before it is written down that it was sent."""

    async def is_so() -> bool:
        return bool((await scene.get(f"campaigns/{campaign}"))["campaignMails"][0]["mailsSent"] == mails)

    await until(is_so)


async def test_r1_a_start_moves_the_start_date_to_now_and_keeps_the_end(scene: Volt) -> None:
    campaign = await scene.made()
    before = await scene.get(f"campaigns/{campaign}")
    assert await scene.done(f"campaigns/{campaign}/start") == {"id": campaign, "message": STARTED}
    seen = await scene.get(f"campaigns/{campaign}")
    assert (seen["status"], seen["endDateStr"]) == ("Running", before["endDateStr"])
    started = datetime.strptime(seen["startDateStr"], "%m/%d/%Y %I:%M:%S %p").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - started).total_seconds()) < 60


@pytest.mark.parametrize("content", [b"", b"{}", b"not json"])
async def test_r2_a_start_needs_no_body_and_reads_none(scene: Volt, content: bytes) -> None:
    campaign = await scene.made()
    headers = {"Content-Type": "application/json;charset=UTF-8"}
    response = await scene.http.post(f"/api/v1/campaigns/{campaign}/start", content=content, headers=headers)
    assert response.status_code == 200
    assert response.text == f'{{"id":"{campaign}","message":"{STARTED}"}}'


async def test_r3_nobody_starts_without_good_credentials(scene: Volt) -> None:
    campaign = await scene.made()
    for headers in ({}, {"Authorization": "Basic AAAA"}, {"X-VoltMX-Authorization": "clarion_t_x"}):
        scene.http.headers.pop("Authorization", None)
        response = await scene.post(f"campaigns/{campaign}/start", headers=headers)
        assert response.status_code == 401
        assert response.json() == {"id": campaign, "message": "Unauthorized request"}
    assert await scene.runs() == 0


async def test_r4_a_key_that_may_not_execute_is_unauthorized(scene: Volt) -> None:
    campaign = await scene.made()
    async with await scene.key_with(Permission.CAMPAIGNS_READ, Permission.CAMPAIGNS_WRITE) as narrow:
        for verb in ("start", "pause", "resume", "terminate"):
            assert (await narrow.post(f"/api/v1/campaigns/{campaign}/{verb}")).status_code == 401
    assert await scene.status(campaign) == "Pending"
    assert await scene.runs() == 0


async def test_r7_of_twenty_starts_at_once_one_succeeds(scene: Volt) -> None:
    campaign = await scene.made()
    answers = await asyncio.gather(*(scene.post(f"campaigns/{campaign}/start") for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200, *[400] * 19]
    assert await scene.runs() == 1
    assert await scene.refused(f"campaigns/{campaign}/start") == "Campaign is already running"


async def test_r8_only_what_is_pending_can_be_started(scene: Volt) -> None:
    draft = await scene.made(campaignMails=[])
    assert await scene.refused(f"campaigns/{draft}/start")
    assert await scene.status(draft) == "Draft"
    campaign = await scene.made()
    await scene.done(f"campaigns/{campaign}/start")
    await scene.done(f"campaigns/{campaign}/pause")
    assert "resume" in await scene.refused(f"campaigns/{campaign}/start")
    await scene.done(f"campaigns/{campaign}/terminate")
    assert "restart" in await scene.refused(f"campaigns/{campaign}/start")
    assert await scene.runs() == 1
    completed = await completed_one(scene)
    assert "restart" in await scene.refused(f"campaigns/{completed}/start")
    assert (await scene.status(completed), await scene.runs()) == ("Completed", 2)


async def test_r9_a_campaign_whose_end_has_passed_is_not_started(scene: Volt) -> None:
    campaign = await scene.made()
    await scene.execute("UPDATE campaign SET end_at = now() - interval '1 s' WHERE number = $1", int(campaign))
    assert await scene.refused(f"campaigns/{campaign}/start")
    assert await scene.runs() == 0


@pytest.mark.usefixtures("worker")
async def test_r13_a_campaign_begins_and_ends_by_its_dates_without_a_call(scene: Volt, sink: Sink) -> None:
    campaign = await scene.made()
    await scene.execute("UPDATE campaign SET start_at = now() WHERE number = $1", int(campaign))
    await reads(scene, campaign, "Running")
    await sink.wait_accepted(1)
    assert await scene.status(campaign) == "Running"
    await end(scene, campaign)
    await reads(scene, campaign, "Completed")
    await counts(scene, campaign, 1)
    assert (await scene.get(f"campaigns/{campaign}"))["terminatedDateStr"] == ""


async def test_r14_a_pause_holds_and_a_resume_writes_only_to_the_others(
    scene: Volt, sink: Sink, app: App, api_settings: Settings
) -> None:
    assert api_settings.database_url
    campaign = await scene.made(startDateStr=ahead(minutes=-1))
    async with working(app.database, api_settings.database_url.reveal()):
        await sink.wait_accepted(1)
        paused = await scene.done(f"campaigns/{campaign}/pause")
        assert paused == {"id": campaign, "message": "Campaign execution paused successfully. "}
        seen = await scene.get(f"campaigns/{campaign}")
        assert seen["status"] == "Paused"
        assert (seen["pausedDateStr"] > "", seen["terminatedDateStr"]) == (True, "")
        await scene.person("bob@x.example")
        await recheck(scene, campaign)
        # Another campaign's mails prove that the worker had its turn while this one was paused.
        other = await scene.made(startDateStr=ahead(minutes=-1), campaignMails=[MAIL | {"subject": "The other"}])
        await sink.wait_accepted(3)
        await scene.done(f"campaigns/{other}/terminate")
        assert [subject(one.data) for one in sink.accepted[1:]] == ["The other"] * 2
        assert "running" in await scene.refused(f"campaigns/{campaign}/pause")
        resumed = await scene.done(f"campaigns/{campaign}/resume")
        assert resumed == {"id": campaign, "message": "Campaign execution resumed successfully. "}
        await recheck(scene, campaign)
        await sink.wait_accepted(4)
    assert (subject(sink.accepted[3].data), sink.recipients()[3]) == ("Hello", "bob@x.example")
    assert (await scene.get(f"campaigns/{campaign}"))["pausedDateStr"] == ""
    assert "paused" in await scene.refused(f"campaigns/{campaign}/resume")


@pytest.mark.usefixtures("worker")
async def test_r19_who_comes_to_belong_while_it_runs_is_written_to_once(scene: Volt, sink: Sink) -> None:
    campaign = await scene.made(startDateStr=ahead(minutes=-1))
    await sink.wait_accepted(1)
    await scene.person("new@x.example")
    await recheck(scene, campaign)
    await sink.wait_accepted(2)
    await scene.person("newer@x.example")
    await recheck(scene, campaign)
    await sink.wait_accepted(3)
    assert sorted(sink.recipients()) == ["ada@x.example", "new@x.example", "newer@x.example"]
    await counts(scene, campaign, 3)


@pytest.mark.usefixtures("worker")
async def test_r20_with_priorities_a_user_without_a_device_gets_one_mail(scene: Volt, sink: Sink) -> None:
    order: list[dict[str, Any]] = [{"messageChannel": name} for name in ("PUSH", "Email", "SMS")]
    campaign = await scene.made(
        startDateStr=ahead(minutes=-1),
        campaignMessages=[{"name": "p", "message": "Hi"}],
        campaignSms=[{"name": "s", "smsMessage": "Hi"}],
        campaignChannelPriorities=order,
    )
    await sink.wait_accepted(1)
    await end(scene, campaign)
    await reads(scene, campaign, "Completed")
    (accepted,) = sink.accepted
    letter = message_from_bytes(accepted.data, policy=policy.default)
    assert (letter["Subject"], letter["From"]) == ("Hello Ada", "Stage <stage@clarion.example>")
    body = letter.get_body(("html",))
    assert body is not None
    assert "Dear Ada Lovelace, {{ not ours }}" in body.get_content()


@pytest.mark.parametrize("verb", ["start", "pause"])
async def test_r21_a_failing_store_is_a_500_and_changes_nothing(
    scene: Volt, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = await scene.made(startDateStr=ahead(hours=1 if verb == "start" else -1))
    status, runs = await scene.status(campaign), await scene.runs()

    async def failing(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr(RunStore, "open" if verb == "start" else "move_active", failing)
    response = await scene.post(f"campaigns/{campaign}/{verb}")
    assert response.status_code == 500
    assert response.json() == {"id": campaign, "message": "Server failure to process request"}
    monkeypatch.undo()
    assert (await scene.status(campaign), await scene.runs()) == (status, runs)
    await scene.done(f"campaigns/{campaign}/{verb}")
