"""The accounts API as its one published page has it: each behaviour of a start, over HTTP."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from tests.integration.http.conftest import Caller, client_with, key_with, serving
from tests.integration.http.test_campaigns import CAMPAIGN_FIELDS
from tests.integration.http.test_envelope import assert_refused
from tests.integration.http.test_tenancy import LETTER, closed_port
from tests.support.patience import PATIENCE_S
from tests.support.sink import Sink
from tests.support.stage import until
from tests.support.workers import working

from clarion.bootstrap import App, open_app
from clarion.domain.access import Permission
from clarion.domain.ids import Id

__all__ = ["closed_port"]

NOWHERE = "0" * 24
JSON = {"Content-Type": "application/json"}


async def bounded(caller: Caller, port: int, *, leads: int = 25, opted_out: int = 0, **fields: Any) -> str:
    """A draft for so many leads, some of whom do not want mail."""
    people = [
        {"email": f"lead{n}@load.example", "consent": {"email": n >= opted_out}} for n in range(leads)
    ]  # fmt: skip
    ids = [(await caller.post("/contacts", json=person)).json()["data"]["id"] for person in people]
    relay = {"host": "127.0.0.1", "port": port, "security": "none", "fromAddress": "news@sender.example"}
    sender = (await caller.post("/senders", json={"name": "Relay", **relay})).json()["data"]["id"]
    draft = {"name": "Bounded", "category": "marketing", "audience": {"contacts": ids}, "senderId": sender}
    made = await caller.post("/campaigns", json={**draft, "message": LETTER, **fields})
    assert made.status_code == 201, made.text
    return str(made.json()["data"]["id"])


async def start(caller: Caller, campaign_id: str, **kwargs: Any) -> httpx.Response:
    return await caller.post(f"/campaigns/{campaign_id}/start", **kwargs)


async def started(caller: Caller, campaign_id: str) -> dict[str, Any]:
    """The data of a start that succeeds."""
    response = await start(caller, campaign_id)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["success"], answer["error"], len(answer["traceId"])) == (True, None, 24)
    data: dict[str, Any] = answer["data"]
    return data


async def read(caller: Caller, campaign_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await caller.get(f"/campaigns/{campaign_id}")).json()["data"]
    return found


async def completed(caller: Caller, campaign_id: str) -> None:
    """Waits until a campaign is over."""

    async def is_so() -> bool:
        return bool((await read(caller, campaign_id))["status"] == "completed")

    await until(is_so)


async def assert_draft(caller: Caller, campaign_id: str) -> None:
    """Nothing of a start is left."""
    campaign = await read(caller, campaign_id)
    assert (campaign["status"], campaign["startedAt"], campaign["selectedLeadCount"]) == ("draft", None, 0)
    assert (await caller.get("/runs")).json()["data"]["items"] == []


async def test_row_1_a_start_selects_every_lead_and_makes_an_instance_for_each(
    caller: Caller, closed_port: int
) -> None:
    data = await started(caller, await bounded(caller, closed_port))
    campaign = data["campaign"]
    assert (data["triggered"], data["instancesCreated"], campaign["selectedLeadCount"]) == (True, 25, 25)
    assert campaign["status"] == "running"
    assert campaign["startedAt"] is not None


async def test_row_2_a_campaign_that_waits_for_calls_is_started_and_nothing_is_triggered(
    caller: Caller, closed_port: int
) -> None:
    campaign_id = await bounded(caller, closed_port, leads=0, kind="triggered")
    data = await started(caller, campaign_id)
    assert (data["triggered"], data["instancesCreated"], data["campaign"]["status"]) == (False, 0, "running")


async def test_row_3_leads_that_opted_out_are_selected_and_get_no_instance(caller: Caller, closed_port: int) -> None:
    data = await started(caller, await bounded(caller, closed_port, opted_out=3))
    assert (data["campaign"]["selectedLeadCount"], data["instancesCreated"]) == (25, 22)


async def test_row_5_a_second_start_is_a_conflict_and_of_two_at_once_one_starts(
    caller: Caller, closed_port: int
) -> None:
    campaign_id = await bounded(caller, closed_port, leads=2)
    answers = await asyncio.gather(*(start(caller, campaign_id) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert_refused(await start(caller, campaign_id), 409, "CAMPAIGN_ALREADY_RUNNING")
    assert len((await caller.get("/runs")).json()["data"]["items"]) == 1


async def test_row_6_a_campaign_that_is_paused_or_over_is_a_conflict(caller: Caller, closed_port: int) -> None:
    campaign_id = await bounded(caller, closed_port, leads=2)
    await started(caller, campaign_id)
    for verb, code in (("pause", "CAMPAIGN_PAUSED"), ("stop", "CAMPAIGN_NOT_STARTABLE")):
        assert (await caller.post(f"/campaigns/{campaign_id}/{verb}")).status_code == 200
        assert_refused(await start(caller, campaign_id), 409, code)
    assert (await caller.post(f"/campaigns/{campaign_id}/archive")).status_code == 200
    assert_refused(await start(caller, campaign_id), 409, "CAMPAIGN_NOT_STARTABLE")


async def test_row_6_a_completed_campaign_is_a_conflict(app: App, caller: Caller) -> None:
    url = app.settings.database_url
    assert url
    async with Sink() as sink, working(app.database, url.reveal()):
        campaign_id = await bounded(caller, sink.port, leads=1)
        await started(caller, campaign_id)
        await completed(caller, campaign_id)
    assert_refused(await start(caller, campaign_id), 409, "CAMPAIGN_NOT_STARTABLE")


async def test_row_7_no_leads_is_a_conflict_and_the_missing_parts_have_their_codes(
    caller: Caller, closed_port: int
) -> None:
    campaign_id = await bounded(caller, closed_port, leads=0)
    assert_refused(await start(caller, campaign_id), 409, "CAMPAIGN_HAS_NO_LEADS")
    lacking: list[tuple[dict[str, Any], str]] = [
        ({"senderId": None}, "CHANNEL_NOT_CONNECTED"),
        ({"message": {}}, "WORKFLOW_NOT_READY"),
    ]
    for number, (fields, code) in enumerate(lacking):
        copy = (await caller.post(f"/campaigns/{campaign_id}/duplicate")).json()["data"]["id"]
        contact = (await caller.post("/contacts", json={"email": f"a{number}@load.example"})).json()["data"]["id"]
        changed = await caller.patch(f"/campaigns/{copy}", json={"audience": {"contacts": [contact]}, **fields})
        assert changed.status_code == 200, changed.text
        assert_refused(await start(caller, copy), 409, code)
    await assert_draft(caller, campaign_id)


async def test_a_campaign_without_bounds_is_a_conflict(caller: Caller, closed_port: int) -> None:
    campaign_id = await bounded(caller, closed_port, leads=1, kind="sequence")
    assert_refused(await start(caller, campaign_id), 409, "CAMPAIGN_NOT_BOUNDED")


async def test_row_8_a_key_is_asked_first_then_its_permission_then_its_account(
    app: App, caller: Caller, stranger: Caller, closed_port: int, base_url: str
) -> None:
    campaign_id = await bounded(caller, closed_port, leads=1)
    path = f"{caller.root}/campaigns/{campaign_id}/start"
    revoked, revoked_text = await key_with(app, caller, Permission.CAMPAIGNS_EXECUTE)
    _, reader = await key_with(app, caller, Permission.CAMPAIGNS_READ)
    async with app.database.transaction() as tx:
        await tx.keys.revoke(caller.account.id, revoked.id)
    async with httpx.AsyncClient(base_url=base_url, timeout=PATIENCE_S) as nobody:
        assert_refused(await nobody.post(path), 401, "UNAUTHENTICATED")
        assert_refused(await nobody.post(path, headers={"X-API-Key": "wrong"}), 401, "UNAUTHENTICATED")
        assert_refused(await nobody.post(path, headers={"X-API-Key": revoked_text}), 401, "UNAUTHENTICATED")
        assert_refused(await nobody.post(path, headers={"X-API-Key": reader}), 403, "FORBIDDEN")
    assert_refused(await stranger.http.post(path), 403, "FORBIDDEN")
    assert_refused(await caller.http.post(f"/v1/accounts/{NOWHERE}/campaigns/{campaign_id}/start"), 403, "FORBIDDEN")
    await assert_draft(caller, campaign_id)


async def test_row_9_a_campaign_of_another_account_is_as_unknown_as_any(
    caller: Caller, stranger: Caller, closed_port: int
) -> None:
    theirs = await bounded(stranger, closed_port, leads=1)
    answers = [assert_refused(await start(caller, id_), 404, "NOT_FOUND") for id_ in (NOWHERE, theirs, "no-id")]
    assert answers[0] == answers[1] == answers[2]


async def test_row_10_a_body_that_is_no_json_is_refused_and_an_empty_one_is_not(
    caller: Caller, closed_port: int
) -> None:
    campaign_id = await bounded(caller, closed_port, leads=1)
    assert_refused(await start(caller, campaign_id, content=b"not json", headers=JSON), 400, "VALIDATION_ERROR")
    assert_refused(await start(caller, campaign_id, json={"unheard": "of"}), 422, "VALIDATION_ERROR")
    await assert_draft(caller, campaign_id)
    assert (await start(caller, campaign_id, content=b"", headers=JSON)).status_code == 200
    copy = (await caller.post(f"/campaigns/{campaign_id}/duplicate")).json()["data"]["id"]
    assert (await start(caller, copy, json={})).status_code == 200


async def test_an_unknown_campaign_is_told_before_a_wrong_body_and_that_before_a_wrong_state(
    caller: Caller, closed_port: int
) -> None:
    assert_refused(await start(caller, NOWHERE, json={"unheard": "of"}), 404, "NOT_FOUND")
    campaign_id = await bounded(caller, closed_port, leads=0)
    assert_refused(await start(caller, campaign_id, json={"unheard": "of"}), 422, "VALIDATION_ERROR")


@pytest.mark.usefixtures("_standing_clock")
async def test_row_11_a_key_over_its_pace_changes_nothing(app: App, caller: Caller, closed_port: int) -> None:
    campaign_id = await bounded(caller, closed_port, leads=1)
    slow = dataclasses.replace(app.settings, requests_per_second=1)
    async with (
        open_app(slow, acquire_timeout_s=PATIENCE_S) as slow_app,
        serving(slow_app) as url,
        client_with(url, caller.text) as client,
    ):
        hasty = dataclasses.replace(caller, http=client)
        await asyncio.gather(*(hasty.get("/campaigns") for _ in range(5)))
        response = await start(hasty, campaign_id)
        assert_refused(response, 429, "RATE_LIMITED")
        assert int(response.headers["retry-after"]) >= 1
        # The pace comes right after the key: before the account and the campaign.
        elsewhere = f"/v1/accounts/{NOWHERE}/campaigns/{campaign_id}/start"
        assert_refused(await hasty.http.post(elsewhere), 429, "RATE_LIMITED")
    await assert_draft(caller, campaign_id)


async def test_row_12_a_start_while_the_sender_is_held_says_until_when_and_sends_after_it(
    app: App, caller: Caller, stranger: Caller
) -> None:
    url = app.settings.database_url
    assert url
    async with Sink() as sink:
        campaign_id = await bounded(caller, sink.port, leads=1)
        sender = (await read(caller, campaign_id))["senderId"]
        assert (await caller.patch(f"/senders/{sender}", json={"ratePerSecond": 4})).status_code == 200
        async with app.database.transaction() as tx:
            await tx.pace.book(caller.account.id, Id(bytes.fromhex(sender)), {"": 4 * 3600}, 1.0)
        held = (await started(caller, campaign_id))["campaign"]["rateLimitedUntil"]
        assert timedelta(minutes=50) < datetime.fromisoformat(held) - datetime.now(UTC) < timedelta(minutes=70)
        assert (await read(caller, campaign_id))["rateLimitedUntil"] == held
        # Another account's campaign, which starts later and is over, proves that the worker had its turn meanwhile.
        other = await bounded(stranger, sink.port, leads=1)
        await started(stranger, other)
        async with working(app.database, url.reveal()):
            await completed(stranger, other)
            assert len(sink.accepted) == 1
            async with app.database.transaction() as tx:
                await tx.pace.reopen(Id(bytes.fromhex(sender)))
            await sink.wait_accepted(2)
        assert (await read(caller, campaign_id))["rateLimitedUntil"] is None


async def test_row_16_the_trace_of_an_error_is_in_its_body_its_header_and_the_log(caller: Caller) -> None:
    with capture_logs([merge_contextvars]) as lines:
        response = await start(caller, NOWHERE)
    assert_refused(response, 404, "NOT_FOUND")
    done = [line for line in lines if line["event"] == "request.done"]
    assert [line["status"] for line in done] == [404]
    assert {line["trace_id"] for line in done} == {response.json()["traceId"]}
    path = f"{caller.root}/campaigns/{NOWHERE}/start"
    assert_refused(await caller.http.put(path), 405, "METHOD_NOT_ALLOWED")
    assert_refused(await caller.http.post(f"{path}/now"), 404, "NOT_FOUND")


async def test_row_17_a_read_shows_what_the_start_showed(caller: Caller, closed_port: int) -> None:
    campaign_id = await bounded(caller, closed_port, leads=2)
    shown = (await started(caller, campaign_id))["campaign"]
    assert list(shown) == CAMPAIGN_FIELDS
    after = await read(caller, campaign_id)
    assert {name: after[name] for name in CAMPAIGN_FIELDS} == shown


async def test_row_18_a_bug_in_a_start_is_a_bare_500_and_nothing_is_started(
    caller: Caller, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = await bounded(caller, closed_port, leads=1)

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail of the inside")

    with monkeypatch.context() as patch:
        patch.setattr("clarion.adapters.postgres.campaigns.CampaignStore.mark_started", broken)
        response = await start(caller, campaign_id)
    error = assert_refused(response, 500, "INTERNAL_ERROR")
    assert error["details"] == ""
    assert "secret" not in response.text
    await assert_draft(caller, campaign_id)
