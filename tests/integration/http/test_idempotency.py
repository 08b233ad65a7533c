"""A POST that is sent again with the same Idempotency-Key has its effect once and its answer every time."""

from __future__ import annotations

import asyncio

import pytest
from tests.integration.http.conftest import Caller, client_with, key_with

from clarion.adapters.postgres.replies import ReplyStore
from clarion.application.imports import open_import
from clarion.application.ports.replies import Reply, ReplyKey
from clarion.bootstrap import App
from clarion.domain.access import Permission
from clarion.domain.contact_import import ImportFormat
from clarion.entrypoints.http import operation
from clarion.pipeline.sweeping import sweep

KEY = {"Idempotency-Key": "order-4711"}


async def contacts(caller: Caller) -> int:
    return len((await caller.get("/contacts")).json()["data"]["items"])


async def test_a_repeated_post_is_replayed_byte_for_byte(caller: Caller) -> None:
    first = await caller.post("/groups", json={"name": "Readers"}, headers=KEY)
    again = await caller.post("/groups", json={"name": "Readers"}, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["x-trace-id"] != first.headers["x-trace-id"]


async def test_a_key_with_another_body_or_query_is_refused(caller: Caller) -> None:
    await caller.post("/groups", json={"name": "Readers"}, headers=KEY)
    other = await caller.post("/groups", json={"name": "Writers"}, headers=KEY)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len((await caller.get("/groups")).json()["data"]["items"]) == 1


async def test_a_refusal_is_not_kept_because_nothing_happened(caller: Caller) -> None:
    wrong = await caller.post("/contacts", json={"firstName": "Ada"}, headers=KEY)
    assert wrong.status_code == 422
    right = await caller.post("/contacts", json={"externalId": "1"}, headers=KEY)
    assert right.status_code == 201


async def test_t76_a_key_belongs_to_one_api_key_and_one_path(
    app: App, caller: Caller, stranger: Caller, base_url: str
) -> None:
    _, text = await key_with(app, caller, Permission.CONTACTS_WRITE)
    first = await caller.post("/contacts", json={"externalId": "1"}, headers=KEY)
    elsewhere = await caller.post("/groups", json={"name": "Readers"}, headers=KEY)
    other_account = await stranger.post("/contacts", json={"externalId": "1"}, headers=KEY)
    async with client_with(base_url, text) as second_key:
        other_key = await second_key.post(caller.root + "/contacts", json={"externalId": "1"}, headers=KEY)
    assert [r.status_code for r in (first, elsewhere, other_account, other_key)] == [201, 201, 201, 200]
    assert "idempotency-replayed" not in other_key.headers


@pytest.mark.parametrize("key", ["", "x" * 256, "x" * 10_240, "tab\there", "\u00e9"])
async def test_t76_a_key_that_is_not_printable_ascii_of_255_is_refused(caller: Caller, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]
    response = await caller.http.post(caller.root + "/contacts", json={"externalId": "1"}, headers=headers)
    assert response.status_code == 422
    assert response.json()["error"]["problems"][0]["field"] == "header.Idempotency-Key"
    assert await contacts(caller) == 0


async def test_t76_two_keys_on_one_request_are_refused(caller: Caller) -> None:
    headers = [(b"Idempotency-Key", b"one"), (b"Idempotency-Key", b"two")]
    assert (await caller.http.post(caller.root + "/contacts", json={}, headers=headers)).status_code == 422


async def test_the_longest_key_is_kept(caller: Caller) -> None:
    headers = {"Idempotency-Key": "k" * 255}
    first = await caller.post("/contacts", json={"externalId": "1"}, headers=headers)
    again = await caller.post("/contacts", json={"externalId": "1"}, headers=headers)
    assert again.content == first.content


async def test_f16_a_hundred_parallel_posts_make_one_object(caller: Caller) -> None:
    answers = await asyncio.gather(*(caller.post("/groups", json={"name": "Readers"}, headers=KEY) for _ in range(100)))
    created = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert len({answer.content for answer in created}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in created) == 1
    assert {(r.status_code, r.json()["error"]["code"]) for r in refused} <= {(409, "IDEMPOTENCY_IN_PROGRESS")}
    assert len((await caller.get("/groups")).json()["data"]["items"]) == 1


async def test_while_the_first_is_worked_on_the_second_is_told_so(app: App, caller: Caller) -> None:
    key = ReplyKey(caller.key.id, f"{caller.root}/groups", KEY["Idempotency-Key"])
    async with app.database.transaction() as tx:
        assert await tx.replies.hold(key)
        response = await caller.post("/groups", json={"name": "Readers"}, headers=KEY)
    assert (response.status_code, response.json()["error"]["code"]) == (409, "IDEMPOTENCY_IN_PROGRESS")
    assert (await caller.post("/groups", json={"name": "Readers"}, headers=KEY)).status_code == 201


async def test_f15_an_answer_lost_after_the_commit_is_given_again(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies between commit and answer: here the answering step fails once, after the commit."""
    answer, died = operation.respond, list[Reply]()

    def dies_once(reply: Reply) -> object:
        if not died:
            died.append(reply)
            raise RuntimeError("gone before the answer")
        return answer(reply)

    monkeypatch.setattr(operation, "respond", dies_once)
    assert (await caller.post("/groups", json={"name": "Readers"}, headers=KEY)).status_code == 500
    again = await caller.post("/groups", json={"name": "Readers"}, headers=KEY)
    assert again.status_code == 201
    assert again.content == died[0].body
    assert len((await caller.get("/groups")).json()["data"]["items"]) == 1


async def test_f14_work_undone_before_the_commit_leaves_no_reply(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, died = ReplyStore.keep, list[int]()

    async def dies_once(self: ReplyStore, *arguments: object) -> None:
        await keep(self, *arguments)  # type: ignore[arg-type]
        if not died:
            died.append(1)
            raise RuntimeError("gone before the commit")

    monkeypatch.setattr(ReplyStore, "keep", dies_once)
    assert (await caller.post("/groups", json={"name": "Readers"}, headers=KEY)).status_code == 500
    assert (await caller.get("/groups")).json()["data"]["items"] == []
    assert (await caller.post("/groups", json={"name": "Readers"}, headers=KEY)).status_code == 201


async def test_a_reply_is_replayed_for_24_hours_and_then_swept(app: App, caller: Caller) -> None:
    await caller.post("/contacts", json={"externalId": "1"}, headers=KEY)
    await _age(app, "23 hours 59 minutes")
    assert "idempotency-replayed" in (await caller.post("/contacts", json={"externalId": "1"}, headers=KEY)).headers
    await _age(app, "24 hours 1 minute")
    async with app.database.transaction() as tx:
        assert await tx.replies.sweep(1) == 1
        while await tx.replies.sweep(1000):
            pass
    late = await caller.post("/contacts", json={"externalId": "1"}, headers=KEY)
    assert late.status_code == 200
    assert "idempotency-replayed" not in late.headers


async def _age(app: App, age: str) -> None:
    async with app.database.transaction() as tx:
        await tx.connection.execute(f"UPDATE idempotency SET created_at = now() - interval '{age}'")


async def test_t76_a_worker_sweeps_old_replies_and_silent_uploads(app: App, caller: Caller) -> None:
    await caller.post("/contacts", json={"externalId": "1"}, headers=KEY)
    async with app.database.transaction() as tx:
        await open_import(tx, account_id=caller.account.id, format_=ImportFormat.CSV)
        await tx.connection.execute("UPDATE contact_import SET created_at = now() - interval '1 day'")
    await _age(app, "25 hours")
    while await sweep(app.database):
        pass
    async with app.database.reading() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM idempotency") == 0
    stored = (await caller.get("/imports")).json()["data"]["items"]
    assert [one["state"] for one in stored] == ["failed"]
