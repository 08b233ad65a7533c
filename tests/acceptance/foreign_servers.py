"""50,000 awkward readers through the HTTP API to mail servers nobody here wrote; every message is read back.

    make acceptance                                            everything that is installed here
    python -m tests.acceptance.foreign_servers --readers 2000  a quick look

Postfix's `smtp-sink` dumps what it gets behind a tap on the wire; a real Postfix (STARTTLS, then TLS from the start,
both with AUTH) stores it in a maildir. Prints a table; exits 1 when anything at all is not as it must be.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.acceptance.proof import FROM_ADDRESS, FROM_NAME, MAILBOX, PUBLIC_URL, Expected, Findings, read
from tests.acceptance.readers import GROUPS, HTML, SUBJECT, TEXT, Reader, as_csv, group_of, readers
from tests.acceptance.story import Client, new_client
from tests.acceptance.tap import Tap, tapped
from tests.benchmarks.rivals import program
from tests.conftest import TEST_KEY
from tests.support.ports import free_port, until_listening
from tests.support.postfix import NAME, WORD, Postfix, running_postfix, why_not
from tests.support.serving import serving

from clarion.adapters.sealing import KeyRing
from clarion.rendering.tokens import TokenSigner

CLICKS = 20
Mail = tuple[bytes, list[str], str]
Reading = Callable[[Path], Iterator[Mail]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One campaign to one server."""

    name: str
    groups: tuple[str, ...]
    relay: dict[str, object]
    text: str | None
    received: Callable[[], Iterator[Mail]]
    """What the server holds of it, once the run is over; taken away as it is read."""
    count: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended."""

    name: str
    audience: int
    sent: int
    skipped: int
    seconds: float
    findings: Findings


def _dumped(folder: Path) -> Iterator[Mail]:
    """The files of `smtp-sink -d`: its own headers (the envelope), the message, an empty line."""
    for path in folder.rglob("m.*"):
        raw = path.read_bytes()
        own = raw.partition(b"\nReceived: ")[0].decode().split("\n")
        words = {key: [line[len(key) :].split()[0].strip("<>") for line in own if line.startswith(key)]
                 for key in ("X-Rcpt-Args: ", "X-Mail-Args: ")}  # fmt: skip
        yield raw, words["X-Rcpt-Args: "], words["X-Mail-Args: "][0]
        path.unlink()


def _stored(folder: Path) -> Iterator[Mail]:
    """The files of a maildir; the server notes the envelope in three headers on top."""
    for path in (folder / "everyone" / "new").iterdir():
        raw = path.read_bytes()
        own = raw.partition(b"\nReceived: ")[0].decode().split("\n")
        noted = dict(line.split(": ", 1) for line in own)
        yield raw, [noted["X-Original-To"]], noted["Return-Path"].strip("<>")
        path.unlink()


def _files(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))


@contextmanager
def _smtp_sink(folder: Path) -> Iterator[Tap]:
    """`smtp-sink` that dumps each message into a file, behind a tap."""
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    port = free_port()
    rights = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [program("smtp-sink") or "", *rights, "-d", f"{folder}/%H%M/m.", f"127.0.0.1:{port}", "200"]
    process = subprocess.Popen(command)
    try:
        until_listening(port)
        with tapped(port) as tap:
            yield tap
    finally:
        process.terminate()
        process.wait(10)


def _acts(folder: Path, tap: Tap | None, postfix: Postfix | None, connections: int) -> list[Act]:
    base: dict[str, object] = {
        "host": "127.0.0.1", "fromAddress": f"{FROM_NAME} <{FROM_ADDRESS}>", "maxConnections": connections,
    }  # fmt: skip
    acts = []
    if tap:
        sink = folder / "sink"
        relay = base | {"port": tap.port, "security": "none"}
        acts.append(_act("smtp-sink", GROUPS, relay, TEXT, (_dumped, sink)))
    if postfix:
        mail, login = folder / "mail", {"username": NAME, "password": WORD}
        starttls = base | login | {"port": postfix.starttls_port, "security": "starttls"}
        tls = base | login | {"port": postfix.tls_port, "security": "tls"}
        acts.append(_act("Postfix, STARTTLS and AUTH", GROUPS, starttls, None, (_stored, mail)))
        acts.append(_act("Postfix, TLS and AUTH", GROUPS[1:], tls, TEXT, (_stored, mail)))
    return acts


def _act(
    name: str, groups: tuple[str, ...], relay: dict[str, object], text: str | None, mail: tuple[Reading, Path]
) -> Act:
    reading, folder = mail
    return Act(
        name=name,
        groups=groups,
        relay=relay,
        text=text,
        received=lambda: reading(folder),
        count=lambda: _files(folder),
    )


async def _perform(client: Client, act: Act, people: list[Reader]) -> Outcome:
    """Sends the campaign, waits until the server holds it all, reads it back and compares it with the report."""
    email = {"subject": SUBJECT, "html": HTML} | ({"text": act.text} if act.text else {})
    campaign = await client.campaign(act.name, list(act.groups), act.relay, email)
    started = await client.post(f"/campaigns/{campaign}/start")
    run = await client.run_over(campaign)
    audience = {one.mailbox: one for one in people if group_of(one) in act.groups}
    expected = Expected(
        run_id=run["id"],
        account_id=client.account,
        started_at=datetime.fromisoformat(run["startedAt"]),
        finished_at=datetime.fromisoformat(run["finishedAt"]),
        by_mailbox=audience,
        ledger=await _ledger(client, run["id"]),
        signer=_signer(),
        is_text_derived=act.text is None,
    )
    findings = Findings()
    print(f"{act.name}: the run is over; waiting for the server and reading back", flush=True)
    await _until_settled(act, run["counts"]["sent"])
    await asyncio.to_thread(_read_all, act, expected, findings)
    _compare(run, started, audience, findings)
    await _click(client, findings)
    seconds = (expected.finished_at - expected.started_at).total_seconds()
    return Outcome(act.name, run["selectedCount"], run["counts"]["sent"], run["counts"]["skipped"], seconds, findings)


def _signer() -> TokenSigner:
    ring = KeyRing([b64decode(TEST_KEY)])
    return TokenSigner(ring.subkeys("links"), ring.current)


async def _ledger(client: Client, run_id: str) -> dict[str, str]:
    answer = await client.http.get(f"{client.base}/runs/{run_id}/deliveries?format=csv&raw=true&state=sent")
    return {row["id"]: row["address"] for row in csv.DictReader(io.StringIO(answer.text))}


async def _until_settled(act: Act, sent: int, patience_s: float = 900.0) -> None:
    """A server that has answered 250 may still be writing: it holds everything once the count stays."""
    ends_at = time.monotonic() + patience_s
    while act.count() < sent and time.monotonic() < ends_at:
        await asyncio.sleep(1)


def _read_all(act: Act, expected: Expected, findings: Findings) -> None:
    for raw, recipients, mail_from in act.received():
        read(raw, recipients, mail_from, expected, findings)


def _compare(run: dict[str, Any], started: dict[str, Any], audience: dict[str, Reader], findings: Findings) -> None:
    """Sent is received, received is whoever consents, nobody twice."""
    willing = {mailbox for mailbox, one in audience.items() if one.consents}
    findings.equal("everyone who consents, and no one else", set(findings.addresses) ^ willing, set())
    findings.equal("once each", sum(findings.addresses.values()), len(willing))
    findings.equal("distinct Message-IDs", len(findings.message_ids), len(willing))
    findings.equal("audience", (run["selectedCount"], started["campaign"]["selectedLeadCount"]), (len(audience),) * 2)
    findings.equal("instancesCreated", started["instancesCreated"], len(willing))
    counts = {state: count for state, count in run["counts"].items() if count}
    right = {"sent": len(willing), "skipped": len(audience) - len(willing)}
    findings.equal("counts", counts, {state: count for state, count in right.items() if count})


async def _click(client: Client, findings: Findings) -> None:
    """One-click unsubscribes of a few: exactly their addresses are suppressed, then allowed again."""
    chosen = dict(list(findings.tokens.items())[:: max(1, len(findings.tokens) // CLICKS)])
    for token in chosen.values():
        answer = await client.http.post(f"{client.url}/u/{token}", data={"List-Unsubscribe": "One-Click"})
        findings.equal("one-click answer", answer.status_code, 200)
    items = (await client.get("/suppressions?limit=100"))["items"]
    findings.equal(
        "suppressed by click", sorted(one["address"] for one in items), sorted(address.lower() for address in chosen)
    )
    for one in items:
        answer = await client.http.delete(f"{client.base}/suppressions/{one['id']}")
        findings.equal("allowed again", answer.status_code, 200)


@asynccontextmanager
async def _servers(folder: Path, *, only: str | None) -> AsyncIterator[tuple[Tap | None, Postfix | None]]:
    """The foreign servers there are; says which are missing."""
    mail = folder / "mail"
    mail.mkdir()
    async with contextlib.AsyncExitStack() as stack:
        tap, postfix = None, None
        if only != "postfix" and program("smtp-sink"):
            tap = stack.enter_context(_smtp_sink(folder / "sink"))
        elif only != "postfix":
            print("skipped: smtp-sink is not installed (Debian: apt install postfix)")
        if only != "smtp-sink" and why_not() is None:
            postfix = await stack.enter_async_context(running_postfix(maildir=mail))
        elif only != "smtp-sink":
            print(f"skipped: {why_not()}")
        yield tap, postfix


async def perform(options: argparse.Namespace, folder: Path) -> int:
    """The whole story; returns how many kinds of faults there are."""
    people = list(readers(options.readers))
    async with _servers(folder, only=options.only) as (tap, postfix):
        if tap is None and postfix is None:
            return 0
        settings = {
            "CLARION_SECRET_KEY": TEST_KEY, "CLARION_PUBLIC_URL": PUBLIC_URL, "CLARION_UNSUBSCRIBE_MAILBOX": MAILBOX,
            "CLARION_WORKERS": "2", "CLARION_LOG_LEVEL": "warning",
        } | ({"SSL_CERT_FILE": str(postfix.certificates.ca_file)} if postfix else {})  # fmt: skip
        with serving(folder / "data", **settings) as server:
            await asyncio.to_thread(server.until_ready)
            async with new_client(server, folder / "data", settings) as client:
                began = time.monotonic()
                for group in GROUPS:
                    await client.upload(group, as_csv([one for one in people if group_of(one) == group]))
                print(f"imported {len(people):,} readers over HTTP in {time.monotonic() - began:.1f} s", flush=True)
                acts = _acts(folder, tap, postfix, options.connections)
                return sum([_report(await _perform(client, act, people), tap) for act in acts])


def _report(outcome: Outcome, tap: Tap | None) -> int:
    findings, rate = outcome.findings, outcome.sent / outcome.seconds
    if tap and outcome.name == "smtp-sink":
        findings.faults.update({fault: count for fault, count in tap.faults.items() if count})
        print(f"on the wire to smtp-sink: {tap.octets:,} octets, longest line {tap.longest_line} octets")
    received, distinct = sum(findings.addresses.values()), len(findings.addresses)
    print(f"{outcome.name}: audience {outcome.audience:,}, sent {outcome.sent:,}, skipped {outcome.skipped:,}")
    print(f"  received {received:,} for {distinct:,} addresses; {rate:,.0f} messages/s ({outcome.seconds:.1f} s)")
    print(f"  encodings of the HTML part {dict(findings.encodings)}; one-click unsubscribes {CLICKS}")
    for fault, count in findings.faults.most_common():
        print(f"  WRONG {fault}: {count:,}, for example {findings.examples.get(fault)}")
    print("  every message as it must be" if not findings.faults else "", flush=True)
    return len(findings.faults)


def main() -> int:
    """Reads the command line and runs everything."""
    parser = argparse.ArgumentParser(description="Sends to foreign mail servers and reads everything back.")
    parser.add_argument("--readers", type=int, default=50_000)
    parser.add_argument("--connections", type=int, default=5)
    parser.add_argument("--only", choices=["smtp-sink", "postfix"], help="leave the other server out")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="clarion-acceptance-"))
    folder.chmod(0o755)
    try:
        return 1 if asyncio.run(perform(options, folder)) else 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
