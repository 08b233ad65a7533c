"""`clarion account`: accounts and the API keys that may do everything in them; what an account says of itself.

Works beside a running `serve` and without one. Where to read next: `application/access` and
`application/account_settings`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from msgspec import UNSET

from clarion.application.access import create_account, create_key
from clarion.application.account_settings import AccountDraft, get_account, update_account
from clarion.application.ports import Transaction
from clarion.bootstrap import migrate_database, open_app
from clarion.domain.access import ALL_PERMISSIONS, Account, DateStyle
from clarion.domain.errors import NotFound
from clarion.domain.ids import Id, parse_id
from clarion.entrypoints.cli.place import reachable_database
from clarion.settings import load_settings

accounts = typer.Typer(help="Accounts: their keys and their settings.", no_args_is_help=True)

T = TypeVar("T")
Name = Annotated[str, typer.Argument(help="What the account is called.")]
OwnerEmail = Annotated[str | None, typer.Option(help="The address of whoever answers for the key.")]
Which = Annotated[str, typer.Argument(metavar="ID", help="The account's id.")]


@accounts.command()
def create(name: Name, owner_email: OwnerEmail = None) -> None:
    """Create an account and print its id and its first API key, which is not shown again."""

    async def work(tx: Transaction) -> tuple[Account, str]:
        account, _, secret = await create_account(tx, name=name, owner_email=owner_email)
        return account, secret

    account, key = _in_transaction(work)
    print(f"account  {account.id.hex()}")
    print(f"key      {key}")


@accounts.command("key")
def make_key(
    account: Which,
    *,
    name: Annotated[str, typer.Option(help="What the key is called.")] = "made at the command line",
    owner_email: OwnerEmail = None,
) -> None:
    """Print a further API key of an account, as when the first is lost; it may do everything, and is shown once."""
    account_id = _id(account)

    async def work(tx: Transaction) -> str:
        _, secret = await create_key(
            tx, account_id=account_id, name=name, permissions=ALL_PERMISSIONS, owner_email=owner_email
        )
        return secret

    print(f"key      {_in_transaction(work)}")


@accounts.command("list")
def list_all() -> None:
    """Print the id and the name of every account."""
    for account in _in_transaction(lambda tx: tx.accounts.list_all()):
        print(f"{account.id.hex()}  {account.name}")


@accounts.command()
def show(account: Which) -> None:
    """Print the settings of an account."""
    account_id = _id(account)
    _print(_in_transaction(lambda tx: get_account(tx, account_id=account_id)))


@accounts.command("set")
def change(
    account: Which,
    *,
    name: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    timezone: Annotated[str | None, typer.Option(help="An IANA time zone, such as Africa/Nairobi.")] = None,
    country: Annotated[str | None, typer.Option(help="ISO 3166, two letters.")] = None,
    languages: Annotated[str | None, typer.Option(help="ISO 639-3, with commas; the first is the default.")] = None,
    date_style: Annotated[DateStyle | None, typer.Option(help="In which order dates are written.")] = None,
    instance: Annotated[str | None, typer.Option(help="Host name by which callers name it.")] = None,
    organisation: Annotated[str | None, typer.Option(help="Organisation by which callers name it.")] = None,
    sandbox: Annotated[str | None, typer.Option(help="Sandbox by which callers name it.")] = None,
    retention_days: Annotated[
        int | None, typer.Option(help="How long deliveries are kept, 31 to 36500 days; 0: as the settings say.")
    ] = None,
    weight: Annotated[
        int | None, typer.Option(help="Its share of the sending beside other accounts, 1 to 100; 1 for a new account.")
    ] = None,
    rate_per_second: Annotated[
        float | None, typer.Option(help="Messages a second over all its senders; 0: no limit.")
    ] = None,
    domain_rate: Annotated[
        list[str] | None,
        typer.Option(help="Messages a second to a domain, such as mail.example=20; name all, or '' for none."),
    ] = None,
) -> None:
    """Change the given settings of an account; an empty text clears a country or a name that callers use."""
    account_id = _id(account)
    draft = AccountDraft(
        name=UNSET if name is None else name,
        timezone=UNSET if timezone is None else timezone,
        languages=UNSET if languages is None else [one for one in languages.split(",") if one],
        date_style=UNSET if date_style is None else date_style,
        country=UNSET if country is None else country or None,
        instance=UNSET if instance is None else instance or None,
        organisation=UNSET if organisation is None else organisation or None,
        sandbox=UNSET if sandbox is None else sandbox or None,
        retention_days=UNSET if retention_days is None else retention_days or None,
        weight=UNSET if weight is None else weight,
        rate_per_second=UNSET if rate_per_second is None else rate_per_second or None,
        domain_rates=UNSET if not domain_rate else dict(_rate(said) for said in domain_rate if said),
    )
    _print(_in_transaction(lambda tx: update_account(tx, account_id=account_id, draft=draft)))


def _id(text: str) -> Id:
    account_id = parse_id(text)
    if account_id is None:
        raise NotFound("account")
    return account_id


def _rate(said: str) -> tuple[str, float]:
    domain, _, rate = said.rpartition("=")
    try:
        return domain, float(rate)
    except ValueError:
        raise typer.BadParameter("a domain and its messages a second, such as mail.example=20") from None


def _print(account: Account) -> None:
    rows = {
        "account": account.id.hex(),
        "name": account.name,
        "timezone": account.timezone,
        "country": account.country,
        "languages": ",".join(account.languages),
        "date style": account.date_style,
        "instance": account.instance,
        "organisation": account.organisation,
        "sandbox": account.sandbox,
        "keeps": f"{account.retention_days} days" if account.retention_days else None,
        "weight": account.weight,
        "rate": f"{account.rate_per_second:g}/s" if account.rate_per_second else None,
        "domain rates": ",".join(f"{domain}={rate:g}/s" for domain, rate in account.domain_rates.items()),
    }
    for name, value in rows.items():
        print(f"{name:<13}{value or '-'}")


def _in_transaction(work: Callable[[Transaction], Awaitable[T]]) -> T:
    """Runs the work in a transaction of the configured database, which is migrated first when it is embedded."""
    settings = load_settings()
    with reachable_database(settings) as url:

        async def run() -> T:
            if settings.embedded:
                await migrate_database(url)
            async with open_app(settings, pool_size=1, role="account") as app, app.database.transaction() as tx:
                return await work(tx)

        return asyncio.run(run())
