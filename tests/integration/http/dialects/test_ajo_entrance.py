"""Who may use Adobe's API: the token exchange, the four headers, and paths that nobody knows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from tests.integration.http.conftest import key_with
from tests.integration.http.dialects.ajo_scene import NOWHERE, ORG, SANDBOX, Adobe, adobe, aep
from tests.support.patience import PATIENCE_S

from clarion.application.access import create_key
from clarion.bootstrap import App
from clarion.domain.access import Permission, Principal

BODY = {"requestId": "r-1", "campaignId": NOWHERE, "recipients": [aep("ada@lovelace.example")]}


@pytest.fixture
async def ajo(app: App, base_url: str) -> AsyncIterator[Adobe]:
    async with adobe(app, base_url) as made:
        yield made


def without(ajo: Adobe, name: str, **others: str) -> httpx.AsyncClient:
    """The same client without a header."""
    headers = {key: value for key, value in ajo.http.headers.items() if key != name} | others
    return httpx.AsyncClient(base_url=ajo.http.base_url, headers=headers, timeout=PATIENCE_S)


async def test_a_key_is_exchanged_for_a_token(ajo: Adobe, anonymous: httpx.AsyncClient) -> None:
    form = {"client_id": ajo.key.id.hex(), "client_secret": ajo.key_text, "grant_type": "client_credentials"}
    answer = await anonymous.post("/ims/token/v3", data=form | {"scope": "openid,AdobeID"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()
    assert (token["token_type"], token["expires_in"] > 3000) == ("bearer", True)
    assert ajo.key_text not in token["access_token"]
    form["client_secret"] = ajo.key_text.split("_", 2)[2]
    assert (await anonymous.post("/ims/token/v3", data=form)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "0" * 24}, 401, "invalid_client"),
        ({"client_id": "\0"}, 401, "invalid_client"),
        ({"client_id": ""}, 400, "invalid_request"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
async def test_what_is_no_key_gets_no_token(
    ajo: Adobe, anonymous: httpx.AsyncClient, changes: dict[str, str], status: int, error: str
) -> None:
    form = {"client_id": ajo.key.id.hex(), "client_secret": ajo.key_text, "grant_type": "client_credentials"}
    answer = await anonymous.post("/ims/token/v3", data=form | changes)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_a_token_is_asked_for_with_a_form(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.post("/ims/token/v3", json={})).status_code == 415
    twice = await anonymous.post(
        "/ims/token/v3",
        content="client_id=a&client_id=b",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert twice.json()["error"] == "invalid_request"


async def test_the_key_itself_is_taken_for_a_token_too(ajo: Adobe) -> None:
    await ajo.refused("unitary", BODY, 404, headers={"Authorization": f"Bearer {ajo.key_text}"})


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer wrong", "Basic YTpi", "Bearer clarion_t_" + "A" * 72])
async def test_a_call_without_a_good_token_is_refused(ajo: Adobe, value: str) -> None:
    error = await ajo.refused("unitary", BODY, 401, headers={"Authorization": value})
    assert error["title"] == "Oauth token is not valid"


async def test_a_token_dies_with_its_key(ajo: Adobe) -> None:
    await ajo.refused("unitary", BODY, 404)
    key = {"Authorization": f"Bearer {ajo.key_text}"}
    path = f"/v1/accounts/{ajo.account.id.hex()}/keys/{ajo.key.id.hex()}"
    async with httpx.AsyncClient(base_url=ajo.http.base_url, headers=key, timeout=PATIENCE_S) as native:
        assert (await native.delete(path)).is_success
    await ajo.refused("unitary", BODY, 401)
    form = {"client_id": ajo.key.id.hex(), "client_secret": ajo.key_text, "grant_type": "client_credentials"}
    assert (await ajo.http.post("/ims/token/v3", data=form)).status_code == 401


async def test_an_expired_token_is_refused(ajo: Adobe, app: App) -> None:
    principal = Principal(ajo.key.id, ajo.account.id, frozenset(Permission))
    text, _ = app.tokens.issue(principal, timedelta(minutes=59), datetime.now(UTC) - timedelta(hours=1))
    error = await ajo.refused("unitary", BODY, 401, headers={"Authorization": f"Bearer {text}"})
    assert error["title"] == "Oauth token is not valid"


async def test_the_api_key_is_the_client_of_the_token(ajo: Adobe, app: App) -> None:
    async with app.database.transaction() as tx:
        another, _ = await create_key(
            tx, account_id=ajo.account.id, name="another", permissions=[Permission.CAMPAIGNS_EXECUTE]
        )
    for wrong in (another.id.hex(), "wrong", ""):
        error = await ajo.refused("unitary", BODY, 403, headers={"x-api-key": wrong})
        assert error["title"] == "Api Key is invalid"
    async with without(ajo, "x-api-key") as client:
        assert (await client.post("/ajo/im/executions/unitary", json=BODY)).status_code == 403


@pytest.mark.parametrize("name", ["x-gw-ims-org-id", "x-sandbox-name"])
async def test_organisation_and_sandbox_are_named(ajo: Adobe, name: str) -> None:
    async with without(ajo, name) as client:
        answer = await client.post("/ajo/im/executions/unitary", json=BODY)
    assert answer.status_code == 400
    assert name in answer.json()["report"]["additionalContext"]["errors"]


async def test_a_campaign_of_another_organisation_or_sandbox_is_not_found(app: App, base_url: str) -> None:
    async with adobe(app, base_url, organisation=ORG, sandbox=SANDBOX) as ajo:
        campaign = await ajo.campaign()
        body = ajo.unitary(campaign, aep("ada@lovelace.example"))
        for header in ("x-gw-ims-org-id", "x-sandbox-name"):
            error = await ajo.refused("unitary", body, 404, headers={header: "another"})
            assert "Cannot find the Campaign" in error["title"]
        await ajo.profile("ada@lovelace.example")
        await ajo.accepted("unitary", body)


async def test_a_campaign_of_another_account_is_not_found(ajo: Adobe, app: App, base_url: str) -> None:
    async with adobe(app, base_url) as other:
        campaign = await other.campaign()
    error = await ajo.refused("unitary", ajo.unitary(campaign, aep("ada@lovelace.example")), 404)
    assert "Cannot find the Campaign" in error["title"]


async def test_a_key_that_may_not_execute_is_refused(ajo: Adobe, app: App) -> None:
    key, text = await key_with(app, ajo, Permission.CAMPAIGNS_READ)  # type: ignore[arg-type]
    headers = {"Authorization": f"Bearer {text}", "x-api-key": key.id.hex()}
    await ajo.refused("unitary", BODY, 403, headers=headers)


async def test_a_path_or_method_nobody_knows_is_answered_plainly(ajo: Adobe) -> None:
    for method, path, status in (
        ("GET", "/ajo/im/nothing", 404),
        ("POST", "/ajo/im/executions/campaign", 404),
        ("PUT", "/ajo/im/executions/unitary", 405),
        ("GET", "/ims/nothing", 404),
    ):
        answer = await ajo.http.request(method, path)
        assert answer.status_code == status
        problem = answer.json()
        assert set(problem) == {"type", "title", "status", "detail", "instance"}
        assert (problem["type"], problem["status"], problem["instance"]) == ("about:blank", status, path)


async def test_health_needs_no_token(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get("/ajo/im/health")).status_code == 200
