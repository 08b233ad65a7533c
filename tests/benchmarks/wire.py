"""How fast messages leave: our SMTP client, Postfix's `smtp-source` and aiosmtplib, to one sink, in turns in one run.

`python -m tests.benchmarks.wire` prints messages/s, CPU a message of client and sink, and ratios. Absolute figures
belong to the machine, which client and sink share; the ratios are what counts. `--sink smtp-sink` uses Postfix's sink.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import aiosmtplib
import uvloop
from tests.benchmarks.meters import CpuMeter
from tests.benchmarks.rivals import SESSIONS, NullSink, null_sink, program, race_smtp_source

from clarion.adapters.channels.smtp import SmtpChannel
from clarion.application.ports.channel import Window
from clarion.domain.outcome import Verdict
from clarion.domain.providers.provider import Security
from clarion.domain.providers.smtp import SmtpRelay
from clarion.rendering.email import WireEmail

WINDOW = 200
WINDOWS_IN_FLIGHT = 3
SENDER = "news@shop.test"


@dataclass(frozen=True, slots=True)
class Turn:
    """One client's turn. CPU times are microseconds a message."""

    rate: float
    client_us: float
    sink_us: float


def message_of(size: int) -> bytes:
    """A message whose body is `size` bytes of text lines."""
    line = b"x" * 68 + b"\r\n"
    return b"Subject: a letter\r\nFrom: news@shop.test\r\n\r\n" + line * (size // len(line))


async def send_with_clarion(options: argparse.Namespace) -> None:
    """Windows as the sending stage makes them: a few in flight, outcomes drained."""
    relay = SmtpRelay(
        host="127.0.0.1",
        port=options.port,
        security=Security.NONE,
        max_connections=SESSIONS,
        max_messages_per_connection=options.count,
    )
    channel = SmtpChannel(relay, helo_name="bench.test")
    data = message_of(options.size)
    flying: list[Window[WireEmail]] = []
    for first in range(0, options.count, WINDOW):
        count = min(WINDOW, options.count - first)
        addresses = (f"reader{number}@town.test" for number in range(first, first + count))
        window = Window(
            [WireEmail(SENDER, to, data, is_8bit=False, needs_smtputf8=False, message_id="") for to in addresses]
        )
        channel.send(window)
        flying.append(window)
        if len(flying) == WINDOWS_IN_FLIGHT:
            await finished(flying.pop(0))
    for window in flying:
        await finished(window)
    await channel.aclose()


async def finished(window: Window[WireEmail]) -> None:
    """Waits for a window and insists that all of it was sent."""
    await window.wait(60)
    fates = {outcome.verdict for _, outcome in window.drain()}
    if fates != {Verdict.SENT}:
        raise SystemExit(f"the sink did not take everything: {fates}")


async def send_with_aiosmtplib(options: argparse.Namespace) -> None:
    """As many connections, each sending its share one after the other."""
    data = message_of(options.size)
    left = iter(range(options.count))

    async def one_connection() -> None:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=options.port, start_tls=False)
        async with client:
            for number in left:
                await client.sendmail(SENDER, [f"reader{number}@town.test"], data)

    await asyncio.gather(*(one_connection() for _ in range(SESSIONS)))


CLIENTS = {"clarion": send_with_clarion, "aiosmtplib": send_with_aiosmtplib}


def run_client(options: argparse.Namespace) -> None:
    """The child: one client's turn, start-up of Python not counted."""
    wall, cpu = time.perf_counter(), time.process_time()
    uvloop.run(CLIENTS[options.client](options))
    print(json.dumps({"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}))


def measure(name: str, count: int, sink: NullSink, size: int) -> Turn:
    """One turn of one client in a process of its own."""
    meter = CpuMeter({"sink": [sink.pid]})
    if name == "smtp-source":
        race = race_smtp_source(sink.port, count, size)
        wall_s, cpu_s = (race.seconds, race.cpu_s) if race else (1.0, 0.0)
    else:
        command = [sys.executable, "-m", "tests.benchmarks.wire", "--client", name]
        command += ["--port", str(sink.port), "--count", str(count), "--size", str(size)]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        wall_s, cpu_s = told["wall_s"], told["cpu_s"]
    return Turn(count / wall_s, cpu_s / count * 1e6, meter.read()["sink"] / count * 1e6)


def report(turns: dict[str, list[Turn]]) -> None:
    """Prints medians and the ratio of each client's rate to smtp-source's, or to the first client's."""
    against = "smtp-source" if "smtp-source" in turns else next(iter(turns))
    base = statistics.median(turn.rate for turn in turns[against])
    print(f"{'client':<12} {'messages/s':>10} {'client us':>10} {'sink us':>8} {'ratio':>6}")
    for name, list_of_turns in turns.items():
        rate = statistics.median(turn.rate for turn in list_of_turns)
        client = statistics.median(turn.client_us for turn in list_of_turns)
        sink = statistics.median(turn.sink_us for turn in list_of_turns)
        print(f"{name:<12} {rate:>10,.0f} {client:>10.1f} {sink:>8.1f} {rate / base:>6.2f}")


def main() -> int:
    """Runs the turns and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=40_000, help="messages a turn; aiosmtplib gets a quarter")
    parser.add_argument("--size", type=int, default=2000, help="bytes of body")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sink", choices=["ours", "smtp-sink"], default="ours")
    parser.add_argument("--client", choices=list(CLIENTS), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        run_client(options)
        return 0
    counts = {"clarion": options.count, "smtp-source": options.count, "aiosmtplib": options.count // 4}
    if program("smtp-source") is None:
        print("smtp-source is not installed (Debian package postfix): compared with aiosmtplib only")
        del counts["smtp-source"]
    turns: dict[str, list[Turn]] = {name: [] for name in counts}
    with null_sink(ours=options.sink == "ours") as sink:
        print(f"{options.size} bytes a message over {SESSIONS} connections to {sink.name}, {options.rounds} rounds")
        for _ in range(options.rounds):
            for name, count in counts.items():
                turns[name].append(measure(name, count, sink, options.size))
    report(turns)
    return 0


if __name__ == "__main__":
    sys.exit(main())
