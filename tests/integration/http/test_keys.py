"""Keys at the door: where they may stand, what they may do, how soon they end, and that they leave no trace."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler
from structlog.testing import capture_logs
from tests.integration.http.conftest import Caller, calling, client_with, key_with, serving
from tests.support.patience import PATIENCE_S

from clarion.bootstrap import App, open_app
from clarion.domain.access import ALL_PERMISSIONS, Permission
from clarion.domain.errors import RateLimited
from clarion.domain.ids import new_id
from clarion.entrypoints.http import operations
from clarion.entrypoints.http.api import OPERATIONS
from clarion.entrypoints.http.operation import Operation
from clarion.entrypoints.http.public import unsubscribe, view
from clarion.entrypoints.http.reference import Reference
from clarion.entrypoints.http.security import REMEMBERED_S, Doorkeeper, Pace
from clarion.settings import Secret, Settings

NOWHERE = "0" * 24


async def test_a_key_is_read_from_either_header(caller: Caller, anonymous: httpx.AsyncClient) -> None:
    path = caller.root + "/contacts"
    for headers in (
        {"Authorization": f"Bearer {caller.text}"},
        {"authorization": f"bearer {caller.text}"},
        {"X-API-Key": caller.text},
    ):
        assert (await anonymous.get(path, headers=headers)).status_code == 200


async def test_t44_a_key_elsewhere_or_two_different_ones_are_refused(
    caller: Caller, anonymous: httpx.AsyncClient
) -> None:
    path = caller.root + "/contacts"
    odd: list[dict[str, str]] = [
        {},
        {"Cookie": f"api_key={caller.text}"},
        {"Authorization": f"Basic {caller.text}"},
        {"Authorization": caller.text},
        {"Authorization": f"Bearer {caller.text}", "X-API-Key": caller.text + "x"},
        {"X-API-Key": caller.text[:-1]},
        {"X-API-Key": "clarion_" + NOWHERE + "_" + "A" * 43},
        {"X-API-Key": "%%%" * 30},
    ]
    for headers in odd:
        response = await anonymous.get(path, headers=headers)
        assert response.status_code == 401, headers
        assert response.headers["www-authenticate"].startswith("Bearer")
    for name in ("key", "api_key", "access_token", "token"):
        assert (await anonymous.get(path, params={name: caller.text})).status_code == 401


async def test_t44_a_revoked_key_ends_at_once_here_and_within_five_seconds_elsewhere(
    app: App, caller: Caller, base_url: str
) -> None:
    made = (await caller.post("/keys", json={"name": "short-lived", "permissions": ["contacts:read"]})).json()["data"]
    async with (
        client_with(base_url, made["key"]) as short,
        serving(app) as other_url,
        client_with(other_url, made["key"]) as other,
    ):
        assert (await short.get(caller.root + "/contacts")).status_code == 200
        assert (await other.get(caller.root + "/contacts")).status_code == 200
        assert (await caller.delete(f"/keys/{made['id']}")).status_code == 200
        assert (await short.get(caller.root + "/contacts")).status_code == 401
    assert REMEMBERED_S < 5


async def test_t44_what_is_remembered_of_a_key_lapses(app: App, caller: Caller) -> None:
    now = 100.0
    doorkeeper = Doorkeeper(app.database, Pace(1000), clock=lambda: now)
    key, text = await key_with(app, caller, Permission.CONTACTS_READ)
    request = _Request({"x-api-key": text})
    await doorkeeper.recognise(request)  # type: ignore[arg-type]
    async with app.database.transaction() as tx:
        await tx.keys.revoke(caller.account.id, key.id)
    await doorkeeper.recognise(request)  # type: ignore[arg-type]
    now += REMEMBERED_S
    with pytest.raises(Exception, match="not valid"):
        await doorkeeper.recognise(request)  # type: ignore[arg-type]


class _Request:
    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers


async def test_t44_an_expired_key_is_refused(app: App, caller: Caller, base_url: str) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    made = (
        await caller.post("/keys", json={"name": "k", "permissions": ["contacts:read"], "expiresAt": soon.isoformat()})
    ).json()["data"]
    async with app.database.transaction() as tx:
        await tx.connection.execute("UPDATE api_key SET expires_at = now() WHERE id = $1", bytes.fromhex(made["id"]))
    async with client_with(base_url, made["key"]) as client:
        assert (await client.get(caller.root + "/contacts")).status_code == 401


async def test_t44_a_remembered_key_ends_the_moment_it_expires(app: App, caller: Caller) -> None:
    now = datetime.now(UTC)
    doorkeeper = Doorkeeper(app.database, Pace(1000), clock=lambda: 100.0, today=lambda: now)
    key, text = await key_with(app, caller, Permission.CONTACTS_READ)
    request = _Request({"x-api-key": text})
    update = "UPDATE api_key SET expires_at = $2 WHERE id = $1"
    async with app.database.transaction() as tx:
        await tx.connection.execute(update, key.id, now + timedelta(hours=1))
    await doorkeeper.recognise(request)  # type: ignore[arg-type]
    async with app.database.transaction() as tx:
        await tx.connection.execute(update, key.id, now - timedelta(hours=1))
    await doorkeeper.recognise(request)  # type: ignore[arg-type]
    now += timedelta(hours=1)
    with pytest.raises(Exception, match="not valid"):
        await doorkeeper.recognise(request)  # type: ignore[arg-type]


async def test_t44_a_key_is_shown_once_and_stored_nowhere(app: App, caller: Caller) -> None:
    headers = {"Idempotency-Key": "make-a-key"}
    body = {"name": "new", "permissions": ["contacts:read"]}
    first = await caller.post("/keys", json=body, headers=headers)
    again = await caller.post("/keys", json=body, headers=headers)
    text = first.json()["data"]["key"]
    assert again.content == first.content
    assert text not in (await caller.get("/keys")).text
    secret = text.split("_", 2)[2]  # it may hold more of them
    async with app.database.reading() as tx:
        for table in ("api_key", "idempotency"):
            rows = await tx.connection.fetch(f"SELECT t::text AS row FROM {table} AS t")
            assert rows
            assert all(secret not in row["row"] and secret.encode().hex() not in row["row"] for row in rows)


async def test_a_key_cannot_give_what_it_lacks(app: App, caller: Caller, base_url: str) -> None:
    _, text = await key_with(app, caller, Permission.KEYS_WRITE)
    async with client_with(base_url, text) as client:
        made = await client.post(caller.root + "/keys", json={"name": "more", "permissions": ["contacts:read"]})
    assert made.status_code == 403


def _declared() -> list[Operation]:
    return [handler.opt["operation"] for handler in OPERATIONS]


async def test_t41_every_operation_refuses_a_key_without_its_permission(
    app: App, caller: Caller, base_url: str
) -> None:
    for permission in Permission:
        _, text = await key_with(app, caller, *(ALL_PERMISSIONS - {permission}))
        async with client_with(base_url, text) as client:
            for operation in _declared():
                if operation.permission is not permission:
                    continue
                path = operation.full_path.replace("{accountGroupId}", caller.account.id.hex())
                response = await client.request(operation.method, _filled(path))
                assert response.status_code == 403, operation.name
                assert str(permission) in response.json()["error"]["message"]


def _filled(path: str) -> str:
    while "{" in path:
        head, _, rest = path.partition("{")
        path = head + NOWHERE + rest.partition("}")[2]
    return path


def test_t55_every_route_without_a_key_is_listed_here() -> None:
    handlers: list[HTTPRouteHandler] = [*operations.ROUTES, *Reference(()).routes(), *unsubscribe.ROUTES, *view.ROUTES]
    open_paths = {path for handler in handlers for path in handler.paths}
    assert open_paths == {
        "/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs", "/docs/reference.css", "/u/{token:str}",
        "/v/{token:str}",
    }  # fmt: skip
    assert all(handler.opt["operation"].permission in Permission for handler in OPERATIONS)


async def test_t55_metrics_are_for_this_machine_and_not_for_what_a_proxy_brings(anonymous: httpx.AsyncClient) -> None:
    shown = await anonymous.get("/metrics")
    assert shown.status_code == 200
    assert "clarion_http_requests_total" in shown.text
    assert (await anonymous.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"})).status_code == 404


async def test_t55_with_a_metrics_key_only_the_key_opens_them(api_settings: Settings) -> None:
    with_key = replace(api_settings, metrics_key=Secret("a-metrics-key-of-ours"))
    async with (
        open_app(with_key) as app,
        serving(app) as url,
        httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as client,
    ):
        assert (await client.get("/metrics")).status_code == 404
        assert (await client.get("/metrics", headers={"Authorization": "Bearer wrong"})).status_code == 404
        right = {"Authorization": "Bearer a-metrics-key-of-ours"}
        assert (await client.get("/metrics", headers=right)).status_code == 200


async def test_health_is_told_without_a_key(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get("/health/live")).json()["data"] == {"status": "live"}
    assert (await anonymous.get("/health/ready")).json()["data"] == {"status": "ready"}


@pytest.mark.usefixtures("_standing_clock")
async def test_too_many_requests_are_answered_429_with_the_time_to_wait(api_settings: Settings) -> None:
    async with (
        open_app(replace(api_settings, requests_per_second=1)) as app,
        serving(app) as url,
        calling(app, url, "Busy") as busy,
    ):
        answers = [await busy.get("/contacts") for _ in range(4)]
        refused = [response for response in answers if response.status_code == 429]
        assert refused
        assert int(refused[0].headers["retry-after"]) >= 1
        assert refused[0].json()["error"]["code"] == "RATE_LIMITED"


def test_a_key_that_waits_may_go_on() -> None:
    now = 0.0
    pace = Pace(10, clock=lambda: now)
    key = new_id()
    for _ in range(20):
        pace.take(key)
    with pytest.raises(RateLimited) as refused:
        pace.take(key)
    assert refused.value.retry_after_s == 1
    now = 0.1
    pace.take(key)
    pace.take(new_id())


async def test_t54_nothing_private_is_logged(
    caller: Caller, anonymous: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    canary = "canary-4711@private.example"
    with capture_logs() as lines:
        made = await caller.post("/contacts", json={"email": canary, "firstName": "Canary-Given-Name"})
        await caller.get("/contacts", params={"email": canary})
        await caller.post("/contacts", content=b'{"email": "' + canary.encode())
        await caller.post("/suppressions", json={"address": canary})
        await anonymous.get("/u/canary-token-in-the-path")
        await anonymous.get(f"/nothing/{canary}", headers={"X-API-Key": "canary-key"})
    assert made.status_code == 201

    own = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("clarion"))
    assert "canary" not in json.dumps(lines, default=str).lower()
    assert "canary" not in own.lower()
    assert caller.text not in json.dumps(lines, default=str)

    done = [line for line in lines if line["event"] == "request.done"]
    assert {line["route"] for line in done} >= {"/v1/accounts/{accountGroupId}/contacts", "/u/{token}"}
    assert all(line["status"] for line in done)
