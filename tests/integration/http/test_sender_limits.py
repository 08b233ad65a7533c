"""Limits of a sender through the API: stored as they are meant, cleared by null, refused with field and rule."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.integration.http.conftest import Caller

RELAY = {
    "name": "Relay", "host": "127.0.0.1", "port": 25, "security": "none", "fromAddress": "news@sender.example",
}  # fmt: skip


async def made(caller: Caller, **limits: Any) -> dict[str, Any]:
    response = await caller.post("/senders", json=RELAY | limits)
    assert response.status_code == 201, response.text
    sender: dict[str, Any] = response.json()["data"]
    return sender


async def changed(caller: Caller, sender: dict[str, Any], **limits: Any) -> dict[str, Any]:
    response = await caller.patch(f"/senders/{sender['id']}", json=limits)
    assert response.status_code == 200, response.text
    after: dict[str, Any] = response.json()["data"]
    assert (await caller.get(f"/senders/{sender['id']}")).json()["data"] == after
    return after


async def test_a_sender_has_no_limits_unless_it_is_given_some(caller: Caller) -> None:
    sender = await made(caller)
    assert (sender["domainRates"], sender["dailyCap"], sender["warmUp"]) == ({}, None, None)


async def test_limits_are_kept_changed_one_by_one_and_cleared_by_null(caller: Caller) -> None:
    plan = {"startsOn": "2026-11-21", "perDay": [50, 100]}
    sender = await made(caller, domainRates={"Mail.Example": 20, "bücher.example": 5}, dailyCap=500, warmUp=plan)
    assert sender["domainRates"] == {"mail.example": 20, "xn--bcher-kva.example": 5}
    assert (sender["dailyCap"], sender["warmUp"]) == (500, plan)
    after = await changed(caller, sender, domainRates={"other.example": 1})
    assert (after["domainRates"], after["dailyCap"], after["warmUp"]) == ({"other.example": 1}, 500, plan)
    after = await changed(caller, sender, domainRates=None, dailyCap=None, warmUp=None)
    assert (after["domainRates"], after["dailyCap"], after["warmUp"]) == ({}, None, None)


async def test_a_plan_by_growth_is_shown_day_by_day_and_starts_today(caller: Caller) -> None:
    before = datetime.now(UTC).date()
    sender = await made(caller, warmUp={"start": 50, "factor": 2, "until": 500})
    assert sender["warmUp"]["perDay"] == [50, 100, 200, 400, 500]
    assert before.isoformat() <= sender["warmUp"]["startsOn"] <= datetime.now(UTC).date().isoformat()


@pytest.mark.parametrize(
    ("limits", "field", "rule"),
    [
        ({"domainRates": {"not a domain": 1}}, "domainRates", "domain"),
        ({"domainRates": {"localhost": 1}}, "domainRates", "domain"),
        ({"domainRates": {"mail.example": 1, "MAIL.example": 2}}, "domainRates", "unique"),
        ({"dailyCap": 0}, "dailyCap", "minimum"),
        ({"warmUp": {}}, "warmUp", "oneOf"),
        ({"warmUp": {"perDay": [1], "start": 1}}, "warmUp", "oneOf"),
        ({"warmUp": {"start": 1, "factor": 2}}, "warmUp.until", "required"),
        ({"warmUp": {"start": 100, "factor": 2, "until": 50}}, "warmUp.until", "range"),
        ({"warmUp": {"start": 1, "factor": 1.01, "until": 1000000}}, "warmUp.perDay", "maxItems"),
    ],
)
async def test_a_limit_that_breaks_a_rule_is_refused_and_nothing_is_stored(
    caller: Caller, limits: dict[str, Any], field: str, rule: str
) -> None:
    sender = await made(caller)
    response = await caller.patch(f"/senders/{sender['id']}", json=limits)
    assert response.status_code == 422
    assert (field, rule) in {(one["field"], one["rule"]) for one in response.json()["error"]["problems"]}
    assert (await caller.get(f"/senders/{sender['id']}")).json()["data"] == sender


async def test_the_limits_of_the_account_are_shown_and_not_the_callers_to_set(caller: Caller) -> None:
    settings = (await caller.get("/settings")).json()["data"]
    assert (settings["ratePerSecond"], settings["domainRates"]) == (None, {})
    assert (await caller.patch("/settings", json={"ratePerSecond": 5})).status_code == 422
