"""Adobe's calls that come again: the same request id, in the body or the header, sends one message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.integration.http.dialects.ajo_scene import Adobe, adobe, aep

from clarion.bootstrap import App
from clarion.domain.ids import Id

ADA = "ada@lovelace.example"


@pytest.fixture
async def ajo(app: App, base_url: str) -> AsyncIterator[Adobe]:
    async with adobe(app, base_url) as made:
        yield made


async def test_the_same_request_id_and_body_are_answered_as_the_first_time(ajo: Adobe) -> None:
    campaign = await ajo.campaign()
    await ajo.profile(ADA)
    body = ajo.unitary(campaign, aep(ADA))
    answers = await asyncio.gather(*(ajo.accepted("unitary", body) for _ in range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert await _sent(ajo, campaign.id) == 1


async def test_the_same_request_id_with_another_body_is_refused(ajo: Adobe) -> None:
    campaign = await ajo.campaign()
    await ajo.profile(ADA)
    await ajo.accepted("unitary", ajo.unitary(campaign, aep(ADA), requestId="mine"))
    again = ajo.unitary(campaign, aep(ADA, context={"a": "b"}), requestId="mine")
    error = await ajo.refused("unitary", again, 409)
    assert "requestId" in error["title"]
    assert await _sent(ajo, campaign.id) == 1


async def test_a_request_id_belongs_to_its_campaign(ajo: Adobe) -> None:
    await ajo.profile(ADA)
    for _ in range(2):
        await ajo.accepted("unitary", ajo.unitary(await ajo.campaign(), aep(ADA), requestId="mine"))


async def test_the_same_x_request_id_executes_once(ajo: Adobe) -> None:
    campaign = await ajo.campaign()
    await ajo.profile(ADA)
    header = {"x-request-id": "gateway-1"}
    first = await ajo.accepted("unitary", ajo.unitary(campaign, aep(ADA)), headers=header)
    second = await ajo.accepted("unitary", ajo.unitary(campaign, aep(ADA)), headers=header)
    assert second == first
    assert await _sent(ajo, campaign.id) == 1
    await ajo.refused("unitary", ajo.unitary(campaign, aep(ADA)), headers={"x-request-id": "x" * 300})


async def test_a_refused_call_may_come_again_with_its_ids(ajo: Adobe) -> None:
    campaign = await ajo.campaign()
    body, header = ajo.unitary(campaign, aep(ADA)), {"x-request-id": "gateway-2"}
    await ajo.refused("unitary", body, 404, headers=header)
    await ajo.profile(ADA)
    await ajo.accepted("unitary", body, headers=header)


async def _sent(ajo: Adobe, campaign_id: Id) -> int:
    async with ajo.app.database.reading() as tx:
        count = await tx.connection.fetchval(
            "SELECT count(*) FROM delivery AS d JOIN run AS r ON r.id = d.run_id WHERE r.campaign_id = $1", campaign_id
        )
    return int(count)
