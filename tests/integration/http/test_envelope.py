"""Every answer has the envelope, a fresh trace id and the security headers, whoever made it."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from structlog.testing import capture_logs
from tests.integration.http.conftest import Caller

TRACE = re.compile(r"[0-9a-f]{24}")
NOWHERE = "0" * 24


def assert_refused(response: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == ["success", "data", "error", "traceId"]
    assert body["success"] is False
    assert body["data"] is None
    assert body["error"]["code"] == code
    assert isinstance(body["error"]["message"], str)
    assert isinstance(body["error"]["details"], str)
    assert TRACE.fullmatch(body["traceId"])
    assert response.headers["x-trace-id"] == body["traceId"]
    return dict(body["error"])


async def test_an_unknown_path_answers_in_the_envelope(anonymous: httpx.AsyncClient) -> None:
    assert_refused(await anonymous.get("/v1/nothing/here"), 404, "NOT_FOUND")


async def test_an_unknown_method_answers_in_the_envelope_and_names_those_that_are_known(caller: Caller) -> None:
    response = await caller.http.put(caller.root + "/contacts")
    assert_refused(response, 405, "METHOD_NOT_ALLOWED")
    assert {"GET", "POST"} <= set(response.headers["allow"].replace(",", " ").split())


async def test_every_kind_of_refusal_answers_in_the_envelope(caller: Caller) -> None:
    root = caller.root
    assert_refused(await caller.get(f"/contacts/{NOWHERE}"), 404, "NOT_FOUND")
    assert_refused(await caller.post("/contacts", content=b"{", headers=JSON), 400, "VALIDATION_ERROR")
    assert_refused(await caller.post("/contacts", json={"x": 1}), 422, "VALIDATION_ERROR")
    assert_refused(await caller.post("/contacts", content=b"email=a", headers=FORM), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert_refused(await caller.post("/contacts", content=b" " * (1024 * 1024 + 1), headers=JSON), 413, "TOO_LARGE")
    assert_refused(
        await caller.http.get(root + "/contacts", headers={"Authorization": "Bearer no"}), 401, "UNAUTHENTICATED"
    )
    assert_refused(await caller.http.get(f"/v1/accounts/{NOWHERE}/contacts"), 403, "FORBIDDEN")


JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_two_requests_never_share_a_trace_id(caller: Caller) -> None:
    first, second = await caller.get("/contacts"), await caller.get("/contacts")
    assert first.headers["x-trace-id"] != second.headers["x-trace-id"]


async def test_a_bug_is_a_bare_500_and_the_log_knows_more(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    await caller.get("/contacts")  # the key is known from here on, so that only the handler meets the broken database

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail of the inside")

    monkeypatch.setattr("clarion.adapters.postgres.contacts.ContactStore.list_after", broken)
    with capture_logs() as lines:
        response = await caller.get("/contacts")
    error = assert_refused(response, 500, "INTERNAL_ERROR")
    assert error["details"] == ""
    assert "secret detail" not in response.text
    assert "Traceback" not in response.text
    failed = [line for line in lines if line["event"] == "request.failed"]
    assert isinstance(failed[0]["exc_info"], RuntimeError)


async def test_every_answer_carries_the_security_headers(anonymous: httpx.AsyncClient, caller: Caller) -> None:
    paths = ["/nothing", "/openapi.json", "/docs", "/docs/reference.css", "/u/nothing", "/health/live", "/metrics"]
    answers = [await anonymous.get(path) for path in paths]
    answers += [await caller.get("/contacts"), await caller.post("/contacts", content=b"{", headers=JSON)]
    for response in answers:
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert "script-src" not in response.headers["content-security-policy"]
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "access-control-allow-origin" not in response.headers
        assert TRACE.fullmatch(response.headers["x-trace-id"])


async def test_head_is_answered_like_get_without_a_body(caller: Caller) -> None:
    response = await caller.http.head(caller.root + "/contacts")
    assert response.status_code == 200
    assert response.content == b""


async def test_a_preflight_of_another_origin_gets_no_permission(caller: Caller) -> None:
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    response = await caller.http.options(caller.root + "/contacts", headers=headers)
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_t37_headers_beyond_16_kb_are_refused(caller: Caller) -> None:
    response = await caller.get("/contacts", headers={"X-Padding": "x" * 16_384})
    assert_refused(response, 431, "HEADERS_TOO_LARGE")


async def test_t36_what_the_caller_says_about_hosts_is_in_no_link(caller: Caller) -> None:
    letter = {"email": {"subject": "Hi", "html": "<p>Hi <a href='{{ unsubscribe_url }}'>off</a></p>"}}
    made = await caller.post("/campaigns", json={"name": "L", "category": "marketing", "message": letter})
    path = f"/campaigns/{made.json()['data']['id']}/preview"
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher"}
    seen = await caller.post(path, json={}, headers=forged)
    assert seen.status_code == 200
    assert "evil.example" not in seen.text
    assert "https://mail.sender.example/u/" in seen.text


async def test_t37_a_body_that_stalls_is_given_up(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clarion.entrypoints.http.requests.SILENCE_LIMIT_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", caller.http.base_url.port)
    head = f"POST {caller.root}/contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {caller.text}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{{".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()
    await writer.wait_closed()
