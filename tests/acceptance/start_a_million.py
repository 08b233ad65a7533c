"""One call to start a campaign for 1,000,000 contacts: how soon it answers, whether it counts right, what follows.

    python -m tests.acceptance.start_a_million                 part of `make acceptance`
    python -m tests.acceptance.start_a_million --not-vacuumed  tables as a load leaves them
    python -m tests.acceptance.start_a_million --groups 3      the same people spread over groups

The contacts are written by SQL, everything else goes over HTTP. Exits 1 when a count is wrong or a bound is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import asyncpg
from tests.acceptance.story import Client, new_client
from tests.acceptance.tap import Tap, tapped
from tests.benchmarks.rivals import null_sink
from tests.support.serving import serving

from clarion.adapters.postgres.embedded import EmbeddedServer
from clarion.domain.ids import new_id

ANSWER_S = 0.3
FIRST_MESSAGE_S = 2.0
WORKERS = 2
EMAIL = {
    "subject": "Hello {{ contact.firstName }}",
    "html": "<p>{{ contact.firstName }}, letter {{ contact.email }}</p>",
}

# Of each 200: 2 do not consent, 1 has no address, 1 is suppressed by hand; of each 1000, 1 has unsubscribed.
_CONTACTS = """
INSERT INTO contact (id, account_id, external_id, email, email_key, first_name, consent_email)
SELECT decode(lpad(to_hex(n), 24, '0'), 'hex'), $1, 'p-' || n, a.address, a.address, 'Person ' || n,
       CASE WHEN n % 100 = 0 THEN false WHEN n % 3 = 0 THEN true END
FROM generate_series(1, $2::int) AS n,
     LATERAL (SELECT CASE WHEN n % 200 <> 1 THEN 'person' || n || '@town.example' END AS address) AS a
"""
_SUPPRESSIONS = """
INSERT INTO suppression (account_id, channel, address_key, reason)
SELECT $1, 'email', 'person' || n || '@town.example', CASE WHEN n % 200 = 3 THEN 'manual' ELSE 'unsubscribed' END
FROM generate_series(1, $2::int) AS n WHERE n % 200 = 3 OR n % 1000 = 7
"""
_GROUP = "INSERT INTO contact_group (id, account_id, name) VALUES ($1, $2, $3)"
_MEMBERS = """
INSERT INTO group_member (group_id, contact_id)
SELECT $1, id FROM contact WHERE account_id = $2 AND get_byte(id, 11) % $3 = $4
"""
_LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'clarion-listen'"


def eligible(count: int) -> int:
    """Whom a marketing campaign may write to, of `count` contacts."""
    return sum(n % 100 != 0 and n % 200 not in {1, 3} and n % 1000 != 7 for n in range(1, count + 1))


def _groups(options: argparse.Namespace) -> list[str]:
    return [f"people-{number}" for number in range(options.groups)]


async def _load(connection: asyncpg.Connection[asyncpg.Record], account: bytes, count: int, groups: list[str]) -> None:
    began = time.monotonic()
    await connection.execute("SET statement_timeout = 0")
    await connection.execute(_CONTACTS, account, count, timeout=900)
    await connection.execute(_SUPPRESSIONS, account, count, timeout=900)
    for number, name in enumerate(groups):
        group = new_id()
        await connection.execute(_GROUP, group, account, name)
        await connection.execute(_MEMBERS, group, account, len(groups), number, timeout=900)
    print(f"loaded {count:,} contacts in {time.monotonic() - began:.1f} s", flush=True)


async def _until_listening(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Every worker and the API wait for news, so that the start is measured and not Python's imports."""
    while await connection.fetchval(_LISTENERS) < WORKERS + 1:
        await asyncio.sleep(0.1)


async def _until_quiet(client: Client, campaign: str) -> None:
    """Stops the campaign and waits until nothing of its run is left to do."""
    await client.post(f"/campaigns/{campaign}/stop")
    await client.run_over(campaign)


async def _start_once(client: Client, name: str, tap: Tap, options: argparse.Namespace) -> list[str]:
    """One measured start; returns what was wrong."""
    relay = {"host": "127.0.0.1", "port": tap.port, "security": "none", "fromAddress": "load@sender.example"}
    campaign = await client.campaign(name, _groups(options), relay, EMAIL)
    tap.first_data_at = None
    load, began = os.getloadavg()[0], time.monotonic()
    answer = await client.bare_post(f"/campaigns/{campaign}/start")
    answered = time.monotonic() - began
    while tap.first_data_at is None and time.monotonic() < began + 60:
        await asyncio.sleep(0.005)
    first = (tap.first_data_at or began + 60) - began
    print(f"{name}: answered in {answered * 1000:.0f} ms, first message after {first * 1000:.0f} ms (load {load:.1f})")
    faults = _counted(answer.json()["data"], options.contacts)
    faults += [f"answered in {answered:.3f} s"] if answered > ANSWER_S else []
    faults += [f"first message after {first:.3f} s"] if first > FIRST_MESSAGE_S else []
    await _until_quiet(client, campaign)
    return faults


def _counted(started: dict[str, object], count: int) -> list[str]:
    campaign = started["campaign"]
    assert isinstance(campaign, dict)
    found = (campaign["selectedLeadCount"], started["instancesCreated"], started["triggered"])
    return [] if found == (count, eligible(count), True) else [f"the start said {found}"]


async def _start_twice(client: Client, tap: Tap, options: argparse.Namespace) -> list[str]:
    """Two starts at the same moment: one run."""
    relay = {"host": "127.0.0.1", "port": tap.port, "security": "none", "fromAddress": "load@sender.example"}
    campaign = await client.campaign("two at once", _groups(options), relay, EMAIL)
    # Both connections are open before: the second start does not wait for its handshake.
    await asyncio.gather(client.get("/senders"), client.get("/groups"))
    answers = await asyncio.gather(*(client.bare_post(f"/campaigns/{campaign}/start") for _ in range(2)))
    answers.sort(key=lambda answer: answer.status_code)
    runs = (await client.get(f"/runs?campaign={campaign}"))["items"]
    refused = answers[1].json()
    print(f"two at once: {[answer.status_code for answer in answers]}, {refused['error']}, {len(runs)} run")
    faults = _counted(answers[0].json()["data"], options.contacts)
    if [answer.status_code for answer in answers] != [200, 409] or len(runs) != 1:
        faults.append("two starts at once did not give one run")
    await _until_quiet(client, campaign)
    return faults


async def perform(options: argparse.Namespace, folder: Path) -> list[str]:
    """The whole story; returns what was wrong."""
    settings = {"CLARION_PUBLIC_URL": "https://letters.example", "CLARION_WORKERS": str(WORKERS)}
    settings |= {"CLARION_LOG_LEVEL": "warning"}
    with ExitStack() as stack:
        sink = stack.enter_context(null_sink())
        tap = stack.enter_context(tapped(sink.port))
        server = stack.enter_context(serving(folder / "data", **settings))
        await asyncio.to_thread(server.until_ready)
        async with new_client(server, folder / "data", settings) as client:
            connection = await asyncpg.connect(EmbeddedServer(folder / "data").url)
            try:
                await _load(connection, bytes.fromhex(client.account), options.contacts, _groups(options))
                if not options.not_vacuumed:
                    await connection.execute("VACUUM (ANALYZE)", timeout=900)
                await _until_listening(connection)
                faults = []
                for number in range(1, options.starts + 1):
                    faults += await _start_once(client, f"start {number}", tap, options)
                return faults + await _start_twice(client, tap, options)
            finally:
                await connection.close()


def main() -> int:
    """Reads the command line, measures and says what was wrong."""
    parser = argparse.ArgumentParser(description="Starts campaigns for a million contacts.")
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--groups", type=int, default=1)
    parser.add_argument("--not-vacuumed", action="store_true", help="do not wait for what autovacuum would do")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="clarion-million-"))
    folder.chmod(0o755)
    try:
        faults = asyncio.run(perform(options, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(*(f"WRONG {fault}" for fault in faults), sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
