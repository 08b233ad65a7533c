"""The links in a message, as people, mail programs and link scanners use it."""

from __future__ import annotations

import httpx
import pytest
from tests.integration.http.conftest import Caller
from tests.integration.http.test_tenancy import closed_port, freeze_all, furnish

from clarion.bootstrap import App
from clarion.domain.ids import Id
from clarion.rendering.tokens import Purpose

__all__ = ["closed_port"]

ADDRESS = "ada@lovelace.example"


@pytest.fixture
async def run_id(app: App, caller: Caller, closed_port: int) -> Id:
    """A started run whose first slice is frozen, so that delivery 1 exists."""
    run_id = Id(bytes.fromhex((await furnish(caller, closed_port))["runId"]))
    await freeze_all(app)
    return run_id


def link(app: App, caller: Caller, run_id: Id, purpose: Purpose = Purpose.UNSUBSCRIBE, seq: int = 1) -> str:
    return "/u/" + app.signer.sign(purpose, caller.account.id, run_id, seq)


async def suppressed(caller: Caller) -> list[dict[str, str]]:
    found = (await caller.get("/suppressions", params={"channel": "email", "address": ADDRESS})).json()
    items: list[dict[str, str]] = found["data"]["items"]
    return items


async def test_t28_looking_at_the_link_changes_nothing(
    app: App, caller: Caller, anonymous: httpx.AsyncClient, run_id: Id
) -> None:
    path = link(app, caller, run_id)
    for method in ("GET", "HEAD", "OPTIONS", "GET"):
        assert (await anonymous.request(method, path)).status_code < 300
    assert await suppressed(caller) == []


async def test_t28_the_page_asks_with_one_button_and_no_script(
    app: App, caller: Caller, anonymous: httpx.AsyncClient, run_id: Id
) -> None:
    page = await anonymous.get(link(app, caller, run_id))
    assert page.headers["content-type"].startswith("text/html")
    assert '<form method="post"><button type="submit">Unsubscribe</button></form>' in page.text
    assert "<script" not in page.text
    assert ADDRESS not in page.text
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"


FORM_DATA = b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--'
POSTS = {
    "application/x-www-form-urlencoded": b"List-Unsubscribe=One-Click",
    "multipart/form-data; boundary=b": FORM_DATA,
    "": b"",
}


@pytest.mark.parametrize("kind", POSTS)
async def test_t28_a_post_unsubscribes_and_a_second_one_is_answered_the_same(
    app: App, caller: Caller, anonymous: httpx.AsyncClient, run_id: Id, kind: str
) -> None:
    body = POSTS[kind]
    headers = {"Content-Type": kind} if kind else {}
    first = await anonymous.post(link(app, caller, run_id), content=body, headers=headers)
    assert first.status_code == 200
    found = await suppressed(caller)
    assert [(one["address"], one["reason"]) for one in found] == [(ADDRESS, "unsubscribed")]
    again = await anonymous.post(link(app, caller, run_id), content=body, headers=headers)
    assert (again.status_code, again.text) == (200, first.text)
    assert await suppressed(caller) == found


async def test_t27_a_token_that_is_not_ours_is_a_plain_404_and_records_nothing(
    app: App, caller: Caller, stranger: Caller, anonymous: httpx.AsyncClient, run_id: Id
) -> None:
    good = link(app, caller, run_id)
    swapped = [
        good[:index] + ("A" if good[index] != "A" else "B") + good[index + 1 :] for index in range(3, len(good), 7)
    ]
    wrong = [
        "/u/x", "/u/" + "A" * 68, good + "A", good[:-1], good[:3] + good[3:].upper(), "/u/%00", "/u/" + "x" * 5000,
        link(app, caller, run_id, Purpose.VIEW),
        link(app, stranger, run_id),
        link(app, caller, run_id, seq=4711),
        *swapped,
    ]  # fmt: skip
    for path in wrong:
        answer = await anonymous.post(path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"].startswith("text/html")
    assert await suppressed(caller) == []


async def test_a_large_body_is_refused(app: App, caller: Caller, anonymous: httpx.AsyncClient, run_id: Id) -> None:
    assert (await anonymous.post(link(app, caller, run_id), content=b"x" * 5000)).status_code == 413
    assert await suppressed(caller) == []


async def test_t51_the_web_copy_of_a_message_stands_in_a_sandbox_without_scripts(
    app: App, caller: Caller, anonymous: httpx.AsyncClient, run_id: Id
) -> None:
    shown = await anonymous.get("/v/" + app.signer.sign(Purpose.VIEW, caller.account.id, run_id, 1))
    assert shown.status_code == 200
    assert "<p>Hello</p>" in shown.text
    policy = shown.headers["content-security-policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy


async def test_t27_a_web_copy_needs_its_own_token(
    app: App, caller: Caller, stranger: Caller, anonymous: httpx.AsyncClient, run_id: Id
) -> None:
    sign = app.signer.sign
    for token in (
        sign(Purpose.UNSUBSCRIBE, caller.account.id, run_id, 1),
        sign(Purpose.VIEW, stranger.account.id, run_id, 1),
        sign(Purpose.VIEW, caller.account.id, run_id, 4711),
        "x",
    ):
        assert (await anonymous.get(f"/v/{token}")).status_code == 404
