"""`clarion demo`: ten thousand made-up people get a letter through the real pipeline, and nothing leaves the machine.

Runs a server of its own (embedded database, API, workers) and a mail catcher, does everything through the HTTP API as a
client would, shows the run and checks that the audience equals what was sent and caught. Leaves no process behind.
"""

from __future__ import annotations

import asyncio
import fcntl
import gzip
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from clarion.entrypoints.cli.catcher import Catcher
from clarion.entrypoints.cli.client import Client, RequestRefused
from clarion.entrypoints.cli.demo_report import gauge, print_report
from clarion.entrypoints.cli.demo_server import DemoFailed, DemoServer, demo_server
from clarion.entrypoints.cli.mailbox import Mailbox

ACCOUNT: Final = "Newsletter"
GROUP: Final = "gardeners"
SUBJECT: Final = "{{ contact.firstName }}, your seeds are on the way to {{ contact.attributes.city | default('you') }}"
_POLL_S: Final = 0.2
_ASSETS: Final = resources.files("clarion.entrypoints.cli") / "assets"


def demo(
    *,
    folder: Annotated[
        Path, typer.Option(help="Where the demo keeps its database, log and caught messages; begun afresh each time.")
    ] = Path("var/demo"),
    stay: Annotated[bool, typer.Option("--stay", help="Keep everything running afterwards, until Ctrl-C.")] = False,
) -> None:
    """Send a campaign of 10,000 personalised emails on this machine only, and account for every one."""
    console = Console(highlight=False)
    try:
        with _own(folder):
            asyncio.run(_run(console, folder, stay=stay))
    except (DemoFailed, RequestRefused, OSError) as error:
        console.print(f"\n[bold red]The demo failed.[/] {error}", soft_wrap=True)
        raise typer.Exit(1) from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("\nStopped; nothing is left running.")
        raise typer.Exit(130) from None


@contextmanager
def _own(folder: Path) -> Iterator[None]:
    """Holds the folder against a second demo and removes what an earlier one left in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoFailed(f"Another demo is running in {folder}; choose a folder with --folder.") from None
        for name in ("data", "messages"):
            shutil.rmtree(folder / name, ignore_errors=True)
        yield


async def _run(console: Console, folder: Path, *, stay: bool) -> None:
    """The story, in order. Everything it opened is closed when it returns, fails or is interrupted."""
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"  # noqa: S101 - tells the type checker
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    began = time.monotonic()
    mailbox = Mailbox(folder / "messages")
    catcher = Catcher(mailbox)
    try:
        mail_port = await catcher.start()
        console.print(f"Mail catcher   127.0.0.1:{mail_port}, nothing is sent on")
        async with demo_server(folder) as server:
            client = await server.create_account(ACCOUNT)
            await server.until_ready(client)
            console.print(f"API            {server.base_url} (reference at {server.base_url}/docs)")
            await _import(console, client)
            report = await _campaign(console, server, client, mail_port)
            if catcher.first_at is not None:
                console.print(f"First message  on the wire {catcher.first_at - began:.1f} s after the demo began")
            index = mailbox.write(catcher.total)
            print_report(console, report, caught=catcher.total, index=index)
            _account_for_everyone(report, catcher)
            if stay:
                await _stay(console, client)
    finally:
        await catcher.close()


async def _import(console: Console, client: Client) -> None:
    began = time.monotonic()
    contacts = gzip.decompress((_ASSETS / "contacts.csv.gz").read_bytes())
    opened = await client.upload(f"/imports?group={GROUP}", contacts, "text/csv")
    while opened["state"] not in {"completed", "failed"}:
        await asyncio.sleep(_POLL_S / 4)
        opened = await client.get(f"/imports/{opened['id']}")
    if opened["state"] == "failed" or opened["rowsRejected"]:
        raise DemoFailed(f"The import of the bundled contacts failed: {opened['problem'] or opened['rowsRejected']}")
    console.print(f"Contacts       {opened['rowsCreated']:,} imported in {time.monotonic() - began:.1f} s")


async def _campaign(console: Console, server: DemoServer, client: Client, mail_port: int) -> dict[str, Any]:
    """Creates, activates and starts the campaign, shows it going, and returns the run's last report."""
    relay = {
        "host": "127.0.0.1",
        "port": mail_port,
        "security": "none",
        "fromAddress": "Newsletter <news@sender.example>",
    }
    sender = await client.post("/senders", {"name": "Mail catcher", **relay})
    campaign = await client.post(
        "/campaigns",
        {
            "name": "Spring seeds",
            "category": "marketing",
            "audience": {"groups": [GROUP]},
            "senderId": sender["id"],
            "message": {"email": {"subject": SUBJECT, "html": (_ASSETS / "campaign.html").read_text("utf-8")}},
        },
    )
    await client.post(f"/campaigns/{campaign['id']}/activate")
    started = await client.post(f"/campaigns/{campaign['id']}/start")
    selected = started["campaign"]["selectedLeadCount"]
    console.print(
        f"Campaign       started for {selected:,} recipients, {started['instancesCreated']:,} to be written to\n"
    )
    run = (await client.get(f"/runs?campaign={campaign['id']}"))["items"][0]
    with gauge(console, selected) as bar:
        while True:
            report: dict[str, Any] = await client.get(f"/runs/{run['id']}")
            bar.show(report)
            if report["finishedAt"]:
                return report
            server.check()
            await asyncio.sleep(_POLL_S)


def _account_for_everyone(report: dict[str, Any], catcher: Catcher) -> None:
    """Raises `DemoFailed` unless audience, rows and caught messages agree to the last one."""
    audience, sent = report["selectedCount"], report["counts"]["sent"]
    if not audience == sent == len(catcher.received) == catcher.total:
        raise DemoFailed(
            f"The figures disagree: audience {audience}, sent {sent}, caught {catcher.total} for "
            f"{len(catcher.received)} recipients, {len(catcher.repeated)} of them more than once."
        )


async def _stay(console: Console, client: Client) -> None:
    console.print(f"\nStill running. Account {client.account_id}, key {client.key}\nCtrl-C ends it.", soft_wrap=True)
    await asyncio.Event().wait()
