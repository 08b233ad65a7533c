"""Senders of every provider through the API: settings and secrets are checked, kept, changed, and never shown."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.integration.http.conftest import Caller

from clarion.bootstrap import App
from clarion.domain.ids import parse_id
from clarion.domain.providers import PROVIDERS

TWILIO = {
    "name": "Texts", "provider": "twilio", "fromAddress": "+12025550123",
    "settings": {"accountSid": "AC" + "0" * 32}, "secrets": {"authToken": "made up"},
}  # fmt: skip


async def made(caller: Caller, **said: Any) -> dict[str, Any]:
    response = await caller.post("/senders", json=TWILIO | said)
    assert response.status_code == 201, response.text
    sender: dict[str, Any] = response.json()["data"]
    return sender


async def secrets_of(app: App, sender: dict[str, Any]) -> dict[str, str]:
    sender_id = parse_id(sender["id"])
    assert sender_id is not None
    async with app.database.reading() as tx:
        sealed = await tx.senders.sealed_secrets(sender_id)
    assert sealed is not None
    return msgspec.json.decode(app.sealer.open(sealed), type=dict[str, str])


async def test_a_provider_decides_the_channel_and_its_secrets_are_never_shown(caller: Caller, app: App) -> None:
    sender = await made(caller)
    assert (sender["provider"], sender["channel"], sender["host"]) == ("twilio", "sms", None)
    assert sender["settings"]["accountSid"] == "AC" + "0" * 32
    listed = (await caller.get("/senders")).text
    assert "made up" not in listed
    assert "secrets" not in sender
    assert await secrets_of(app, sender) == {"authToken": "made up"}


async def test_a_change_keeps_the_settings_and_secrets_it_does_not_name(caller: Caller, app: App) -> None:
    bird = {"provider": "bird", "settings": {}}
    kind = next(kind for name, kind in PROVIDERS.items() if name == "bird")
    sender = await made(caller, **bird, secrets={name: f"first {name}" for name in kind.secrets})
    first, *others = kind.secrets
    said = {"fromAddress": "", "settings": {"maxConnections": 3}, "secrets": {first: "second"}}
    after = await caller.patch(f"/senders/{sender['id']}", json=said)
    assert after.status_code == 200, after.text
    assert after.json()["data"]["fromAddress"] == "", "the provider chooses"
    assert after.json()["data"]["settings"] == sender["settings"] | {"maxConnections": 3}
    assert await secrets_of(app, sender) == {first: "second"} | {name: f"first {name}" for name in others}


@pytest.mark.parametrize(
    ("said", "field", "rule"),
    [
        ({"settings": {"accountSid": "AC1", "colour": "red"}}, "settings.colour", "unknown"),
        ({"settings": {}}, "settings.accountSid", "required"),
        ({"settings": {"accountSid": 7}}, "settings.accountSid", "type"),
        ({"settings": {"accountSid": "AC1", "baseUrl": "http://elsewhere.example"}}, "settings.baseUrl", "url"),
        ({"settings": {"accountSid": "AC1", "maxConnections": 0}}, "settings.maxConnections", "range"),
        ({"secrets": {}}, "secrets.authToken", "required"),
        ({"secrets": {"authToken": "x", "password": "y"}}, "secrets.password", "unknown"),
        ({"host": "127.0.0.1"}, "host", "unsupported"),
        ({"fromAddress": "far too long a name"}, "fromAddress", "originator"),
        ({"domainRates": {"mail.example": 1}}, "domainRates", "unsupported"),
        ({"sms": {"countries": ["Kenya"]}}, "sms.countries", "country"),
        ({"provider": "pigeon"}, "provider", "enum"),
        ({"provider": "smtp"}, "host", "required"),
    ],
)
async def test_what_a_provider_cannot_use_is_refused_by_name(
    caller: Caller, said: dict[str, Any], field: str, rule: str
) -> None:
    response = await caller.post("/senders", json=TWILIO | said)
    assert response.status_code == 422, response.text
    assert (field, rule) in {(one["field"], one["rule"]) for one in response.json()["error"]["problems"]}
    assert (await caller.get("/senders")).json()["data"]["items"] == []


async def test_a_sender_keeps_its_provider(caller: Caller) -> None:
    sender = await made(caller)
    response = await caller.patch(f"/senders/{sender['id']}", json={"provider": "vonage"})
    assert response.status_code == 422
    assert response.json()["error"]["problems"][0]["rule"] == "immutable"


async def test_senders_of_one_pool_send_the_same_kind_of_message(caller: Caller) -> None:
    await made(caller, pool="texts")
    await made(caller, name="More texts", pool="texts")
    relay = {"host": "127.0.0.1", "port": 25, "security": "none", "fromAddress": "news@sender.example"}
    response = await caller.post("/senders", json={"name": "Letters", "pool": "texts", **relay})
    assert response.status_code == 422
    assert response.json()["error"]["problems"][0]["field"] == "pool"
