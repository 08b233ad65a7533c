"""The push benchmark: personalised push messages through the real pipeline to a stand-in for APNs, on one machine.

    python -m tests.benchmarks.push                      50,000 devices, one worker, one connection pool
    python -m tests.benchmarks.push --workers 2

The stand-in speaks HTTP/2 over TLS, checks the provider token's signature, the headers and the payload of every
request, and counts what it took by device. Times come from the database's own rows; prints a table and one JSON line,
and fails when anybody is missing or was written to twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.benchmarks import one_channel
from tests.benchmarks.meters import CpuMeter
from tests.benchmarks.one_channel import print_costs, states_of, until_over
from tests.benchmarks.pipeline import until_listening
from tests.benchmarks.workers import Workers
from tests.conftest import TEST_KEY
from tests.support import scene
from tests.support.apns_server import ApnsServer
from tests.support.certificates import Certificates, make_certificates
from tests.support.database import opened
from tests.support.push_providers import pem

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.adapters.postgres.embedded import EmbeddedServer
from clarion.adapters.postgres.migrations import migrate
from clarion.adapters.sealing import AesSealer, KeyRing
from clarion.application.campaign_draft import CampaignDraft
from clarion.domain.campaign import Category
from clarion.domain.content import PushContent
from clarion.domain.ids import new_id
from clarion.domain.providers.push import Apns
from clarion.domain.sender import Sender
from clarion.setting_rules import decode_key

APP: Final = "shop"
MESSAGE: Final = PushContent(
    title="Hello {{ contact.firstName }}",
    body="Your order {{ contact.externalId }} from {{ contact.attributes.city }} is on its way",
    action_url="https://shop.example/orders/{{ contact.externalId }}",
    extras={"order": "{{ contact.externalId }}"},
)

_CONTACTS = """
INSERT INTO contact (id, account_id, external_id, first_name, attributes)
SELECT decode(lpad(to_hex(n), 24, '0'), 'hex'), $1, 'load-' || n,
       (ARRAY['Alna', 'Brick', 'Corra', 'Daniel', 'Elbel', 'Finna', 'Grétya'])[1 + n % 7],
       jsonb_build_object('city', (ARRAY['Northmere', 'Lindenau', 'Clairval'])[1 + n % 3])
FROM generate_series(1, $2::int) AS n
"""
_DEVICES = """
INSERT INTO device (id, account_id, contact_id, platform, app, token)
SELECT id, account_id, id, 'ios', 'shop', encode(sha256(id), 'hex') FROM contact WHERE account_id = $1 LIMIT $2::int
"""
_TIMES = """
SELECT extract(epoch FROM max(changed_at) - min(changed_at)) AS first_to_last_s,
       extract(epoch FROM max(changed_at) - (SELECT started_at FROM run WHERE id = $1)) AS from_start_s
FROM delivery WHERE run_id = $1 AND state = 'sent'
"""


@dataclass(slots=True)
class StandIn:
    """APNs as a process; `books` is what it said when it ended."""

    process: subprocess.Popen[str]
    port: int
    books: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """One run: times in seconds, CPU in microseconds a message."""

    states: dict[str, int]
    first_to_last_s: float
    from_start_s: float
    cpu_us: dict[str, float]

    @property
    def sent(self) -> int:
        return self.states.get("sent", 0)


@contextmanager
def stand_in(key: ec.EllipticCurvePrivateKey, certificates: Certificates, folder: Path) -> Iterator[StandIn]:
    """Runs the stand-in for the block, and then asks for its books."""
    key_file = folder / "push-key.pem"
    key_file.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    files = [str(part) for part in (key_file, certificates.certificate_file, certificates.key_file)]
    command = [sys.executable, "-m", "tests.support.apns_process", *files]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = StandIn(process, int(process.stdout.readline()))
        yield found
        process.terminate()
        found.books = json.loads(process.communicate(timeout=30)[0])
    finally:
        process.kill()
        process.wait(10)


async def build(database: PostgresDatabase, recipients: int, provider: Apns, private_key: str) -> scene.Scene:
    """Makes everything up to a campaign whose sender speaks to the stand-in."""
    ring = KeyRing([decode_key(TEST_KEY)])
    sealed = AesSealer(ring.subkeys("sealing"), ring.current).seal(json.dumps({"privateKey": private_key}).encode())
    now = datetime.now(UTC)
    sender = Sender(
        id=new_id(), name="APNs", provider=provider, from_address="", rate_per_second=None,
        created_at=now, updated_at=now,
    )  # fmt: skip
    draft = CampaignDraft(name="Load", category=Category.MARKETING, push_sender_ids=[sender.id.hex()], push=MESSAGE)
    people = [_CONTACTS, _DEVICES]
    return await one_channel.build(database, recipients, people, sender=sender, draft=draft, sealed=sealed)


async def send(server: EmbeddedServer, far_side: StandIn, options: argparse.Namespace, folder: Path) -> Result:
    """Starts the workers and the campaign, and waits for its end."""
    await migrate(server.url)
    plain = ApnsServer(options.key.public_key())
    provider = Apns(
        app=APP,
        topic=plain.topic,
        team_id=plain.team_id,
        key_id=plain.key_id,
        base_url=f"https://127.0.0.1:{far_side.port}",
        max_connections=options.connections,
        ca_file=str(options.certificates.ca_file),
    )
    env = {
        "CLARION_DATABASE_URL": server.url,
        "CLARION_DATA_DIR": str(folder / "workers"),
        "CLARION_SECRET_KEY": TEST_KEY,
        "CLARION_LOG_LEVEL": "warning",
    }
    async with opened(server.url) as database:
        stage = await build(database, options.recipients, provider, pem(options.key))
        with Workers(options.workers, env, folder / "workers.log") as workers:
            assert server.pid is not None
            await until_listening(server.url, options.workers)
            groups = {"workers": workers.worker_pids, "scheduler": workers.pids[-1:]}
            meter = CpuMeter(groups | {"database": [server.pid], "stand-in": [far_side.process.pid]})
            run_id = await scene.start(database, stage)
            connection = await asyncpg.connect(server.url)
            try:
                await until_over(connection, run_id)
                cpu = meter.read()
                states = await states_of(connection, run_id)
                times = await connection.fetchrow(_TIMES, run_id)
            finally:
                await connection.close()
    assert times is not None
    return Result(
        states=states,
        first_to_last_s=float(times["first_to_last_s"] or 0),
        from_start_s=float(times["from_start_s"] or 0),
        cpu_us={name: seconds / options.recipients * 1e6 for name, seconds in cpu.items()},
    )


def report(result: Result, books: dict[str, Any], options: argparse.Namespace) -> dict[str, object]:
    """Prints the table and returns what the JSON line says."""
    rate = result.sent / result.first_to_last_s
    print(f"\nClarion, {options.workers} worker(s), to APNs over HTTP/2 and TLS")
    print(f"  first to last acceptance  {rate:10,.0f} messages/s  ({result.first_to_last_s:.1f} s)")
    print(f"  from the start            {result.sent / result.from_start_s:10,.0f} messages/s")
    print_costs(result.cpu_us, result.states)
    print(f"  the stand-in: {json.dumps(books)}")
    return {
        "recipients": options.recipients,
        "workers": options.workers,
        "rate": round(rate),
        "rate_from_start": round(result.sent / result.from_start_s),
        "cpu_us": {name: round(cpu, 1) for name, cpu in result.cpu_us.items()},
        "states": result.states,
        "stand_in": books,
    }


def main() -> int:
    """Reads the command line and runs the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.push")
    parser.add_argument("--recipients", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--connections", type=int, default=2, help="of each worker's one pool")
    options = parser.parse_args()
    options.key = ec.generate_private_key(ec.SECP256R1())
    with tempfile.TemporaryDirectory(prefix="clarion-bench-") as name:
        folder = Path(name)
        options.certificates = make_certificates(folder)
        with (
            stand_in(options.key, options.certificates, folder) as far_side,
            EmbeddedServer(folder / "data") as server,
        ):
            result = asyncio.run(send(server, far_side, options, folder))
    books = far_side.books
    print(json.dumps(report(result, books, options)))
    is_whole = result.sent == books["taken"] == books["devices"] == options.recipients
    return int(not is_whole or bool(books["twice"] or books["complaints"]))


if __name__ == "__main__":
    sys.exit(main())
