"""Measures an import end to end: `python tests/benchmarks/import_contacts.py [rows]`.

The file is made up row by row, stored in pieces and merged by this process into an embedded PostgreSQL with fsync on.
Prints rows per second for receiving, merging and both, this process's peak memory, and the longest time its event loop
was held up.
"""

from __future__ import annotations

import asyncio
import itertools
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from clarion.adapters.postgres.database import PostgresDatabase, open_database
from clarion.adapters.postgres.embedded import EmbeddedServer
from clarion.adapters.postgres.migrations import migrate
from clarion.application import access, imports
from clarion.domain.contact_import import Import, ImportFormat
from clarion.domain.ids import Id
from clarion.pipeline.importing import merge_next

CITIES = ("Aachen", "Bergen", "Como", "Delft", "Espoo", "Faro", "Ghent", "Hull")
PLANS = ("free", "team", "business")
PIECE = 512 * 1024


def pieces(rows: int) -> Iterator[bytes]:
    """Yields a CSV file of made-up contacts in pieces."""
    lines = itertools.chain(["email,First Name,Last Name,city,plan,score"], map(line, range(rows)))
    buffer: list[str] = []
    size = 0
    for text in lines:
        buffer.append(text)
        size += len(text) + 2
        if size >= PIECE:
            yield "\r\n".join([*buffer, ""]).encode()
            buffer.clear()
            size = 0
    yield "\r\n".join([*buffer, ""]).encode()


def line(i: int) -> str:
    """One made-up contact; the factor scatters the addresses as a real list does."""
    scattered = i * 2_654_435_761 % 4_294_967_296
    name = f"Given{i % 977},Family{i % 4999}"
    return f"person{scattered}@mail{i % 50}.example,{name},{CITIES[i % 8]},{PLANS[i % 3]},{i % 101}"


async def receive(db: PostgresDatabase, account_id: Id, rows: int) -> Import:
    """Stores the file as the HTTP edge does."""
    async with db.transaction() as tx:
        opened = await imports.open_import(tx, account_id=account_id, format_=ImportFormat.CSV, group_name="everyone")
    for no, piece in enumerate(pieces(rows)):
        async with db.transaction() as tx:
            await imports.append_chunk(tx, import_id=opened.id, no=no, body=piece)
    async with db.transaction() as tx:
        return await imports.finish_receiving(tx, account_id=account_id, import_id=opened.id)


async def watch_loop(worst: list[float]) -> None:
    """Notes the longest time a 1 ms nap was late."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        worst[0] = max(worst[0], time.perf_counter() - before - 0.001)


async def measure(url: str, rows: int) -> None:
    """Runs the import twice: into an empty account, then again over the same contacts."""
    await migrate(url)
    db = await open_database(url, max_size=4)
    async with db.transaction() as tx:
        account, _, _ = await access.create_account(tx, name="Benchmark")
    for what in ("new", "again"):
        started = time.perf_counter()
        opened = await receive(db, account.id, rows)
        received = time.perf_counter()
        worst, cpu = [0.0], time.process_time()
        watcher = asyncio.create_task(watch_loop(worst))
        await merge_next(db)
        ended = time.perf_counter()
        watcher.cancel()
        cpu = (time.process_time() - cpu) / rows * 1e6
        async with db.reading() as session:
            done = await imports.get_import(session, account_id=account.id, import_id=opened.id)
        print(f"{what}: {done.state} read={done.rows_read} created={done.rows_created} updated={done.rows_updated}")
        print(
            f"  receive {rows / (received - started):,.0f} rows/s, merge {rows / (ended - received):,.0f} rows/s, ",
            end="",
        )
        print(f"end to end {rows / (ended - started):,.0f} rows/s in {ended - started:.1f} s")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"  peak memory {peak:.0f} MB, event loop held up {worst[0] * 1000:.0f} ms at most, ", end="")
        print(f"merging took {cpu:.1f} us of this process's CPU a row", flush=True)
    await db.aclose()


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(prefix="clarion-bench-") as place, EmbeddedServer(Path(place) / "data") as server:
        uvloop.run(measure(server.url, count))
