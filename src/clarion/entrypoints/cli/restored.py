"""`clarion restored`: what a restored database would send, and the word that lets it.

Works beside a running `serve` and without one. Where to read next: `application/restored`, `docs/backup.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from clarion.application.ports import Transaction
from clarion.application.ports.home import Held, Outstanding, Planned
from clarion.application.restored import release, release_paused
from clarion.bootstrap import migrate_database, open_app
from clarion.entrypoints.cli.place import reachable_database
from clarion.settings import load_settings


def restored(
    *,
    let_go: Annotated[bool, typer.Option("--release", help="Send on: everything goes on as it was.")] = False,
    pause_campaigns: Annotated[
        bool, typer.Option("--pause-campaigns", help="Release with every campaign paused, to be resumed one by one.")
    ] = False,
    hold: Annotated[
        bool, typer.Option("--hold", help="Hold a database by hand: nothing is sent until a release.")
    ] = False,
) -> None:
    """Show what a database that was restored from a backup would send; with --release, let it.

    A restored database starts held: requests are answered, but nothing is sent and nothing starts, because what went
    out after the backup was made is not in it.
    """
    if hold and (let_go or pause_campaigns):
        raise typer.BadParameter("--hold stands alone")
    settings = load_settings()
    with reachable_database(settings) as url:

        async def run() -> None:
            if settings.embedded:
                await migrate_database(url)
            async with open_app(settings, pool_size=1, role="restored") as app, app.database.transaction() as tx:
                if hold:
                    await tx.home.hold("somebody held it by hand")
                await _show(tx)
                if pause_campaigns:
                    print(f"Released. {await release_paused(tx)} campaigns are paused; resume those that may go on.")
                elif let_go:
                    await release(tx)
                    print("Released. Sending goes on.")

        asyncio.run(run())


async def _show(tx: Transaction) -> None:
    held = await tx.home.held()
    console = Console(soft_wrap=True)
    console.print(_sentence(held))
    if held:
        outstanding = await tx.home.outstanding()
        console.print(_runs_table(outstanding))
        planned = await tx.home.planned()
        if planned:
            console.print(_planned_table(planned))
        doubtful = sum(one.sending + one.on_the_wire for one in outstanding)
        console.print(
            f"A release sends {sum(one.sending for one in outstanding):,} messages. Up to {doubtful:,} of all may have "
            "been sent already, after the backup was made."
        )


def _sentence(held: Held | None) -> str:
    if held is None:
        return "The database is not held: it is where it was."
    return f"The database is held since {held.since:%Y-%m-%d %H:%M} UTC: {held.because}. Nothing is sent."


def _runs_table(outstanding: Sequence[Outstanding]) -> Table:
    table = Table(
        "account", "campaign", "state", "runs", "would go out", "after a resume", "on the wire",
        title="Not over when the backup was made",
    )  # fmt: skip
    for one in outstanding:
        numbers = (one.runs, one.sending, one.paused, one.on_the_wire)
        table.add_row(
            f"{one.account} {one.account_id.hex()}", f"{one.campaign} {one.campaign_id.hex()}", one.state,
            *(f"{number:,}" for number in numbers),
        )  # fmt: skip
    return table


def _planned_table(planned: Sequence[Planned]) -> Table:
    table = Table("account", "campaign", "what", "at", "", title="Starts by the clock")
    for one in planned:
        table.add_row(
            f"{one.account} {one.account_id.hex()}", f"{one.campaign} {one.campaign_id.hex()}",
            "call" if one.is_call else "campaign", f"{one.at:%Y-%m-%d %H:%M} UTC", "overdue" if one.is_overdue else "",
        )  # fmt: skip
    return table
