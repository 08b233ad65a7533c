"""Adobe's calls for an audience: at once, at a time, taken back; and where such an execution stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.integration.http.dialects.ajo_scene import NOWHERE, Adobe, adobe, at_work
from tests.support.patience import PATIENCE_S
from tests.support.sink import Sink
from tests.support.stage import until

from clarion.bootstrap import App
from clarion.domain.campaign import Campaign, CampaignKind, Category
from clarion.domain.ids import as_uuid
from clarion.domain.suppression import SuppressionReason

ADA, BEN, CAT, DAN = (f"{name}@lovelace.example" for name in ("ada", "ben", "cat", "dan"))
LATER = timedelta(hours=1)


@pytest.fixture
async def ajo(app: App, base_url: str) -> AsyncIterator[Adobe]:
    async with adobe(app, base_url) as made:
        yield made


async def marketing(ajo: Adobe, *emails: str, **draft: Any) -> Campaign:
    """A live marketing campaign whose audience are these people."""
    group = await ajo.group(f"group {ajo.requests}", *[await ajo.profile(email) for email in emails])
    return await ajo.campaign(category=Category.MARKETING, groups=[group.hex()], **draft)


async def native(ajo: Adobe, path: str) -> list[dict[str, Any]]:
    """What a list of the native API holds."""
    headers = {"Authorization": f"Bearer {ajo.key_text}"}
    async with httpx.AsyncClient(base_url=ajo.http.base_url, headers=headers, timeout=PATIENCE_S) as http:
        answer = await http.get(f"/v1/accounts/{ajo.account.id.hex()}{path}")
    found: list[dict[str, Any]] = answer.json()["data"]["items"]
    return found


def moment(offset: timedelta = LATER) -> str:
    return (datetime.now(UTC) + offset).isoformat()


async def test_an_audience_needs_no_more_than_the_campaign(ajo: Adobe) -> None:
    campaign = await marketing(ajo, ADA)
    answer = await ajo.accepted("audience", {"campaignId": as_uuid(campaign.id)})
    assert answer["executionId"].startswith("CMA-")
    status = (await ajo.get(f"audience/{answer['executionId']}")).json()
    assert (status["executionId"], status["status"]) == (answer["executionId"], "InProgress")
    assert (status["campaignId"], status["targetedProfileCount"]) == (as_uuid(campaign.id), 1)
    assert (await ajo.get(f"unitary/{answer['executionId'].replace('CMA', 'UMA')}")).status_code == 404


async def test_an_audience_is_written_to_with_the_context_of_the_call(ajo: Adobe, app: App) -> None:
    async with Sink() as sink, at_work(app):
        campaign = await marketing(
            ajo, ADA, BEN, CAT, DAN, port=sink.port, html="<p>{{profile.personalEmail.address}} {{context.code}}</p>"
        )
        await ajo.suppress(CAT, SuppressionReason.UNSUBSCRIBED)
        await ajo.profile(DAN, consent_email=False)
        body = {"campaignId": campaign.id.hex(), "requestId": "spring", "context": {"code": 12}}
        answer = await ajo.accepted("audience", body)
        await sink.wait_accepted(2)

        async def has_succeeded() -> bool:
            return bool((await ajo.get(f"audience/{answer['executionId']}")).json()["status"] == "Succeeded")

        await until(has_succeeded)
        status = (await ajo.get(f"audience/{answer['executionId']}")).json()
        assert status["targetedProfileCount"] == 4
        (run,) = await native(ajo, "/runs")
        made = await native(ajo, f"/runs/{run['id']}/deliveries")
    assert {one["address"]: one["reason"] for one in made if one["state"] == "skipped"} == {
        CAT: "unsubscribed", DAN: "no_consent",
    }  # fmt: skip
    assert sorted(sink.recipients()) == [ADA, BEN]
    assert all(b" 12</p>" in letter.data for letter in sink.accepted)


async def test_another_audience_may_be_named(ajo: Adobe) -> None:
    campaign = await marketing(ajo, ADA)
    other = await ajo.group("others", await ajo.profile(BEN), await ajo.profile(CAT))
    for name in (other.hex(), as_uuid(other)):
        body = {"campaignId": as_uuid(campaign.id), "audience": {"id": name}}
        answer = await ajo.accepted("audience", body)
        status = (await ajo.get(f"audience/{answer['executionId']}")).json()
        assert (status["audienceId"], status["targetedProfileCount"]) == (as_uuid(other), 2)
    for nobody in (NOWHERE, "nothing"):
        error = await ajo.refused("audience", body | {"audience": {"id": nobody}})
        assert "audience.id" in error["report"]["additionalContext"]["errors"]


async def test_an_audience_is_only_of_a_live_marketing_campaign_that_takes_calls(ajo: Adobe) -> None:
    group = await ajo.group("everyone", await ajo.profile(ADA))
    marketing_draft: dict[str, Any] = {"category": Category.MARKETING, "groups": [group.hex()]}
    transactional = await ajo.campaign(groups=[group.hex()])
    broadcast = await ajo.campaign(is_live=False, kind=CampaignKind.BROADCAST, **marketing_draft)
    draft = await ajo.campaign(is_live=False, **marketing_draft)
    stopped = await ajo.campaign(**marketing_draft)
    nobody = await ajo.campaign(category=Category.MARKETING)
    await ajo.stop(stopped)
    for campaign in (transactional, broadcast, draft, stopped, nobody):
        await ajo.refused("audience", {"campaignId": campaign.id.hex()})
    error = await ajo.refused("audience", {"campaignId": NOWHERE}, 404)
    assert "Cannot find the Campaign" in error["title"]


@pytest.mark.parametrize(
    "changes",
    [
        {"campaignId": None},
        {"campaignId": 5},
        {"requestId": "a\0b"},
        {"requestId": ""},
        {"audience": "x"},
        {"audience": {}},
        {"audience": {"id": 5}},
        {"context": {"system": {}}},
        {"context": {"a": "x" * 210_000}},
        {"context": {"a": "\0"}},
        {"schedule": {"executeAt": "soon"}},
        {"schedule": {"executeAt": "2030-01-01T00:00:00"}},
        {"schedule": {"executeAt": "0001-01-01T00:00:00+14:00"}},
        {"schedule": {"executeAt": moment(-LATER)}},
        {"schedule": {"executeAt": moment(3 * LATER)}},
    ],
)
async def test_a_body_that_breaks_a_rule_is_refused(ajo: Adobe, changes: dict[str, Any]) -> None:
    campaign = await marketing(ajo, ADA, end_at=datetime.now(UTC) + 2 * LATER)
    await ajo.refused("audience", {"campaignId": as_uuid(campaign.id)} | changes)


async def test_the_same_request_id_starts_an_audience_once(ajo: Adobe) -> None:
    campaign = await marketing(ajo, ADA)
    body = {"campaignId": as_uuid(campaign.id), "requestId": "once"}
    answers = await asyncio.gather(*(ajo.accepted("audience", body) for _ in range(4)))
    assert all(answer == answers[0] for answer in answers)
    await ajo.refused("audience", body | {"context": {"a": "b"}}, 409)
    header = {"x-request-id": "gateway-1"}
    again = [await ajo.accepted("audience", {"campaignId": campaign.id.hex()}, headers=header) for _ in range(2)]
    assert again[0] == again[1] != answers[0]


async def test_a_scheduled_audience_waits_for_its_time(ajo: Adobe, app: App) -> None:
    async with Sink() as sink, at_work(app):
        campaign = await marketing(ajo, ADA, port=sink.port)
        body = {"campaignId": as_uuid(campaign.id), "schedule": {"executeAt": moment()}}
        answer = await ajo.accepted("audience", body)
        assert (answer["scheduleStatus"], answer["campaignId"]) == ("Scheduled", as_uuid(campaign.id))
        assert "executionDetails" not in answer
        path = f"schedules/{answer['scheduleId']}"
        assert (await ajo.get(path)).json() == answer
        await ajo.execute("UPDATE execution SET execute_at = now() WHERE campaign_id = $1", campaign.id)

        async def has_triggered() -> bool:
            return bool((await ajo.get(path)).json()["scheduleStatus"] == "Triggered")

        await until(has_triggered)
        await sink.wait_accepted(1)
        details = (await ajo.get(path)).json()["executionDetails"]
    assert details["executionId"].startswith("CMA-")
    assert (await ajo.get(f"audience/{details['executionId']}")).status_code == 200
    assert (await ajo.delete(path)).status_code == 400


async def test_a_schedule_is_taken_back_before_its_time(ajo: Adobe) -> None:
    campaign = await marketing(ajo, ADA)
    body = {"campaignId": as_uuid(campaign.id), "schedule": {"executeAt": moment()}}
    path = f"schedules/{(await ajo.accepted('audience', body))['scheduleId']}"
    taken = await ajo.delete(path)
    assert (taken.status_code, taken.json()) == (200, {})
    assert (await ajo.get(path)).status_code == (await ajo.delete(path)).status_code == 404


@pytest.mark.parametrize(
    "place", ["audience/CMA-1", "audience/UMA-1", "audience/x", f"schedules/{NOWHERE}", "schedules/x"]
)
async def test_what_is_not_there_is_not_found(ajo: Adobe, place: str) -> None:
    answer = await ajo.get(place)
    assert (answer.status_code, answer.json()["status"]) == (404, 404)


async def test_an_audience_of_another_account_is_not_found(ajo: Adobe, app: App, base_url: str) -> None:
    campaign = await marketing(ajo, ADA)
    at_once = await ajo.accepted("audience", {"campaignId": as_uuid(campaign.id)})
    body = {"campaignId": as_uuid(campaign.id), "schedule": {"executeAt": moment()}}
    schedule = (await ajo.accepted("audience", body))["scheduleId"]
    async with adobe(app, base_url) as other:
        assert (await other.get(f"audience/{at_once['executionId']}")).status_code == 404
        assert (await other.get(f"schedules/{schedule}")).status_code == 404
        assert (await other.delete(f"schedules/{schedule}")).status_code == 404
    assert (await ajo.get(f"schedules/{schedule}")).status_code == 200
