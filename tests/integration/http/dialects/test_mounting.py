"""Dialects side by side, switched off and below a prefix: each path is answered by one of them, in its own voice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest
from tests.conftest import TEST_KEY
from tests.integration.http.conftest import serving
from tests.integration.http.dialects.ajo_scene import adobe, external
from tests.integration.http.dialects.domo_scene import ALERT, START, domo
from tests.integration.http.dialects.textit_scene import Workspace, client_with
from tests.integration.http.dialects.voltmx_scene import volt
from tests.support.patience import PATIENCE_S

from clarion.bootstrap import App, open_app
from clarion.settings import DIALECTS, Settings, load_settings

REFUSED: Final[dict[str, tuple[str, str]]] = {
    "domo": ("POST", ALERT),
    "textit": ("GET", "/api/v2/campaigns.json"),
    "voltmx": ("GET", "/api/v1/segments"),
    "ajo": ("POST", "/ajo/im/executions/unitary"),
}
"""A call of each vendor's that is refused without credentials."""
VOICES: Final[dict[str, set[str]]] = {
    "domo": {"status", "statusReason", "message", "traceId"},
    "textit": {"detail"},
    "voltmx": {"id", "message"},
    "ajo": {"type", "title", "status", "report"},
    "": {"success", "data", "error", "traceId"},
}
"""What a refusal of each is made of; the native API's has no name."""
SMS: Final = "/api/v1/campaigns/queue/sms"
UNKNOWN: Final = "No campaign is found with this id"
Served = Callable[..., AbstractAsyncContextManager[tuple[App, str]]]


@pytest.fixture
def served(api_settings: Settings, tmp_path: Path) -> Served:
    """Serves an application with settings of the test's own, for a block."""
    assert api_settings.database_url is not None
    usual = {
        "CLARION_DATA_DIR": str(tmp_path / "data"),
        "CLARION_DATABASE_URL": api_settings.database_url.reveal(),
        "CLARION_SECRET_KEY": TEST_KEY,
        "CLARION_PUBLIC_URL": "https://mail.sender.example",
        "CLARION_RELAY_CHECK_SECONDS": "0",
    }

    @asynccontextmanager
    async def serve(**settings: str) -> AsyncIterator[tuple[App, str]]:
        async with open_app(load_settings(usual | settings), acquire_timeout_s=PATIENCE_S) as app, serving(app) as url:
            yield app, url

    return serve


async def voices(http: httpx.AsyncClient) -> dict[str, str]:
    """Whose voice refuses each vendor's call."""
    found = {}
    for vendor, (method, path) in REFUSED.items():
        said = (await http.request(method, path)).json().keys()
        found[vendor] = next(name for name, keys in VOICES.items() if keys == said)
    return found


async def test_every_dialect_answers_in_its_own_voice(anonymous: httpx.AsyncClient) -> None:
    assert await voices(anonymous) == {name: name for name in DIALECTS}


@pytest.mark.parametrize("name", DIALECTS)
async def test_a_dialect_that_is_off_has_no_paths_and_the_others_stay(served: Served, name: str) -> None:
    others = ",".join(other for other in DIALECTS if other != name)
    async with (
        served(CLARION_DIALECTS=others) as (_, url),
        httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as http,
    ):
        # Domo's paths lie within Volt MX's.
        instead = {"domo": "voltmx"}.get(name, "")
        assert await voices(http) == {other: other for other in DIALECTS} | {name: instead}
        method, path = REFUSED[name]
        assert (await http.request(method, path)).status_code == (401 if instead else 404)
        sections = {tag["name"] for tag in (await http.get("/openapi.json")).json()["tags"]}
        assert sections & set(DIALECTS) == set(DIALECTS) - {name}


async def test_below_a_prefix_every_dialect_works_and_nothing_of_it_is_elsewhere(served: Served) -> None:
    prefixes = {f"CLARION_{name.upper()}_PREFIX": f"/{name}-here" for name in DIALECTS}
    async with served(**prefixes) as (app, url):
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as http:
            assert set((await voices(http)).values()) == {""}
            for vendor, (method, path) in REFUSED.items():
                refused = await http.request(method, f"/{vendor}-here{path}")
                assert refused.json().keys() == VOICES[vendor]
            listed = await http.get("/textit-here/api/v2/.json")
            assert listed.json()["groups"] == f"{url}/textit-here/api/v2/groups"
        async with domo(app, f"{url}/domo-here") as scene:
            await scene.started(ALERT)
            await scene.refused(404, campaignId=0)
            async with client_with(f"{url}/textit-here", scene.token) as client:
                made = await Workspace(client).made("groups", {"name": "Reporters"})
                assert await Workspace(client).rows("groups", name="reporters") == [made]
        async with volt(app, f"{url}/voltmx-here") as made_there:
            campaign = await made_there.made()
            await made_there.done(f"campaigns/{campaign}/start")
            assert await made_there.refused("campaigns/abc/start") == UNKNOWN
        async with adobe(app, f"{url}/ajo-here") as ajo:
            fast = await ajo.campaign(html="<p>{{context.code}}</p>", high_throughput=True)
            await ajo.accepted("highthroughput", ajo.unitary(fast, external("ada@lovelace.example")))
            await ajo.refused("unitary", ajo.unitary(fast))


@pytest.mark.parametrize(
    ("call", "owner", "status"),
    [
        (("POST", START), "domo", 400),
        (("POST", f"{START}/"), "domo", 400),
        (("POST", ALERT), "domo", 400),
        (("POST", SMS), "domo", 404),
        (("GET", START), "domo", 405),
        (("GET", ALERT), "domo", 405),
        (("POST", "/api/v1/campaigns"), "voltmx", 400),
        (("GET", "/api/v1/campaigns/bae"), "voltmx", 400),
        (("POST", "/api/v1/campaigns/start/start"), "voltmx", 400),
        (("POST", "/api/v1/campaigns/queue/start"), "voltmx", 400),
        (("POST", "/api/v1/campaigns/bae/pause"), "voltmx", 400),
        (("POST", "/api/v1/campaigns/12/start"), "voltmx", 400),
        (("POST", f"/v1/accounts/{'0' * 24}/campaigns/{'0' * 24}/start"), "", 401),
    ],
)
async def test_a_path_that_several_could_claim_has_one_owner(
    app: App, base_url: str, call: tuple[str, str], owner: str, status: int
) -> None:
    async with volt(app, base_url) as scene:
        response = await scene.http.request(*call)
    assert (response.status_code, response.json().keys()) == (status, VOICES[owner])


async def test_without_domo_its_paths_are_campaigns_of_volt_mx_that_there_are_not(served: Served) -> None:
    async with served(CLARION_DIALECTS="textit,voltmx,ajo") as (app, url), volt(app, url) as scene:
        told = {}
        for method, path in (("GET", START), ("POST", ALERT), ("POST", START), ("POST", SMS)):
            response = await scene.http.request(method, path)
            assert (response.status_code, response.json().keys()) == (400, VOICES["voltmx"])
            told[method, path] = (response.json()["id"], response.json()["message"])
        assert told["GET", START] == ("start", UNKNOWN)
        assert told["POST", ALERT] == ("bae", UNKNOWN)
        assert told["POST", START][1] == told["POST", SMS][1] == "There is no such path"
