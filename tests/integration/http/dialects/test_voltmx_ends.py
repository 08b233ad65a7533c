"""How a Volt MX campaign ends and what follows, over HTTP: terminated, past its end, deleted, restarted."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.integration.http.dialects.voltmx_scene import MAIL, Volt, ahead, completed_one, subject, volt
from tests.support.sink import Sink
from tests.support.workers import working

from clarion.bootstrap import App
from clarion.settings import Settings


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


async def test_a_resume_after_the_end_completes(scene: Volt) -> None:
    assert await scene.status(await completed_one(scene)) == "Completed"


async def test_r15_a_terminated_campaign_sends_no_more(
    scene: Volt, sink: Sink, app: App, api_settings: Settings
) -> None:
    assert api_settings.database_url
    campaign = await scene.made(startDateStr=ahead(minutes=-1))
    answer = await scene.done(f"campaigns/{campaign}/terminate")
    assert answer == {"id": campaign, "message": "Campaign execution stopped successfully. "}
    seen = await scene.get(f"campaigns/{campaign}")
    assert seen["status"] == "Terminated"
    assert seen["terminatedDateStr"]
    other = await scene.made(startDateStr=ahead(minutes=-1), campaignMails=[MAIL | {"subject": "The other"}])
    async with working(app.database, api_settings.database_url.reveal()):
        await sink.wait_accepted(1)
    assert [subject(accepted.data) for accepted in sink.accepted] == ["The other"]
    assert await scene.refused(f"campaigns/{campaign}/terminate")
    assert await scene.status(other) == "Running"


async def test_r15_a_pending_campaign_can_be_terminated(scene: Volt) -> None:
    campaign = await scene.made()
    await scene.done(f"campaigns/{campaign}/terminate")
    assert await scene.status(campaign) == "Terminated"


async def test_r16_only_what_does_not_run_and_has_not_ended_is_deleted(scene: Volt) -> None:
    deleted = "Campaign deleted successfully"
    running = await scene.made(startDateStr=ahead(minutes=-1))
    assert "deleted" in await scene.refused(f"campaigns/{running}/delete")
    paused = await scene.made(startDateStr=ahead(minutes=-1))
    await scene.done(f"campaigns/{paused}/pause")
    for campaign in (await scene.made(campaignMails=[]), await scene.made(), paused):
        assert await scene.done(f"campaigns/{campaign}/delete") == {"id": campaign, "message": deleted}
        assert (await scene.http.get(f"/api/v1/campaigns/{campaign}")).status_code == 400
        assert await scene.refused(f"campaigns/{campaign}/delete")
    await scene.done(f"campaigns/{running}/terminate")
    assert await scene.refused(f"campaigns/{running}/delete")
    assert await scene.refused(f"campaigns/{await completed_one(scene)}/delete")
    assert (await scene.get("campaigns"))["total"] == 2


@pytest.mark.usefixtures("worker")
async def test_r17_an_ended_campaign_runs_again_with_new_dates(scene: Volt, sink: Sink) -> None:
    campaign = await scene.made(startDateStr=ahead(minutes=-1))
    await sink.wait_accepted(1)
    again = f"campaigns/{campaign}/modify?restart=true"
    assert "restarted" in await scene.refused(again, await scene.campaign())
    assert await scene.refused(f"campaigns/{campaign}/modify", await scene.campaign())
    await scene.done(f"campaigns/{campaign}/terminate")
    assert "restart=true" in await scene.refused(f"campaigns/{campaign}/modify", await scene.campaign())
    answer = await scene.done(again, await scene.campaign())
    assert answer == {"message": "Details updated successfully", "id": campaign}
    seen = await scene.get(f"campaigns/{campaign}")
    assert (seen["status"], seen["terminatedDateStr"]) == ("Pending", "")
    await scene.done(f"campaigns/{campaign}/start")
    await sink.wait_accepted(2)
    assert await scene.runs() == 2


async def test_r17_a_restart_with_a_time_that_has_come_runs_at_once(scene: Volt) -> None:
    for campaign in (await scene.made(), await completed_one(scene)):
        if await scene.status(campaign) == "Pending":
            restart = f"campaigns/{campaign}/modify?restart=true"
            assert "restarted" in await scene.refused(restart, await scene.campaign())
            await scene.done(f"campaigns/{campaign}/terminate")
        await runs_again(scene, campaign)


async def runs_again(scene: Volt, campaign: str) -> None:
    """Restarts what is over with a start that has come."""
    await scene.done(f"campaigns/{campaign}/modify?restart=true", await scene.campaign(startDateStr=ahead(minutes=-1)))
    assert await scene.status(campaign) == "Running"
