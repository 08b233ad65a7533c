"""Who may call TextIt's API and how often, and what every endpoint answers alike."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from temba_client.exceptions import (
    TembaBadRequestError,
    TembaNoSuchObjectError,
    TembaRateExceededError,
    TembaTokenError,
)
from temba_client.v2 import TembaClient
from tests.conftest import TEST_KEY
from tests.integration.http.conftest import Caller, calling, key_with, serving
from tests.integration.http.dialects.textit_scene import NOBODY, Workspace, client_with
from tests.support.patience import PATIENCE_S

from clarion.application.access import create_key
from clarion.bootstrap import App, open_app
from clarion.domain.access import Permission
from clarion.domain.errors import RateLimited
from clarion.domain.ids import Id, as_uuid, new_id
from clarion.entrypoints.http.dialects.textit.throttle import Throttle
from clarion.settings import Settings, load_settings

ENDPOINTS = (
    "broadcasts", "campaign_events", "campaigns", "contact_actions", "contacts", "fields", "flows", "groups",
    "messages", "org", "workspace",
)  # fmt: skip
NO_NAME = "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
LISTS = tuple(noun for noun in ENDPOINTS if noun not in ("contact_actions", "org", "workspace"))


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


@pytest.mark.parametrize(
    ("authorization", "said"),
    [
        (None, "Authentication credentials were not provided."),
        ("Bearer {key}", "Authentication credentials were not provided."),
        ("Token", "Invalid token header. No credentials provided."),
        ("Token two words", "Invalid token header. Token string should not contain spaces."),
        ("Token 0123456789012345678901234567890123456789", "Invalid token"),
        ("Token é", "Invalid token"),
        ("Basic !", "Invalid token or email"),
        ("Basic YTpi", "Invalid token or email"),
    ],
)
@pytest.mark.parametrize("noun", ["campaigns", "workspace"])
async def test_every_failure_to_say_who_one_is_is_403(
    anonymous: httpx.AsyncClient, caller: Caller, noun: str, authorization: str | None, said: str
) -> None:
    headers = {b"Authorization": authorization.format(key=caller.text).encode()} if authorization else {}
    response = await anonymous.get(f"/api/v2/{noun}.json", headers=headers)
    assert (response.status_code, response.json()) == (403, {"detail": said})
    assert "www-authenticate" not in response.headers
    assert "x-temba-workspace" not in response.headers


async def test_a_token_may_come_as_the_password_of_an_email_address(
    app: App, anonymous: httpx.AsyncClient, caller: Caller
) -> None:
    async with app.database.transaction() as tx:
        _, owned = await create_key(
            tx, account_id=caller.account.id, name="Ann's", permissions=[Permission.CAMPAIGNS_READ],
            owner_email="Ann@lake.example",
        )  # fmt: skip
    for name, key, status in (
        ("anybody@lake.example", caller.text, 200),
        ("ann@LAKE.example", owned, 200),
        ("bob@lake.example", owned, 403),
        ("ann@lake.example", owned[:-1], 403),
        ("ann", owned, 403),
    ):
        response = await anonymous.get("/api/v2/campaigns.json", headers=basic(name, key))
        assert response.status_code == status, (name, response.text)


async def test_a_revoked_token_is_invalid(app: App, caller: Caller, base_url: str) -> None:
    key, text = await key_with(app, caller, Permission.CAMPAIGNS_READ)
    assert (await caller.delete(f"/keys/{key.id.hex()}")).status_code == 200
    async with client_with(base_url, text) as http:
        response = await Workspace(http).get("campaigns")
    assert (response.status_code, response.json()) == (403, {"detail": "Invalid token"})


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        (Permission.CAMPAIGNS_READ, {"broadcasts", "campaign_events", "campaigns", "flows"}),
        (Permission.CONTACTS_READ, {"contacts", "fields", "groups"}),
        (Permission.MESSAGES_READ, {"messages"}),
    ],
)
async def test_a_token_reads_what_its_permissions_allow(
    app: App, caller: Caller, base_url: str, permission: Permission, allowed: set[str]
) -> None:
    _, text = await key_with(app, caller, permission)
    async with client_with(base_url, text) as http:
        statuses = {noun: (await Workspace(http).get(noun)).status_code for noun in LISTS}
        refused = await Workspace(http).post("campaigns", {})
        told = await Workspace(http).get("workspace")
    assert {noun for noun, status in statuses.items() if status == 200} == allowed
    assert set(statuses.values()) == {200, 403}
    assert refused.json() == {"detail": "You do not have permission to perform this action."}
    assert refused.status_code == 403
    assert told.status_code == 200


@pytest.mark.parametrize("noun", ENDPOINTS)
async def test_every_answer_to_a_known_caller_names_the_workspace(
    caller: Caller, workspace: Workspace, noun: str
) -> None:
    method = "POST" if noun == "contact_actions" else "GET"
    response = await workspace.http.request(method, f"/api/v2/{noun}.json", json={})
    assert response.status_code == (400 if method == "POST" else 200)
    assert response.headers["x-temba-workspace"] == as_uuid(caller.account.id)


@pytest.mark.parametrize(
    ("noun", "method", "allowed"),
    [
        ("campaigns", "DELETE", "GET, POST"),
        ("contact_actions", "GET", "POST"),
        ("fields", "DELETE", "GET, POST"),
        ("broadcasts", "DELETE", "GET, POST"),
        ("flows", "POST", "GET"),
        ("workspace", "POST", "GET"),
        ("groups", "PUT", "GET, POST, DELETE"),
        ("contacts", "PATCH", "GET, POST, DELETE"),
        ("", "POST", "GET"),
        ("campaigns", "HEAD", "GET, POST"),
        ("contact_actions", "OPTIONS", "POST"),
        ("groups", "OPTIONS", "GET, POST, DELETE"),
        ("", "HEAD", "GET"),
    ],
)
async def test_a_method_that_is_not_offered_is_405_for_strangers_too(
    anonymous: httpx.AsyncClient, noun: str, method: str, allowed: str
) -> None:
    response = await anonymous.request(method, f"/api/v2/{noun}.json")
    assert (response.status_code, response.headers["allow"]) == (405, allowed)
    assert method == "HEAD" or response.json() == {"detail": f'Method "{method}" not allowed.'}


@pytest.mark.parametrize("path", ["/api/v2/runs.json", "/api/v2/campaigns.xml", f"/api/v2/campaigns/{NOBODY}.json"])
async def test_what_is_not_offered_is_404(workspace: Workspace, path: str) -> None:
    response = await workspace.http.get(path)
    assert (response.status_code, response.json()) == (404, {"detail": "Not found."})


@pytest.mark.parametrize(("accept", "status"), [("application/xml", 406), ("image/png", 406), ("*/*", 200)])
async def test_an_answer_is_json_or_nothing(anonymous: httpx.AsyncClient, accept: str, status: int) -> None:
    response = await anonymous.get("/api/v2/.json", headers={"Accept": accept})
    assert response.status_code == status
    if status == 406:
        assert response.json() == {"detail": "Could not satisfy the request Accept header."}


async def test_the_root_tells_strangers_where_everything_is(anonymous: httpx.AsyncClient) -> None:
    response = await anonymous.get("/api/v2/.json")
    base = str(anonymous.base_url).rstrip("/")
    assert response.json() == {noun: f"{base}/api/v2/{noun}" for noun in ENDPOINTS}
    for url in response.json().values():
        described = await anonymous.get(url)
        assert (described.status_code, described.headers["location"]) == (302, "/docs")
    assert (await anonymous.get("/docs")).status_code == 200
    assert (await anonymous.get("/api/v2/nope")).status_code == 404
    posted = await anonymous.post("/api/v2/campaigns")
    assert (posted.status_code, posted.json()) == (403, {"detail": "Authentication credentials were not provided."})


@pytest.mark.parametrize(
    ("body", "kind", "status", "said"),
    [
        (b"{", "application/json", 400, f"JSON parse error - {NO_NAME}"),
        (b'{"a": NaN}', "application/json", 400, "JSON parse error - has NaN, which is not JSON"),
        (b"<a/>", "application/xml", 415, 'Unsupported media type "application/xml" in request.'),
    ],
)  # fmt: skip
async def test_a_body_that_cannot_be_read_is_told(
    workspace: Workspace, body: bytes, kind: str, status: int, said: str
) -> None:
    response = await workspace.http.post("/api/v2/groups.json", content=body, headers={"Content-Type": kind})
    assert (response.status_code, response.json()) == (status, {"detail": said})


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"7", b"null", b"[[[]]]"])
@pytest.mark.parametrize("noun", ["campaigns", "campaign_events", "groups", "contacts", "fields", "broadcasts"])
async def test_a_body_is_one_object(workspace: Workspace, noun: str, body: bytes) -> None:
    response = await workspace.http.post(
        f"/api/v2/{noun}.json", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 400
    assert response.json() == {"non_field_errors": ["Request body should be a single JSON object"]}


async def test_a_form_is_read_like_json(workspace: Workspace) -> None:
    await workspace.http.post("/api/v2/groups.json", data={"name": "Farmers"})
    body = {"name": "Ann", "groups": ["Farmers"], "urns": ["mailto:ann@lake.example", "tel:+12065550100"]}
    response = await workspace.http.post("/api/v2/contacts.json", data=body | {"groups": ["Farmers", "farmers"]})
    assert response.status_code == 201, response.text
    assert response.json()["urns"] == body["urns"]


def test_an_hour_slides_for_each_workspace_and_scope() -> None:
    now = 0.0
    throttle = Throttle(2, clock=lambda: now)
    one, other = new_id(), new_id()
    throttle.take(one, "v2")
    now = 60.0
    throttle.take(one, "v2")
    throttle.take(one, "v2.contacts")
    throttle.take(other, "v2")
    assert _wait(throttle, one) == 3540
    now = 3599.5
    assert _wait(throttle, one) == 1
    now = 3600.0
    throttle.take(one, "v2")
    assert _wait(throttle, one) == 60


def _wait(throttle: Throttle, account_id: Id) -> int:
    with pytest.raises(RateLimited) as refused:
        throttle.take(account_id, "v2")
    return refused.value.retry_after_s


@pytest.fixture
async def slow_app(api_settings: Settings, tmp_path: Path) -> AsyncIterator[App]:
    assert api_settings.database_url is not None
    settings = load_settings(
        {
            "CLARION_DATA_DIR": str(tmp_path / "data"),
            "CLARION_DATABASE_URL": api_settings.database_url.reveal(),
            "CLARION_SECRET_KEY": TEST_KEY,
            "CLARION_PUBLIC_URL": "https://mail.sender.example",
            "CLARION_TEXTIT_REQUESTS_PER_HOUR": "2",
        }
    )
    async with open_app(settings, acquire_timeout_s=PATIENCE_S) as app:
        yield app


async def test_a_workspace_that_asks_too_often_is_told_when_to_come_again(slow_app: App) -> None:
    async with serving(slow_app) as url, calling(slow_app, url, "Busy") as busy:
        _, second = await key_with(slow_app, busy, *Permission)
        async with client_with(url, busy.text) as http, client_with(url, second) as other_key:
            assert (await Workspace(http).get("campaigns")).status_code == 200
            assert (await Workspace(other_key).post("groups", {})).status_code == 400
            refused = await Workspace(http).get("groups")
            assert (await Workspace(http).get("contacts")).status_code == 200
    assert refused.status_code == 429
    wait = int(refused.headers["retry-after"])
    assert 3000 < wait <= 3600
    assert refused.json() == {"detail": f"Request was throttled. Expected available in {wait} seconds."}


async def test_the_vendors_client_reads_each_refusal_as_its_own_error(slow_app: App) -> None:
    def story(url: str, text: str) -> None:
        with pytest.raises(TembaTokenError):
            TembaClient(url, "wrong").get_campaigns().all()
        client = TembaClient(url, text)
        with pytest.raises(TembaNoSuchObjectError):
            client.delete_group(NOBODY)
        with pytest.raises(TembaBadRequestError) as refused:
            client.create_group("")
        assert refused.value.errors == {"name": ["This field may not be blank."]}
        with pytest.raises(TembaRateExceededError) as throttled:
            client.get_groups().all()
        assert throttled.value.retry_after > 0

    async with serving(slow_app) as url, calling(slow_app, url, "Busy") as busy:
        await asyncio.to_thread(story, url, busy.text)
