"""Measures how long a segment's count takes: `python tests/benchmarks/count_segment.py [contacts] [repeats]`.

Contacts are made up, imported as NDJSON by the same path as any other, and counted through the use case in an embedded
PostgreSQL with the settings it ships with. Prints the best and the median of the repeats in milliseconds, and what the
machine was doing meanwhile; a count may take 500 ms over a million contacts.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from clarion.adapters.postgres.database import PostgresDatabase, open_database
from clarion.adapters.postgres.embedded import EmbeddedServer
from clarion.adapters.postgres.migrations import migrate
from clarion.application import access, imports
from clarion.application.segments import count_segment, parse_rule
from clarion.domain.contact_import import ImportFormat
from clarion.domain.ids import Id
from clarion.pipeline.importing import merge_next

CITIES = ("Aachen", "Bergen", "Como", "Delft", "Espoo", "Faro", "Ghent", "Hull")
PLANS = ("free", "team", "business")
PIECE = 512 * 1024

Json = dict[str, Any]


def person(i: int) -> Json:
    """One made-up contact; the factor scatters the addresses as a real list does. Every other score is a text."""
    scattered = i * 2_654_435_761 % 4_294_967_296
    return {
        "email": f"person{scattered}@mail{i % 50}.example",
        "firstName": f"Given{i % 977}",
        "lastName": f"Family{i % 4999}",
        "language": ("en", "de", "pt-BR")[i % 3],
        "consent": {"email": i % 10 != 0},
        "attributes": {
            "city": CITIES[i % 8],
            "plan": PLANS[i % 3],
            "score": i % 101 if i % 2 else str(i % 101),
            "joined": f"20{10 + i % 17}-{1 + i % 12:02}-{1 + i % 28:02}T{i % 24:02}:30:00Z",
            "tags": ["vip"] if i % 20 == 0 else ["regular", "web"],
        },
    }


def pieces(first: int, last: int) -> Iterator[bytes]:
    """Yields an NDJSON file of made-up contacts in pieces."""
    encode = msgspec.json.Encoder().encode
    buffer = bytearray()
    for i in range(first, last):
        buffer += encode(person(i)) + b"\n"
        if len(buffer) >= PIECE:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)


async def fill(db: PostgresDatabase, account_id: Id, first: int, last: int, group: str) -> Id:
    """Imports contacts into a group and returns it."""
    async with db.transaction() as tx:
        opened = await imports.open_import(tx, account_id=account_id, format_=ImportFormat.NDJSON, group_name=group)
    for no, piece in enumerate(pieces(first, last)):
        async with db.transaction() as tx:
            await imports.append_chunk(tx, import_id=opened.id, no=no, body=piece)
    async with db.transaction() as tx:
        await imports.finish_receiving(tx, account_id=account_id, import_id=opened.id)
    while await merge_next(db):
        pass
    async with db.reading() as tx:
        done = await imports.get_import(tx, account_id=account_id, import_id=opened.id)
        assert done.rows_created == last - first, done
        return (await tx.groups.named(account_id, [group]))[group]


def compare(field: str, operator: str, value: object) -> Json:
    """One condition."""
    return {"field": field, "operator": operator, "value": value}


def rules(most: Id, few: Id) -> dict[str, Json]:
    """The rules to count, by what they are made of."""
    city = compare("attributes.city", "equal", "Bergen")
    plan = compare("attributes.plan", "in", ["team", "business"])
    score = compare("attributes.score", "atLeast", 40)
    joined = compare("attributes.joined", "after", "2020-01-01")
    recent = compare("createdAt", "after", {"ago": {"days": 30}})
    consent = {"consent": "email", "value": True}
    wide = {"any": [plan, score]}
    return {
        "everyone": {"everyone": True},
        "one text": city,
        "one date, in every contact": joined,
        "text + number + date": {"all": [city, score, joined]},
        "text list + number + date, each true for most": {"all": [plan, score, joined]},
        "group of most + consent + text": {"all": [{"group": most.hex()}, consent, plan]},
        "group of few + consent + text": {"all": [{"group": few.hex()}, consent, plan]},
        "not in a group + created + text": {"all": [{"not": {"group": few.hex()}}, recent, plan]},
        "search in address + in name + in list": {
            "any": [
                compare("email", "contains", "77@MAIL"),
                compare("firstName", "startsWith", "given9"),
                compare("attributes.tags", "contains", "vip"),
            ]
        },
        "nested": {"all": [{"any": [city, {"not": joined}]}, {"not": {"all": [wide, consent]}}, recent]},
    }


async def measure(url: str, contacts: int, repeats: int) -> None:
    """Fills one account and counts each rule `repeats` times."""
    await migrate(url)
    db = await open_database(url, max_size=4)
    async with db.transaction() as tx:
        account, _, _ = await access.create_account(tx, name="Benchmark")
    began = time.perf_counter()
    few = await fill(db, account.id, 0, contacts // 50, "few")
    most = await fill(db, account.id, contacts // 50, contacts, "most")
    print(f"{contacts:,} contacts in {time.perf_counter() - began:.0f} s; {os.cpu_count()} cores", flush=True)
    for name, written in rules(most, few).items():
        rule, took = parse_rule(written), []
        load = os.getloadavg()[0]
        async with db.reading() as tx:
            for _ in range(repeats):
                began = time.perf_counter()
                count = await count_segment(tx, account_id=account.id, rule=rule)
                took.append((time.perf_counter() - began) * 1000)
        figures = f"best {min(took):6.0f} ms, median {statistics.median(took):6.0f} ms, load {load:.1f}"
        print(f"{name:46} {figures}  ({count.selected:,} selected, {count.eligible:,} eligible)", flush=True)
    await db.aclose()


async def main() -> None:
    """Starts a server, measures, stops it."""
    contacts, repeats = (int(text) for text in (sys.argv[1:] + ["1000000", "7"][len(sys.argv) - 1 :])[:2])
    with tempfile.TemporaryDirectory(prefix="clarion-bench-") as place, EmbeddedServer(Path(place) / "data") as server:
        await measure(server.url, contacts, repeats)


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(main())
