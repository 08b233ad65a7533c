"""The `clarion` command: one module a subcommand; each prints for people and ends with a code for scripts.

Codes: 0 done, 1 failed, 2 wrong usage, 78 wrong settings. Where to read next: `serve`.
"""

from __future__ import annotations

import sys

import typer

from clarion.domain.errors import ClarionError
from clarion.entrypoints.cli.account import accounts
from clarion.entrypoints.cli.api import api
from clarion.entrypoints.cli.catch import catch
from clarion.entrypoints.cli.demo import demo
from clarion.entrypoints.cli.doctor import doctor
from clarion.entrypoints.cli.migrate import migrate
from clarion.entrypoints.cli.restored import restored
from clarion.entrypoints.cli.scheduler import scheduler
from clarion.entrypoints.cli.serve import serve
from clarion.entrypoints.cli.version import version
from clarion.entrypoints.cli.worker import worker
from clarion.entrypoints.supervision import EXIT_HOPELESS
from clarion.settings import SettingsError

app = typer.Typer(
    name="clarion",
    help="A self-hosted campaign engine: one call, every recipient, nothing lost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command()(demo)
app.command()(serve)
app.command()(api)
app.command()(worker)
app.command()(scheduler)
app.command()(migrate)
app.command()(restored)
app.command()(doctor)
app.command()(catch)
app.command()(version)
app.add_typer(accounts, name="account")


def main() -> None:
    """Runs the command line. What goes wrong on purpose is one sentence on stderr, never a traceback."""
    try:
        app()
    except SettingsError as error:
        _fail(error, EXIT_HOPELESS)
    except ClarionError as error:
        _fail(error, 1)
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(error: Exception, code: int) -> None:
    print(f"clarion: {error}", file=sys.stderr)
    sys.exit(code)
