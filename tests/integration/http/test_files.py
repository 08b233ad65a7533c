"""Files in and out: imports streamed in, rejections and deliveries streamed out as CSV that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator

import pytest
from tests.integration.http.conftest import Caller
from tests.integration.http.test_tenancy import closed_port, freeze_all, furnish
from tests.support.stage import until

from clarion.application.ports.replies import ReplyKey
from clarion.bootstrap import App
from clarion.entrypoints.http.csv_cells import write_rows

__all__ = ["closed_port"]

CSV = {"Content-Type": "text/csv"}


async def pieces(total: int, size: int) -> AsyncIterator[bytes]:
    yield b"email,firstName\n"
    for start in range(0, total, size):
        yield b"".join(b"p%d@people.example,Person\n" % n for n in range(start, min(start + size, total)))


async def test_an_import_is_stored_as_it_streams_in_and_answered_202(app: App, caller: Caller) -> None:
    response = await caller.post("/imports", params={"group": "Crowd"}, content=pieces(100_000, 700), headers=CSV)
    assert response.status_code == 202
    data = response.json()["data"]
    assert (data["state"], data["group"], data["format"]) == ("merging", "Crowd", "csv")
    assert data["bytesReceived"] == sum(len(f"p{n}@people.example,Person\n") for n in range(100_000)) + 16
    async with app.database.reading() as tx:
        sizes = await tx.connection.fetch(
            "SELECT length(body) AS n FROM import_chunk WHERE import_id = $1 ORDER BY no", bytes.fromhex(data["id"])
        )
    assert sum(row["n"] for row in sizes) == data["bytesReceived"]
    assert len(sizes) == 3
    assert (await caller.get(f"/imports/{data['id']}")).json()["data"] == data


async def test_a_repeated_import_is_replayed_and_another_file_is_refused(caller: Caller) -> None:
    headers = {**CSV, "Idempotency-Key": "file-1"}
    first = await caller.post("/imports", content=pieces(1000, 100), headers=headers)
    again = await caller.post("/imports", content=pieces(1000, 333), headers=headers)
    other = await caller.post("/imports", content=pieces(1001, 100), headers=headers)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len((await caller.get("/imports")).json()["data"]["items"]) == 1


async def states(caller: Caller) -> list[str]:
    return [stored["state"] for stored in (await caller.get("/imports")).json()["data"]["items"]]


async def test_an_upload_that_breaks_off_is_failed_and_its_key_free_again(app: App, caller: Caller) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"email\n"
        raise ConnectionError("the client goes away")

    headers = {**CSV, "Idempotency-Key": "file-2"}
    with pytest.raises(ConnectionError):
        await caller.post("/imports", content=broken(), headers=headers)
    key = ReplyKey(caller.key.id, f"{caller.root}/imports", "file-2")

    async def is_over() -> bool:  # first the import fails, then the key is free
        async with app.database.reading() as tx:
            return await states(caller) == ["failed"] and await tx.replies.find(key) is None

    await until(is_over)
    assert (await caller.post("/imports", content=b"email\na@b.example\n", headers=headers)).status_code == 202


async def test_other_types_and_empty_files_are_refused_and_leave_no_import_waiting(caller: Caller) -> None:
    assert (await caller.post("/imports", json=[])).status_code == 415
    assert (await caller.post("/imports", content=b"", headers=CSV)).status_code == 422
    assert (await caller.post("/imports", content=b"a", headers=CSV, params={"group": ""})).status_code == 422
    assert (await caller.post("/imports", content=b"a", headers=CSV, params={"gruop": "x"})).status_code == 422
    assert await states(caller) == ["failed"]


def read(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode(), newline="")))


async def test_t70_rejections_are_csv_that_no_spreadsheet_runs(app: App, caller: Caller) -> None:
    upload = await caller.post("/imports", content=b"email\na@b.example\n", headers=CSV)
    import_id = upload.json()["data"]["id"]
    async with app.database.transaction() as tx:
        await tx.connection.execute(
            "INSERT INTO import_rejection SELECT $1, n, '=cmd()', 'email', '@SUM(A1) \"' || n || '\"' "
            "FROM generate_series(1, 2500) AS n",
            bytes.fromhex(import_id),
        )
    answer = await caller.get(f"/imports/{import_id}/rejections")
    rows = read(answer.content)
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert rows[0] == ["row", "field", "rule", "message"]
    assert rows[1] == ["1", "'=cmd()", "email", '\'@SUM(A1) "1"']
    assert [int(row[0]) for row in rows[1:]] == list(range(1, 2501))
    raw = read((await caller.get(f"/imports/{import_id}/rejections", params={"raw": "true"})).content)
    assert raw[1][1] == "=cmd()"


async def test_t70_deliveries_are_listed_and_downloaded(app: App, caller: Caller, closed_port: int) -> None:
    run_id = (await furnish(caller, closed_port))["runId"]
    await freeze_all(app)
    async with app.database.transaction() as tx:
        await tx.connection.execute(
            "UPDATE delivery SET reply = '=HYPERLINK(\"http://x.example\")' WHERE run_id = $1", bytes.fromhex(run_id)
        )
    listed = (await caller.get(f"/runs/{run_id}/deliveries", params={"state": "pending"})).json()["data"]["items"]
    assert [one["id"] for one in listed] == [f"{run_id}-1"]
    for downloaded in (
        await caller.get(f"/runs/{run_id}/deliveries", params={"format": "csv"}),
        await caller.get(f"/runs/{run_id}/deliveries", headers={"Accept": "text/csv"}),
    ):
        header, row = read(downloaded.content)
        assert downloaded.headers["content-type"] == "text/csv; header=present; charset=utf-8"
        assert dict(zip(header, row, strict=True))["reply"] == '\'=HYPERLINK("http://x.example")'
        assert dict(zip(header, row, strict=True))["address"] == "ada@lovelace.example"
    one = (await caller.get(f"/runs/{run_id}/deliveries/{run_id}-1")).json()["data"]
    assert one["earlierAttempts"] == []
    assert (await caller.get(f"/runs/{run_id}/deliveries", params={"state": "sent"})).json()["data"]["items"] == []
    assert (await caller.get(f"/runs/{run_id}/deliveries", params={"state": "lost"})).status_code == 422
    assert (await caller.get(f"/runs/{run_id}/deliveries/{'0' * 24}-1")).status_code == 404


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_t70_text_that_a_spreadsheet_would_run_is_disarmed(start: str) -> None:
    assert read(write_rows([[f"{start}1+1", -5, None, 'a,b\n"c"']])) == [[f"'{start}1+1", "-5", "", 'a,b\n"c"']]
