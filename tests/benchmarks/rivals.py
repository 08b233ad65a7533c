"""What the send benchmark is measured with and against: a null sink, and Postfix's own load generator.

Postfix's `smtp-sink` and `smtp-source` are used when installed; else our null sink, and no rival.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port, until_listening

SESSIONS = 10


@dataclass(frozen=True, slots=True)
class NullSink:
    """A process that accepts everything and keeps nothing."""

    name: str
    port: int
    pid: int


def program(name: str) -> str | None:
    """Where a Postfix tool is; Debian keeps them out of a user's PATH."""
    found = shutil.which(name, path="/usr/sbin:/usr/local/sbin") or shutil.which(name)
    return str(Path(found)) if found else None


@contextmanager
def null_sink(*, ours: bool = False, delay_ms: float = 0) -> Iterator[NullSink]:
    """Runs a null sink on a free loopback port for the block; only ours can answer late."""
    tool = None if ours or delay_ms else program("smtp-sink")
    port = free_port()
    # smtp-sink gives up its rights when root starts it, and then has to be told for whom.
    rights = ["-u", "nobody"] if os.geteuid() == 0 else []
    ours_command = [sys.executable, "-m", "tests.support.sink", "--null", "--port", str(port)]
    ours_command += ["--delay-ms", str(delay_ms)]
    command = [tool, *rights, f"127.0.0.1:{port}", "1000"] if tool else ours_command
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until_listening(port)
        yield NullSink("smtp-sink" if tool else "our null sink", port, process.pid)
    finally:
        process.terminate()
        process.wait(10)


@dataclass(frozen=True, slots=True)
class Race:
    """How the rival did."""

    seconds: float
    rate: float
    cpu_s: float


def race_smtp_source(port: int, messages: int, size: int) -> Race | None:
    """Lets `smtp-source` send `messages` of `size` bytes to the sink; None when it is not installed."""
    tool = program("smtp-source")
    if tool is None:
        return None
    cpu_before = _children_cpu()
    began = time.monotonic()
    subprocess.run(
        [tool, "-d", "-s", str(SESSIONS), "-m", str(messages), "-l", str(size),
         "-f", "load@clarion.example", "-t", "person@load.example", f"127.0.0.1:{port}"],
        check=True,
    )  # fmt: skip
    seconds = time.monotonic() - began
    return Race(seconds, messages / seconds, _children_cpu() - cpu_before)


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
