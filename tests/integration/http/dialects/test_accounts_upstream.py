"""Starts of the accounts API when a sender does not answer: 502, and the campaign as it was."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from tests.integration.http.conftest import Caller, calling, forsake, serving
from tests.integration.http.dialects.credentials import VENDORS, new_key
from tests.integration.http.dialects.test_accounts import assert_draft, bounded, read, start, started
from tests.integration.http.test_envelope import assert_refused
from tests.integration.http.test_tenancy import closed_port
from tests.support.fcm_server import FcmServer
from tests.support.patience import PATIENCE_S
from tests.support.sink import Manners, Sink

from clarion.adapters.channels import probing
from clarion.bootstrap import App, open_app

__all__ = ["closed_port"]


@asynccontextmanager
async def upstream(app: App, url: str) -> AsyncIterator[Caller]:
    """An account of the test's own."""
    async with calling(app, url, "Upstream") as caller:
        yield caller
        await forsake(app, caller.account)


@pytest.fixture
def patience_s() -> float:
    """How long a sender may take to answer: only one that never does is given up."""
    return PATIENCE_S


@pytest.fixture
async def asking(app: App, patience_s: float) -> AsyncIterator[tuple[App, str]]:
    """An application that asks relays before it starts anything."""
    settings = dataclasses.replace(app.settings, relay_check_seconds=int(patience_s))
    async with open_app(settings, acquire_timeout_s=PATIENCE_S) as asking, serving(asking) as url:
        yield asking, url


async def test_row_13_a_relay_that_does_not_answer_leaves_a_draft_that_starts_later(
    asking: tuple[App, str], closed_port: int
) -> None:
    app, url = asking
    async with upstream(app, url) as caller:
        campaign_id = await bounded(caller, closed_port)
        error = assert_refused(await start(caller, campaign_id), 502, "UPSTREAM_FAILED")
        assert "connection_failed" in str(error["message"])
        once_more = await caller.post(f"/campaigns/{campaign_id}/runs", json={})
        assert_refused(once_more, 502, "UPSTREAM_FAILED")
        await assert_draft(caller, campaign_id)
        sink = Sink()
        await sink.listen(closed_port)
        data = await started(caller, campaign_id)
        await sink.aclose()
        assert (data["instancesCreated"], len((await caller.get("/runs")).json()["data"]["items"])) == (25, 1)


@pytest.mark.parametrize(
    ("manners", "login", "patience_s"),
    [
        (Manners(greeting=b"554 no service here\r\n"), {}, PATIENCE_S),
        (Manners(ehlo_reply=b"421 not now\r\n"), {}, PATIENCE_S),
        (Manners(silent=True), {}, 1.0),
        (Manners(users={"someone": "else"}), {"username": "ada", "password": "wrong"}, PATIENCE_S),
    ],
)
async def test_row_13_a_relay_that_refuses_us_is_as_good_as_none(
    asking: tuple[App, str], manners: Manners, login: dict[str, str]
) -> None:
    app, url = asking
    async with Sink(manners) as sink, upstream(app, url) as caller:
        campaign_id = await bounded(caller, sink.port, leads=1)
        if login:
            sender = (await read(caller, campaign_id))["senderId"]
            assert (await caller.patch(f"/senders/{sender}", json=login)).status_code == 200
        assert_refused(await start(caller, campaign_id), 502, "UPSTREAM_FAILED")
        await assert_draft(caller, campaign_id)


async def test_row_13_every_other_reason_is_told_before_the_relay(asking: tuple[App, str], closed_port: int) -> None:
    app, url = asking
    async with upstream(app, url) as caller:
        campaign_id = await bounded(caller, closed_port, leads=0)
        assert_refused(await start(caller, campaign_id), 409, "CAMPAIGN_HAS_NO_LEADS")
        assert_refused(await start(caller, campaign_id, json={"x": 1}), 422, "VALIDATION_ERROR")


async def test_row_13_a_relay_that_answered_is_not_asked_again_for_a_while(asking: tuple[App, str]) -> None:
    app, url = asking
    async with Sink() as sink, upstream(app, url) as caller:
        campaign_ids = [await bounded(caller, sink.port, leads=1)]
        for _ in range(3):
            copy = await caller.post(f"/campaigns/{campaign_ids[0]}/duplicate")
            campaign_ids.append(copy.json()["data"]["id"])
        answers = await asyncio.gather(*(start(caller, id_) for id_ in campaign_ids[:3]))
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert (await start(caller, campaign_ids[3])).status_code == 200
        assert sink.connections == 1
    assert probing.REMEMBERED_S <= 30


async def test_row_13_every_sender_of_a_campaign_is_asked_whatever_its_channel(
    asking: tuple[App, str], closed_port: int
) -> None:
    app, url = asking
    centre = {"host": "127.0.0.1", "port": closed_port, "security": "none", "systemId": "lake"}
    async with Sink() as sink, FcmServer() as phones, upstream(app, url) as caller:
        fcm = {
            "app": "shop", "projectId": phones.project, "clientEmail": phones.email, "baseUrl": phones.url,
            "tokenUrl": f"{phones.url}/token",
        }  # fmt: skip
        ids = []
        for name, settings, secrets in (
            ("smpp", centre, {"password": "secret"}),
            ("fcm", fcm, dict(phones.secrets)),
        ):
            said = {"name": f"my {name}", "provider": name, "settings": settings, "secrets": secrets}
            made = await caller.post("/senders", json=said)
            assert made.status_code == 201, made.text
            ids.append(made.json()["data"]["id"])
        campaign_id = await bounded(caller, sink.port, leads=1)
        letter = (await read(caller, campaign_id))["message"]["email"]
        message = {"email": letter, "sms": {"text": "Hi. STOP ends"}, "push": {"body": "Hi"}}
        three = {"smsSenderId": ids[0], "pushSenderIds": ids[1:], "message": message}
        assert (await caller.patch(f"/campaigns/{campaign_id}", json=three)).status_code == 200
        phones.is_key_revoked = True
        told = str(assert_refused(await start(caller, campaign_id), 502, "UPSTREAM_FAILED")["message"])
        assert "my smpp does not answer (connection_failed)" in told
        assert "my fcm does not answer (auth_failed)" in told
        await assert_draft(caller, campaign_id)
        phones.is_key_revoked = False
        told = str(assert_refused(await start(caller, campaign_id), 502, "UPSTREAM_FAILED")["message"])
        assert ("my smpp" in told, "my fcm" in told) == (True, False)
        email_and_push = {"message": {"email": letter, "push": {"body": "Hi"}}}
        assert (await caller.patch(f"/campaigns/{campaign_id}", json=email_and_push)).status_code == 200
        assert (await start(caller, campaign_id)).status_code == 200
    assert (sink.connections, sink.recipients(), phones.arrivals) == (1, [], [])


async def test_volt_mx_says_server_failure_when_the_relay_does_not_answer(
    asking: tuple[App, str], closed_port: int
) -> None:
    app, url = asking
    async with upstream(app, url) as caller, httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as client:
        campaign_id = await bounded(caller, closed_port, leads=1)
        number = (await read(caller, campaign_id))["number"]
        headers = (await VENDORS["voltmx"](client, await new_key(app, caller.account.id))).headers
        answer = await client.post(f"/api/v1/campaigns/{number}/start", headers=headers)
        assert (answer.status_code, answer.json()["id"]) == (500, str(number))
        assert "does not answer" in answer.json()["message"]
        await assert_draft(caller, campaign_id)
