"""Who may come in over Volt MX's API: its four ways to sign in, and 401 for everybody else."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.integration.http.conftest import serving
from tests.integration.http.dialects.voltmx_scene import MAIL, OWNER, Volt, basic, volt
from tests.support.patience import PATIENCE_S

from clarion.application.access import create_key
from clarion.bootstrap import App
from clarion.domain.access import Permission, Principal
from clarion.entrypoints.http.dialects.voltmx import DIALECT
from clarion.settings import Settings

LIST = "/api/v1/campaigns"


@pytest.fixture
async def scene(app: App, base_url: str) -> AsyncIterator[Volt]:
    async with volt(app, base_url) as scene:
        yield scene


async def status(client: httpx.AsyncClient, **headers: str) -> int:
    return (
        await client.get(LIST, headers={name.replace("_", "-"): text for name, text in headers.items()})
    ).status_code


async def login(client: httpx.AsyncClient, scene: Volt, **changes: Any) -> httpx.Response:
    return await client.post(
        "/authService/accounts/login", json={"userid": OWNER, "password": scene.key_text} | changes
    )


async def test_basic_is_the_owner_or_the_key_and_its_secret(scene: Volt, anonymous: httpx.AsyncClient) -> None:
    secret = scene.key_text.rpartition(scene.key.id.hex())[2][1:]
    good = [(OWNER, scene.key_text), (OWNER.title(), scene.key_text)]
    good += [(scene.key.id.hex(), secret), (scene.key.id.hex(), scene.key_text)]
    for user, password in good:
        assert (await anonymous.get(LIST, headers=basic(user, password))).status_code == 200


async def test_whoever_is_not_known_is_unauthorized(scene: Volt, anonymous: httpx.AsyncClient) -> None:
    wrong: list[dict[str, str]] = [
        {},
        basic("bob@x.example", scene.key_text),
        basic("", scene.key_text),
        basic(OWNER, scene.key_text[:-1] + "!"),
        basic(scene.key.id.hex(), "nothing"),
        {"Authorization": "Basic"},
        {"Authorization": "Basic %%%"},
        {"Authorization": "Basic /w=="},
        {"Authorization": f"Bearer {scene.key_text}"},
        {"X-VoltMX-Authorization": "x" * 4000},
        {"AccessToken": "x", "AccessSecret": "y"},
    ]
    for headers in wrong:
        response = await anonymous.get(LIST, headers=headers)
        assert (response.status_code, headers) == (401, headers)
        assert response.json() == {"id": "", "message": "Unauthorized request"}


async def test_an_email_is_not_enough_for_a_key_without_an_owner(
    app: App, scene: Volt, anonymous: httpx.AsyncClient
) -> None:
    async with app.database.transaction() as tx:
        key, text = await create_key(
            tx, account_id=scene.account.id, name="nobody's", permissions=[Permission.CAMPAIGNS_READ]
        )
    assert (await anonymous.get(LIST, headers=basic(OWNER, text))).status_code == 401
    assert (await anonymous.get(LIST, headers=basic(key.id.hex(), text))).status_code == 200


async def test_a_login_gives_a_claims_token_for_both_headers(scene: Volt, anonymous: httpx.AsyncClient) -> None:
    answer = (await login(anonymous, scene)).json()
    assert set(answer) == {"profile", "refresh_token", "claims_token"}
    token = answer["claims_token"]
    assert 3500 < token["exp"] / 1000 - time.time() < 3700
    assert await status(anonymous, X_VoltMX_Authorization=token["value"]) == 200
    assert await status(anonymous, X_Kony_Authorization=token["value"]) == 200
    *head, last = token["value"]
    forged = "".join((*head, "B" if last == "A" else "A"))
    assert await status(anonymous, X_VoltMX_Authorization=forged) == 401


async def test_a_login_may_be_a_form(scene: Volt, anonymous: httpx.AsyncClient) -> None:
    form = {"userid": scene.key.id.hex(), "password": scene.key_text, "provider": "x"}
    response = await anonymous.post("/authService/accounts/login", data=form)
    assert await status(anonymous, X_VoltMX_Authorization=response.json()["claims_token"]["value"]) == 200


async def test_a_login_with_wrong_or_missing_words_is_refused(scene: Volt, anonymous: httpx.AsyncClient) -> None:
    assert (await login(anonymous, scene, password="wrong")).status_code == 401
    assert (await login(anonymous, scene, userid="bob@x.example")).status_code == 401
    assert (await login(anonymous, scene, password=None)).status_code == 400
    assert (await login(anonymous, scene, userid={"x": 1})).status_code == 400
    for content in (b"", b"[1]", b"{", b"\xff"):
        assert (await anonymous.post("/authService/accounts/login", content=content)).status_code == 400


async def test_an_expired_claims_token_opens_nothing(app: App, scene: Volt, anonymous: httpx.AsyncClient) -> None:
    principal = Principal(scene.key.id, scene.account.id, frozenset(Permission))
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    text, _ = app.tokens.issue(principal, timedelta(minutes=59), an_hour_ago)
    assert await status(anonymous, X_VoltMX_Authorization=text) == 401


async def test_a_token_dies_with_its_key(app: App, scene: Volt, anonymous: httpx.AsyncClient) -> None:
    async with app.database.transaction() as tx:
        key, text = await create_key(
            tx, account_id=scene.account.id, name="short", permissions=[Permission.CAMPAIGNS_READ], owner_email=OWNER
        )
    token = (await login(anonymous, scene, password=text)).json()["claims_token"]["value"]
    assert await status(anonymous, X_VoltMX_Authorization=token) == 200
    native = f"/v1/accounts/{scene.account.id.hex()}/keys/{key.id.hex()}"
    revoked = await anonymous.delete(native, headers={"Authorization": f"Bearer {scene.key_text}"})
    assert revoked.status_code == 200
    assert await status(anonymous, X_VoltMX_Authorization=token) == 401


async def test_an_access_token_works_with_its_secret_only(scene: Volt, anonymous: httpx.AsyncClient) -> None:
    answer = await scene.http.get("/api/v1/oauth/accesstoken")
    pair = answer.json()
    assert set(pair) == {"AccessToken", "AccessSecret"}
    assert {name: answer.headers[name] for name in pair} == pair
    assert (await anonymous.get(LIST, headers=pair)).status_code == 200
    swapped = {"AccessToken": pair["AccessSecret"], "AccessSecret": pair["AccessToken"]}
    for headers in ({"AccessToken": pair["AccessToken"]}, {"AccessSecret": pair["AccessSecret"]}, swapped):
        assert (await anonymous.get(LIST, headers=headers)).status_code == 401
    assert (await anonymous.get("/api/v1/oauth/accesstoken")).status_code == 401


async def test_no_operation_answers_without_credentials(anonymous: httpx.AsyncClient) -> None:
    for operation in DIALECT.operations:
        if not operation.is_public:
            response = await anonymous.request(operation.method, operation.path.replace("{id}", "1"))
            assert (response.status_code, operation.name) == (401, operation.name)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/campaigns/1/nothing"),
        ("POST", "/api/v1/campaigns/1/launch"),
        ("PUT", "/api/v1/campaigns/1"),
        ("DELETE", "/api/v1/segments/1"),
        ("GET", "/api/v1/oauth/requesttoken"),
        ("GET", "/authService/accounts"),
    ],
)
async def test_an_unknown_path_is_401_for_strangers_and_400_for_callers(
    scene: Volt, anonymous: httpx.AsyncClient, method: str, path: str
) -> None:
    assert (await anonymous.request(method, path)).status_code == 401
    response = await scene.http.request(method, path)
    assert response.status_code == 400
    assert response.json()["message"] == "There is no such path"


async def test_permissions_are_those_of_the_key(scene: Volt) -> None:
    campaign = await scene.made()
    async with await scene.key_with(Permission.CAMPAIGNS_READ) as narrow:
        assert (await narrow.get(LIST)).status_code == 200
        assert (await narrow.post(LIST, json=await scene.campaign())).status_code == 401
        assert (await narrow.post(f"{LIST}/{campaign}/modify", json=await scene.campaign())).status_code == 401
        assert (await narrow.post(f"{LIST}/{campaign}/delete")).status_code == 401
        assert (await narrow.get("/api/v1/segments")).status_code == 401
    async with await scene.key_with(Permission.CAMPAIGNS_EXECUTE) as executing:
        assert (await executing.get(LIST)).status_code == 401
        assert (await executing.post(f"{LIST}/{campaign}/start")).status_code == 200


async def test_settings_give_a_prefix_applications_and_campaign_types(app: App, api_settings: Settings) -> None:
    settings = dataclasses.replace(
        api_settings, voltmx_prefix="/vpns", voltmx_apps=("100",), voltmx_campaign_types=("Newsletter",)
    )
    push = {"name": "p", "message": "Hi", "application": {"appId": 100, "applicationName": "Shop"}}
    async with serving(dataclasses.replace(app, settings=settings)) as url, volt(app, f"{url}/vpns") as scene:
        campaign = await scene.made(campaignType="Newsletter", campaignMessages=[push], campaignMails=[MAIL])
        seen = await scene.get(f"campaigns/{campaign}")
        assert (seen["campaignType"], seen["campaignMessages"][0]["application"]["appId"]) == ("Newsletter", 100)
        headers = scene.http.headers
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE_S) as elsewhere:
            assert (await elsewhere.get(LIST)).status_code == 404


@pytest.mark.usefixtures("_standing_clock")
async def test_a_caller_that_is_too_fast_is_told_to_wait(app: App, api_settings: Settings) -> None:
    settings = dataclasses.replace(api_settings, requests_per_second=1)
    async with serving(dataclasses.replace(app, settings=settings)) as url, volt(app, url) as scene:
        answers = [await scene.http.get(LIST) for _ in range(4)]
    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
