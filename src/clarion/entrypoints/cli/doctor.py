"""`clarion doctor`: the effective settings, secrets masked, and what is wrong with this installation.

Changes nothing but for starting the embedded server when nobody runs it. Where to read next: `settings`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from enum import StrEnum

from rich.console import Console
from rich.table import Table

from clarion.application.ports.home import Held
from clarion.bootstrap import KeyRing, check_database, check_nats, check_partitions, open_app
from clarion.domain.errors import ClarionError, Unavailable
from clarion.entrypoints.cli.place import reachable_database
from clarion.entrypoints.listening import open_listener
from clarion.entrypoints.runtime import runtime_problem
from clarion.settings import PREFIX, Settings, SettingsError, load_settings, unknown_variables
from clarion.telemetry import mask


class Verdict(StrEnum):
    """How a check came out."""

    GOOD = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, how it came out, and a sentence."""

    subject: str
    verdict: Verdict
    sentence: str


def doctor() -> None:
    """Show the effective settings (secrets masked) and what is wrong; exits with 1 when something is."""
    console = Console(soft_wrap=True)
    settings = load_settings()
    console.print(_settings_table(settings))
    findings = list(_examine(settings))
    console.print(_findings_table(findings))
    sys.exit(1 if any(finding.verdict is Verdict.WRONG for finding in findings) else 0)


def _settings_table(settings: Settings) -> Table:
    table = Table("setting", "value", title="Settings")
    for one in fields(settings):
        value = getattr(settings, one.name)
        value = ",".join(value) if isinstance(value, tuple) else value
        shown = "" if value is None else mask(str(value))
        table.add_row(PREFIX + one.name.upper(), shown)
    return table


def _findings_table(findings: list[Finding]) -> Table:
    table = Table("check", "", "finding", title="Checks")
    colours = {Verdict.GOOD: "green", Verdict.WARNING: "yellow", Verdict.WRONG: "red"}
    for finding in findings:
        table.add_row(finding.subject, f"[{colours[finding.verdict]}]{finding.verdict}[/]", finding.sentence)
    return table


def _examine(settings: Settings) -> Iterator[Finding]:
    yield _python()
    yield _variables()
    checks: tuple[tuple[str, Callable[[Settings], Finding]], ...] = (
        ("data directory", _data_directory),
        ("secret key", _secret_key),
        ("database", _database),
        ("partitions", _partitions),
        ("restored", _restored),
        ("queue", _queue),
        ("port", _port),
    )
    for subject, check in checks:
        try:
            yield check(settings)
        except (ClarionError, SettingsError, OSError, ValueError) as error:
            yield Finding(subject, Verdict.WRONG, mask(str(error)))


def _python() -> Finding:
    problem = runtime_problem()
    here = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", Verdict.WARNING if problem else Verdict.GOOD, problem or f"Python {here}")


def _variables() -> Finding:
    unknown = unknown_variables(os.environ)
    if unknown:
        return Finding("environment", Verdict.WARNING, f"{', '.join(unknown)}: not a setting; misspelt?")
    return Finding("environment", Verdict.GOOD, "every CLARION_ variable is a setting")


def _data_directory(settings: Settings) -> Finding:
    place = settings.data_dir
    if not place.exists():
        return Finding("data directory", Verdict.GOOD, f"{place} does not exist yet; `clarion serve` makes it")
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return Finding("data directory", Verdict.WRONG, f"{place} is not ours to write")
    others = stat.S_IMODE(place.stat().st_mode) & (stat.S_IROTH | stat.S_IWOTH)
    if others:
        return Finding("data directory", Verdict.WARNING, f"{place} is open to every user: chmod 700 it")
    return Finding("data directory", Verdict.GOOD, str(place))


def _secret_key(settings: Settings) -> Finding:
    file = settings.data_dir / "secret.key"
    if settings.secret_key is None and not file.exists():
        return Finding("secret key", Verdict.GOOD, f"{file} is made at the first start; keep a copy of it")
    count = len(settings.secret_keys())
    KeyRing(settings.secret_keys())
    if settings.secret_key is None and file.stat().st_mode & 0o077:
        return Finding("secret key", Verdict.WRONG, f"{file} can be read by others: chmod 600 it")
    older = f", {count - 1} older" if count > 1 else ""
    return Finding("secret key", Verdict.GOOD, f"1 current{older}")


def _database(settings: Settings) -> Finding:
    if settings.embedded and not (settings.data_dir / "postgres").exists():
        return Finding("database", Verdict.GOOD, "embedded; made at the first start")
    with reachable_database(settings) as url:
        kind = "embedded" if settings.embedded else "external"
        return Finding("database", Verdict.GOOD, f"{kind}, {asyncio.run(check_database(url))}")


def _partitions(settings: Settings) -> Finding:
    if settings.embedded and not (settings.data_dir / "postgres").exists():
        return Finding("partitions", Verdict.GOOD, "made with the database")
    with reachable_database(settings) as url:
        good, sentence = asyncio.run(check_partitions(url))
        return Finding("partitions", Verdict.GOOD if good else Verdict.WARNING, sentence)


def _queue(settings: Settings) -> Finding:
    try:
        sentence = asyncio.run(check_nats(settings))
    except Unavailable as error:
        return Finding("queue", Verdict.WRONG, mask(f"{error}; meanwhile workers ask PostgreSQL"))
    return Finding("queue", Verdict.GOOD, sentence or "PostgreSQL; CLARION_NATS_URL adds NATS between machines")


def _restored(settings: Settings) -> Finding:
    if settings.embedded and not (settings.data_dir / "postgres").exists():
        return Finding("restored", Verdict.GOOD, "there is no database yet")

    async def ask() -> Held | None:
        async with open_app(settings, pool_size=1, role="doctor") as app, app.database.reading() as tx:
            return await tx.home.held()

    with reachable_database(settings):
        held = asyncio.run(ask())
    if held is None:
        return Finding("restored", Verdict.GOOD, "the database is where it was; it may send")
    return Finding("restored", Verdict.WRONG, f"held, because {held.because}: see `clarion restored`")


def _port(settings: Settings) -> Finding:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.settimeout(1)
        if settings.port and probe.connect_ex((settings.host, settings.port)) not in {errno.ECONNREFUSED, errno.EINVAL}:
            return Finding("port", Verdict.WARNING, f"something listens on {settings.host}:{settings.port} already")
    open_listener(settings.host, settings.port).close()
    return Finding("port", Verdict.GOOD, f"{settings.host}:{settings.port} is free")
