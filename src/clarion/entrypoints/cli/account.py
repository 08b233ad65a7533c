"""`clarion account create`: the first account and its first API key; the key is shown this once.

Works beside a running `serve` and without one. Where to read next: `application/access`.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from clarion.application.access import create_account
from clarion.bootstrap import migrate_database, open_app
from clarion.entrypoints.cli.place import reachable_database
from clarion.settings import Settings, load_settings

accounts = typer.Typer(help="Accounts and their first keys.", no_args_is_help=True)


@accounts.callback()
def _group() -> None:
    """Accounts and their first keys."""


@accounts.command()
def create(name: Annotated[str, typer.Argument(help="What the account is called.")]) -> None:
    """Create an account and print its id and its first API key, which is not shown again."""
    settings = load_settings()
    with reachable_database(settings) as url:
        account_id, key = asyncio.run(_create(settings, url, name))
    print(f"account  {account_id}")
    print(f"key      {key}")


async def _create(settings: Settings, url: str, name: str) -> tuple[str, str]:
    if settings.embedded:
        await migrate_database(url)
    async with open_app(settings, pool_size=1, role="account") as app, app.database.transaction() as tx:
        account, _, secret = await create_account(tx, name=name)
        return account.id.hex(), secret
