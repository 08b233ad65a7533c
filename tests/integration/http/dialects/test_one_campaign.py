"""A campaign made in the native API is started through each vendor's own call: twenty at once are one start."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from tests.integration.http.conftest import Caller
from tests.integration.http.dialects.credentials import VENDORS, Credentials, new_key
from tests.support.patience import PATIENCE_S
from tests.support.scene import finished
from tests.support.sink import Sink
from tests.support.workers import working

from clarion.bootstrap import App
from clarion.domain.ids import Id, as_uuid

CALLS: Final = 20
PEOPLE: Final = [f"reader{number}@load.example" for number in range(7)]
EMAIL: Final = {"subject": "News", "html": "<p>Hello</p>"}


@dataclass
class Press:
    """An account with readers, a group and a relay, whose campaigns are made over the native API."""

    app: App
    caller: Caller
    http: httpx.AsyncClient
    sink: Sink
    group: str
    sender: str

    async def campaign(self, **fields: Any) -> dict[str, Any]:
        said = {
            "name": "Spring letter", "category": "marketing", "audience": {"groups": [self.group]},
            "senderId": self.sender, "message": {"email": EMAIL},
        }  # fmt: skip
        made = await self.caller.post("/campaigns", json=said | fields)
        assert made.status_code == 201, made.text
        data: dict[str, Any] = made.json()["data"]
        return data

    async def credentials(self, vendor: str) -> Credentials:
        return await VENDORS[vendor](self.http, await new_key(self.app, self.caller.account.id))

    async def runs(self, campaign: dict[str, Any]) -> list[Id]:
        listed = await self.caller.get("/runs", params={"campaign": campaign["id"]})
        return [Id(bytes.fromhex(run["id"])) for run in listed.json()["data"]["items"]]


@pytest.fixture
async def press(app: App, caller: Caller, base_url: str) -> AsyncIterator[Press]:
    url = app.settings.database_url
    assert url
    async with Sink() as sink, httpx.AsyncClient(base_url=base_url, timeout=PATIENCE_S) as http:
        relay = {
            "name": "Relay", "host": "127.0.0.1", "port": sink.port, "security": "none",
            "fromAddress": "News <news@clarion.example>",
        }  # fmt: skip
        sender = (await caller.post("/senders", json=relay)).json()["data"]["id"]
        group = (await caller.post("/groups", json={"name": "Readers"})).json()["data"]["id"]
        readers = [(await caller.post("/contacts", json={"email": one})).json()["data"]["id"] for one in PEOPLE]
        await caller.post(f"/groups/{group}/members", json={"contacts": readers})
        async with working(app.database, url.reveal()):
            yield Press(app, caller, http, sink, group, sender)


Start = Callable[[], Awaitable[httpx.Response]]


async def _accounts(press: Press) -> tuple[dict[str, Any], Start]:
    campaign = await press.campaign()
    return campaign, lambda: press.caller.post(f"/campaigns/{campaign['id']}/start")


async def _domo(press: Press) -> tuple[dict[str, Any], Start]:
    campaign = await press.campaign()
    token = (await press.credentials("domo")).body
    body = {"campaignId": campaign["number"], "instance": "acme.domo.com", **token}
    return campaign, lambda: press.http.post("/api/v1/campaigns/start", json=body)


async def _voltmx(press: Press) -> tuple[dict[str, Any], Start]:
    campaign = await press.campaign()
    headers = (await press.credentials("voltmx")).headers
    return campaign, lambda: press.http.post(f"/api/v1/campaigns/{campaign['number']}/start", headers=headers)


async def _ajo(press: Press) -> tuple[dict[str, Any], Start]:
    campaign = await press.campaign(kind="triggered")
    await press.caller.post(f"/campaigns/{campaign['id']}/start")
    headers = (await press.credentials("ajo")).headers
    body = {"requestId": "spring", "campaignId": as_uuid(Id(bytes.fromhex(campaign["id"])))}
    return campaign, lambda: press.http.post("/ajo/im/executions/audience", json=body, headers=headers)


@pytest.mark.parametrize(
    ("way", "answers"),
    [
        (_accounts, {200: 1, 409: CALLS - 1}),
        (_domo, {200: CALLS}),
        (_voltmx, {200: 1, 400: CALLS - 1}),
        (_ajo, {202: CALLS}),
    ],
)
async def test_twenty_starts_at_once_are_one_run_and_nobody_is_written_to_twice(
    press: Press, way: Callable[[Press], Awaitable[tuple[dict[str, Any], Start]]], answers: dict[int, int]
) -> None:
    campaign, start = await way(press)
    said = await asyncio.gather(*(start() for _ in range(CALLS)))
    assert Counter(answer.status_code for answer in said) == answers, said[0].text
    [run] = await press.runs(campaign)
    await finished(press.app.database, run)
    assert Counter(press.sink.recipients()) == Counter(PEOPLE)
