"""The devices of contacts over HTTP: registered again and again, moved, retired, brought back, erased."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.http.conftest import Caller

from clarion.bootstrap import App
from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id, new_id
from clarion.domain.outcome import Reason
from clarion.pipeline.gone import Gone, end_addresses

IOS = {"platform": "ios", "app": "com.example.shop", "token": "9f4e1d0c2b3a48576a7b8c9d0e1f2a3b"}
KEYS = {"p256dh": "B" + "A" * 86, "auth": "A" * 22}
WEB = {"platform": "web", "app": "shop.example", "token": "https://push.example.com/send/abc", **KEYS}


async def _contact(caller: Caller, email: str = "ada@mail.example") -> str:
    made = await caller.post("/contacts", json={"email": email})
    return str(made.json()["data"]["id"])


async def _devices(caller: Caller, contact: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await caller.get(f"/contacts/{contact}/devices")).json()["data"]["items"]
    return items


async def test_a_device_is_registered_once_and_moves_to_whoever_registers_it_last(
    caller: Caller, stranger: Caller
) -> None:
    ada, bob = await _contact(caller), await _contact(caller, "bob@mail.example")
    first = await caller.post(f"/contacts/{ada}/devices", json=IOS)
    again = await caller.post(f"/contacts/{ada}/devices", json=IOS)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["data"]["id"] == again.json()["data"]["id"]
    assert (await caller.post(f"/contacts/{ada}/devices", json=IOS | {"app": "com.example.other"})).status_code == 201
    assert (await caller.post(f"/contacts/{ada}/devices", json=WEB)).status_code == 201
    assert [one["platform"] for one in await _devices(caller, ada)] == ["ios", "ios", "web"]
    assert "auth" not in first.json()["data"]  # what decrypts a browser's messages stays here

    moved = await caller.post(f"/contacts/{bob}/devices", json=IOS)
    assert (moved.status_code, moved.json()["data"]["contactId"]) == (200, bob)
    assert [one["app"] for one in await _devices(caller, ada)] == ["com.example.other", "shop.example"]
    theirs = await _contact(stranger)
    assert (await stranger.post(f"/contacts/{theirs}/devices", json=IOS)).status_code == 201  # another account's own
    assert len(await _devices(caller, bob)) == 1

    device = moved.json()["data"]["id"]
    assert (await caller.delete(f"/contacts/{ada}/devices/{device}")).status_code == 404
    assert (await caller.delete(f"/contacts/{bob}/devices/{device}")).json()["data"]["deleted"]
    assert await _devices(caller, bob) == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"platform": "ios", "app": "a", "token": "not hexadecimal"}, {"token"}),
        ({"platform": "android", "app": "a", "token": "two words"}, {"token"}),
        ({"platform": "ios", "app": " ", "token": IOS["token"]}, {"app"}),
        ({**IOS, "p256dh": "x"}, {"p256dh"}),
        ({**WEB, "token": "http://push.example.com/send"}, {"token"}),
        ({**WEB, "token": "https://10.0.0.1/send"}, {"token"}),
        ({**WEB, "token": "https://localhost/send"}, {"token"}),
        ({**WEB, "p256dh": None, "auth": ""}, {"p256dh", "auth"}),
        ({**WEB, "p256dh": "AAAA"}, {"p256dh"}),
        ({**WEB, "auth": "AAAA"}, {"auth"}),
        ({"platform": "windows", "app": "a", "token": "t"}, {"platform"}),
    ],
)
async def test_what_cannot_be_a_device_is_refused_by_field(
    caller: Caller, body: dict[str, Any], fields: set[str]
) -> None:
    contact = await _contact(caller)
    answer = await caller.post(f"/contacts/{contact}/devices", json=body)
    assert answer.status_code == 422
    assert {problem["field"] for problem in answer.json()["error"]["problems"]} == fields
    assert await _devices(caller, contact) == []


async def test_a_device_is_retired_on_its_services_word_and_erased_with_its_contact(caller: Caller, app: App) -> None:
    contact = await _contact(caller)
    dead, fresh = [
        (await caller.post(f"/contacts/{contact}/devices", json=IOS | {"token": token * 32})).json()["data"]["id"]
        for token in ("a", "b")
    ]
    run_id, account_id = new_id(), caller.account.id
    async with app.database.transaction() as tx:
        for seq, device in enumerate((dead, fresh), start=1):
            await tx.connection.execute(
                "INSERT INTO delivery (run_id, seq, contact_id, device_id, state) VALUES ($1, $2, $3, $4, 'failed')",
                run_id, seq, bytes.fromhex(contact), bytes.fromhex(device),
            )  # fmt: skip
    await caller.post(f"/contacts/{contact}/devices", json=IOS | {"token": "b" * 32})  # it came back since
    told = [
        Gone(account_id, ChannelName.PUSH, run_id, seq, "", Reason.ADDRESS_UNKNOWN, "410 Unregistered")
        for seq in (1, 2)
    ]
    async with app.database.transaction() as tx:
        await end_addresses(tx, told)
    retired = {one["id"]: one["retiredReason"] for one in await _devices(caller, contact)}
    assert retired == {dead: "410 Unregistered", fresh: None}
    back = await caller.post(f"/contacts/{contact}/devices", json=IOS | {"token": "a" * 32})
    assert (back.json()["data"]["id"], back.json()["data"]["retiredAt"]) == (dead, None)

    await caller.delete(f"/contacts/{contact}")
    async with app.database.reading() as tx:
        assert await tx.devices.list_of(account_id, Id(bytes.fromhex(contact))) == []
    assert (await caller.post(f"/contacts/{contact}/devices", json=IOS)).status_code == 404


async def test_a_contact_has_at_most_a_hundred_devices(caller: Caller, app: App) -> None:
    contact = await _contact(caller)
    async with app.database.transaction() as tx:
        await tx.connection.execute(
            "INSERT INTO device (id, account_id, contact_id, platform, app, token) "
            "SELECT decode(lpad(to_hex(n), 24, '0'), 'hex'), $1, $2, 'ios', 'many', 'token' || n "
            "FROM generate_series(1, 99) AS n",
            caller.account.id, bytes.fromhex(contact),
        )  # fmt: skip
    assert (await caller.post(f"/contacts/{contact}/devices", json=IOS)).status_code == 201
    full = await caller.post(f"/contacts/{contact}/devices", json=IOS | {"app": "com.example.other"})
    assert (full.status_code, full.json()["error"]["code"]) == (409, "TOO_MANY_DEVICES")
    assert (await caller.post(f"/contacts/{contact}/devices", json=IOS)).status_code == 200
