"""What cannot be read or stored is refused at the edge with its place and its rule, and changes nothing."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from tests.integration.http.conftest import Caller

JSON = {"Content-Type": "application/json"}
EMAIL = "ada@lovelace.example"


async def refusal(caller: Caller, body: bytes, path: str = "/contacts") -> tuple[int, list[dict[str, str]]]:
    response = await caller.post(path, content=body, headers=JSON)
    error = response.json()["error"]
    assert error["code"] == "VALIDATION_ERROR"
    return response.status_code, error["problems"]


async def count(caller: Caller) -> int:
    return len((await caller.get("/contacts")).json()["data"]["items"])


async def test_t60_nul_in_text_is_refused_with_its_place(caller: Caller) -> None:
    body = json.dumps({"email": EMAIL, "attributes": {"notes": ["fine", "a\0b"]}}).encode()
    assert await refusal(caller, body) == (
        422,
        [{"field": "attributes.notes[1]", "rule": "nul", "message": "contains the NUL character"}],
    )
    assert await count(caller) == 0


async def test_t60_nul_in_a_key_is_refused(caller: Caller) -> None:
    status, problems = await refusal(caller, b'{"email": "ada@lovelace.example", "attributes": {"a\\u0000": 1}}')
    assert (status, problems[0]["rule"]) == (422, "nul")


async def test_t60_nul_in_the_query_is_refused(caller: Caller) -> None:
    response = await caller.get("/contacts?externalId=a%00b")
    assert response.status_code == 422
    assert response.json()["error"]["problems"][0] == {
        "field": "query.externalId",
        "rule": "nul",
        "message": "contains the NUL character",
    }


@pytest.mark.parametrize("escape", ["\\ud800", "\\udfff", "x\\ud83dx", "\\udc00\\ud800"])
async def test_t61_half_a_surrogate_pair_is_refused(caller: Caller, escape: str) -> None:
    body = f'{{"email": "{EMAIL}", "firstName": "{escape}"}}'.encode()
    status, problems = await refusal(caller, body)
    assert (status, problems[0]["field"], problems[0]["rule"]) == (422, "firstName", "surrogate")


async def test_t61_half_a_surrogate_pair_in_a_key_is_refused_without_stumbling_over_its_own_answer(
    caller: Caller,
) -> None:
    status, problems = await refusal(caller, b'{"attributes": {"\\ud800": "\\ud800"}}')
    assert (status, problems[-1]["rule"]) == (422, "surrogate")


async def test_t61_a_whole_surrogate_pair_is_a_character(caller: Caller) -> None:
    response = await caller.post(
        "/contacts", content=b'{"email": "a@b.example", "firstName": "\\ud83d\\ude00"}', headers=JSON
    )
    assert response.json()["data"]["firstName"] == "\U0001f600"


@pytest.mark.parametrize(
    ("number", "rule"),
    [
        ("NaN", "number"),
        ("Infinity", "number"),
        ("-Infinity", "number"),
        ("1e400", "number"),
        ("-1e400", "number"),
        ("9" * 5000, "number"),
        ("9223372036854775808", "number"),
        ("01", "json"),
        ("0x10", "json"),
        ("+1", "json"),
        (".5", "json"),
    ],
)
async def test_t62_numbers_others_would_read_differently_are_refused(caller: Caller, number: str, rule: str) -> None:
    body = f'{{"email": "{EMAIL}", "attributes": {{"n": {number}}}}}'.encode()
    status, problems = await refusal(caller, body)
    assert (status, problems[0]["rule"]) == (400, rule)
    assert await count(caller) == 0


async def test_t62_the_largest_whole_number_is_kept_exactly(caller: Caller) -> None:
    contact = {"email": EMAIL, "attributes": {"n": 2**63 - 1, "m": -(2**63)}}
    response = await caller.post("/contacts", json=contact)
    assert response.json()["data"]["attributes"] == {"n": 2**63 - 1, "m": -(2**63)}


@pytest.mark.parametrize(
    "body", [b'{"email": "a@b.example", "email": "c@d.example"}', b'{"attributes": {"x": 1, "x": 1}}']
)
async def test_t62_a_key_twice_is_refused(caller: Caller, body: bytes) -> None:
    status, problems = await refusal(caller, body)
    assert (status, problems[0]["rule"]) == (400, "duplicateKey")


@pytest.mark.parametrize("bracket", [b"[", b'{"a":'])
async def test_t63_deep_json_is_refused_before_its_end_is_read(caller: Caller, bracket: bytes) -> None:
    status, problems = await refusal(caller, bracket * 100_000 + b"which is no JSON")
    assert (status, problems[0]["rule"]) == (400, "maxDepth")


async def test_t63_depth_32_is_read_and_33_is_not(caller: Caller) -> None:
    status, problems = await refusal(caller, b"[" * 33 + b"]" * 33)
    assert (status, problems[0]["rule"]) == (400, "maxDepth")
    status, problems = await refusal(caller, b"[" * 32 + b"]" * 32)
    assert (status, problems[0]["rule"]) == (400, "type")


@pytest.mark.parametrize(
    "field",
    ["id", "accountId", "tenant_id", "createdAt", "updatedAt", "deletedAt", "is_admin", "emailKey", "sent_count"],
)
async def test_t42_fields_that_are_not_the_callers_to_set_are_refused(caller: Caller, field: str) -> None:
    for path in ("/contacts", "/groups", "/campaigns", "/senders", "/keys", "/suppressions"):
        status, problems = await refusal(caller, json.dumps({field: "x"}).encode(), path)
        assert status in (400, 422)
        assert {"field": field, "rule": "unknown", "message": "is not a known field"} in problems


async def test_all_mistakes_are_named_at_once(caller: Caller) -> None:
    body = {
        "name": "",
        "category": "spam",
        "audience": {"groups": [1], "rows": 5},
        "nmae": "x",
        "message": {"email": {"subject": 3}},
    }
    status, problems = await refusal(caller, json.dumps(body).encode(), "/campaigns")
    assert status == 400
    assert {(p["field"], p["rule"]) for p in problems} == {
        ("name", "minLength"),
        ("category", "enum"),
        ("audience.groups[0]", "type"),
        ("audience.rows", "unknown"),
        ("nmae", "unknown"),
        ("message.email.subject", "type"),
        ("message.email.html", "required"),
    }


async def test_who_breaks_a_list_of_words_or_gives_no_id_is_told_what_is_asked_for(caller: Caller) -> None:
    said = {"name": "Spring", "category": "loud", "channelOrder": ["fax"], "senderId": "relay"}
    answer = (await caller.post("/campaigns", json=said)).json()
    assert {problem["field"]: problem["message"] for problem in answer["error"]["problems"]} == {
        "category": "must be one of marketing, transactional",
        "channelOrder[0]": "must be one of email, sms, push",
        "senderId": "must be an id of 24 hexadecimal digits",
    }


async def test_a_refused_value_is_not_told_back_at_length(caller: Caller) -> None:
    for body in ({"category": "x" * 100_000}, {"audience": {"groups": ["x" * 100_000]}}, {"x" * 100_000: 1}):
        answer = await caller.post("/campaigns", json=body)
        assert answer.status_code in (400, 422)
        assert len(answer.content) < 5000


async def test_a_body_is_refused_before_it_is_read_when_its_length_says_so(caller: Caller) -> None:
    response = await caller.post("/contacts", content=b" " * (1024 * 1024 + 1), headers=JSON)
    assert response.status_code == 413


async def test_a_body_without_a_length_is_counted(caller: Caller) -> None:
    async def pieces() -> Any:
        for _ in range(200):
            yield b" " * 8192

    response = await caller.post("/contacts", content=pieces(), headers=JSON)
    assert response.status_code == 413


@pytest.mark.parametrize(
    "body", [b"\xff\xfe{\x00}\x00", b"\xed\xa0\x80", b"\xef\xbb\xbf{}", b"{}{}", b"{'a': 1}", b"not json"]
)
async def test_what_is_not_json_is_malformed(caller: Caller, body: bytes) -> None:
    status, problems = await refusal(caller, body)
    assert (status, problems[0]["field"]) == (400, "body")


@pytest.mark.parametrize("kind", ["", "text/plain", "application/xml", "multipart/form-data; boundary=x"])
async def test_other_content_types_are_not_read(caller: Caller, kind: str) -> None:
    response = await caller.post("/contacts", content=b"{}", headers={"Content-Type": kind})
    assert response.status_code == 415


async def test_a_compressed_body_is_refused_as_such(caller: Caller) -> None:
    for path, kind in (("/contacts", "application/json"), ("/imports", "text/csv")):
        headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
        response = await caller.post(path, content=gzip.compress(b"email\na@b.example\n"), headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_an_unknown_object_is_told_before_a_mistake_in_the_body(caller: Caller) -> None:
    response = await caller.patch(f"/campaigns/{'0' * 24}", json={"unknown": 1})
    assert response.status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "field", "rule"),
    [
        ("/keys", {"name": "k", "permissions": []}, "permissions", "minItems"),
        ("/suppressions/import", {"addresses": ["a@x.example"] * 10_001}, "addresses", "maxItems"),
        ("/senders", {"ratePerSecond": 1e-320}, "ratePerSecond", "minimum"),
        ("/senders", {"port": 65536}, "port", "maximum"),
        ("/campaigns", {"name": "x" * 256}, "name", "maxLength"),
    ],
)
async def test_a_broken_limit_is_named_as_json_schema_names_it(
    caller: Caller, path: str, body: dict[str, Any], field: str, rule: str
) -> None:
    _, problems = await refusal(caller, json.dumps(body).encode(), path)
    assert (field, rule) in {(problem["field"], problem["rule"]) for problem in problems}


async def test_more_parameters_than_any_path_has_are_refused_as_such(caller: Caller) -> None:
    response = await caller.get("/contacts?" + "&".join(f"a{n}=1" for n in range(51)))
    assert response.status_code == 400
    assert response.json()["error"]["problems"][0]["rule"] == "maxProperties"


@pytest.mark.parametrize("field", ["username", "password"])
async def test_a_login_with_a_line_break_is_refused(caller: Caller, field: str) -> None:
    login = {"username": "u", "password": "p", field: "a\r\nRSET"}
    sender = {"name": "S", "host": "127.0.0.1", "port": 25, "security": "none", "fromAddress": "a@x.example", **login}
    status, problems = await refusal(caller, json.dumps(sender).encode(), "/senders")
    assert (status, problems[0]["field"], problems[0]["rule"]) == (422, field, "pattern")


async def test_an_empty_language_is_no_language(caller: Caller) -> None:
    body = {"name": "L", "category": "marketing", "outreachLanguage": ""}
    status, problems = await refusal(caller, json.dumps(body).encode(), "/campaigns")
    assert (status, problems[0]["field"]) == (422, "outreachLanguage")
