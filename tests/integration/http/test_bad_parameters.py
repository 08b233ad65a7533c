"""Ids, limits and cursors that cannot be right: refused or not found, whoever made them up."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.http.conftest import Caller

ODD_IDS = [
    "2147483648",
    "9223372036854775808",
    "-1",
    "\uff11\uff12",
    "1e3",
    "507F1F77BCF86CD799439011",
    "507f1f77bcf86cd79943901",
    "507f1f77bcf86cd7994390111",
    "00000000-0000-0000-0000-000000000000",
    "%00",
    "..",
    "'; DROP TABLE contact; --",
    "\u202e",
]


@pytest.mark.parametrize("odd", ODD_IDS)
@pytest.mark.parametrize(
    "path", ["/contacts/{}", "/groups/{}/members", "/runs/{}", "/campaigns/{}", "/suppressions/{}"]
)
async def test_t64_what_cannot_be_an_id_is_not_found(caller: Caller, path: str, odd: str) -> None:
    response = await caller.http.request(
        "DELETE" if "suppressions" in path else "GET", caller.root + path.format(odd.replace("'", "%27"))
    )
    assert response.status_code in (404, 405)
    assert response.json()["error"]["code"] in ("NOT_FOUND", "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize(
    "limit",
    ["0", "-1", "1001", "1000000000", "9" * 30, "\uff11\uff12", "1e2", " 5", "5.0", "0x5", "", "ten", "true"],
)
async def test_t65_a_limit_out_of_bounds_is_refused(caller: Caller, limit: str) -> None:
    response = await caller.get("/contacts", params={"limit": limit})
    assert response.status_code == 422
    assert response.json()["error"]["problems"][0]["field"] == "query.limit"


async def test_t65_an_edited_or_borrowed_cursor_is_refused(caller: Caller, stranger: Caller) -> None:
    for owner in (caller, stranger):
        for number in range(3):
            assert (await owner.post("/contacts", json={"externalId": f"c{number}"})).status_code == 201
    first = (await caller.get("/contacts", params={"limit": 1})).json()["data"]
    cursor = first["nextCursor"]
    second = (await caller.get("/contacts", params={"limit": 1, "cursor": cursor})).json()["data"]
    assert second["items"][0]["id"] > first["items"][0]["id"]

    foreign = (await stranger.get("/contacts", params={"limit": 1})).json()["data"]["nextCursor"]
    edited = [
        cursor[:-1] + ("A" if cursor[-1] != "A" else "B"),
        cursor + "A",
        cursor + "=",
        "x",
        foreign,
        "\uff05",
        "a" * 2048,
    ]
    for attempt in edited:
        response = await caller.get("/contacts", params={"cursor": attempt})
        assert response.status_code == 422, attempt
        assert response.json()["error"]["problems"][0]["field"] == "query.cursor"
    elsewhere = await caller.get("/groups", params={"cursor": cursor})
    assert elsewhere.status_code == 422
    filtered = await caller.get("/contacts", params={"cursor": cursor, "externalId": "c1"})
    assert filtered.status_code == 422


async def test_t65_following_cursors_shows_every_item_once(caller: Caller) -> None:
    made = [(await caller.post("/contacts", json={"externalId": f"c{n}"})).json()["data"]["id"] for n in range(7)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params: dict[str, Any] = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        data = (await caller.get("/contacts", params=params)).json()["data"]
        seen += [item["id"] for item in data["items"]]
        cursor = data["nextCursor"]
        if cursor is None:
            break
    assert seen == made


@pytest.mark.parametrize("parameters", ["limit=1&limit=2", "offset=5", "sort=email;drop", "limit=%ff", "api_key=x"])
async def test_unknown_repeated_or_garbled_parameters_are_refused(caller: Caller, parameters: str) -> None:
    assert (await caller.get(f"/contacts?{parameters}")).status_code in (400, 422)


async def test_a_path_that_nothing_can_be_at_is_not_found_with_an_idempotency_key_too(caller: Caller) -> None:
    for verb in ("pause", "test"):
        for odd in ("%00", "a%00b", "x" * 4000):
            answer = await caller.post(f"/campaigns/{odd}/{verb}", json={}, headers={"Idempotency-Key": "k-1"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND"), odd[:10]
