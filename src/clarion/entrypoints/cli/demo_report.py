"""What a demo shows: the bar while the campaign goes out, and the report at its end.

Reads the run's report as the API gives it and prints; decides nothing. On a terminal the bar moves, elsewhere a line is
printed now and then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

_LINE_EVERY_S: Final = 2.0
OPEN_STATES: Final = ("pending", "sending")


class Gauge(Protocol):
    """Something that is told how far the run is."""

    def show(self, report: dict[str, Any]) -> None:
        """Shows the run as `report` has it."""
        ...


class _Bar:
    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("Sending", total=total, rate="", left="")

    def show(self, report: dict[str, Any]) -> None:
        rate = report["ratePerSecond"] or 0.0
        done = _done(report)
        self._progress.update(self._task, completed=done, rate=f"{rate:,.0f}/s", left=_left(report, done, rate))


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_at = 0.0

    def show(self, report: dict[str, Any]) -> None:
        if time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + _LINE_EVERY_S
            done, rate = _done(report), report["ratePerSecond"] or 0.0
            share = done / max(1, report["selectedCount"])
            self._console.print(
                f"  {done:>7,} of {report['selectedCount']:,}  {share:4.0%}  {rate:,.0f}/s  {_left(report, done, rate)}"
            )


@contextmanager
def gauge(console: Console, total: int) -> Iterator[Gauge]:
    """A live bar on a terminal, a line every two seconds elsewhere."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, refresh_per_second=10) as progress:
        yield _Bar(progress, total)


def print_report(console: Console, report: dict[str, Any], *, caught: int, index: Path) -> None:
    """The report: everyone accounted for, the rate, and where to look at some of the messages."""
    counts = report["counts"]
    table = Table(title="Report", title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(justify="left")
    table.add_column(justify="right")
    table.add_row("audience", f"{report['selectedCount']:,}")
    for state in ("sent", "failed", "unknown", "cancelled", "skipped"):
        table.add_row(state, f"{counts.get(state, 0):,}")
        for row in (row for row in report["reasons"] if row["state"] == state):
            table.add_row(f"  {row['reason']}", f"{row['count']:,}")
    table.add_row("caught by the mail catcher", f"{caught:,}")
    table.add_row("messages a second", f"{report['ratePerSecond'] or 0:,.0f}")
    console.print()
    console.print(table)
    console.print(f"\nLook at some of the messages: [bold]{index.resolve().as_uri()}[/bold]", soft_wrap=True)


def _done(report: dict[str, Any]) -> int:
    still_open = sum(report["counts"].get(state, 0) for state in OPEN_STATES)
    return int(report["selectedCount"]) - still_open if report["isAudienceFrozen"] else _final(report)


def _final(report: dict[str, Any]) -> int:
    return sum(count for state, count in report["counts"].items() if state not in OPEN_STATES)


def _left(report: dict[str, Any], done: int, rate: float) -> str:
    remaining = report["selectedCount"] - done
    return f"{remaining / rate:.0f} s left" if rate and remaining else ""
