"""The senders people write themselves, on aiosmtplib and on smtplib: connections kept open, message after message.

They get ready-made messages and keep no books, which flatters them. `race` runs one as processes of its own. Where to
read next: `suite`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import smtplib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import aiosmtplib
import uvloop

SENDER = "load@clarion.example"


@dataclass(frozen=True, slots=True)
class Result:
    """A rival's rate over all its processes, and its CPU in microseconds a message."""

    rate: float
    cpu_us: float


def message_of(size: int) -> bytes:
    """A message whose body is `size` bytes of text lines."""
    line = b"x" * 68 + b"\r\n"
    return b"Subject: a letter\r\nFrom: load@clarion.example\r\n\r\n" + line * (size // len(line))


def send_with_aiosmtplib(port: int, count: int, size: int, connections: int) -> None:
    """One event loop, as many connections, each sending its share."""
    data, left = message_of(size), iter(range(count))

    async def one_connection() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
            for number in left:
                await client.sendmail(SENDER, [f"reader{number}@load.example"], data)

    async def everyone() -> None:
        await asyncio.gather(*(one_connection() for _ in range(connections)))

    uvloop.run(everyone())


def send_with_smtplib(port: int, count: int, size: int, connections: int) -> None:
    """One thread a connection, each sending its share."""
    data, left = message_of(size), iter(range(count))

    def one_connection(_: int) -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            for number in left:
                client.sendmail(SENDER, [f"reader{number}@load.example"], data)

    with ThreadPoolExecutor(connections) as threads:
        list(threads.map(one_connection, range(connections)))


SENDERS = {"aiosmtplib": send_with_aiosmtplib, "smtplib": send_with_smtplib}


def race(name: str, port: int, *, messages: int, size: int, connections: int, processes: int) -> Result:
    """Lets `processes` of the rival send together; start-up of Python is not counted."""
    command = [sys.executable, "-m", "tests.benchmarks.rival_senders", name, "--port", str(port), "--size", str(size)]
    command += ["--count", str(messages // processes), "--connections", str(connections // processes)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    told = [json.loads(process.communicate()[0]) for process in running]
    cpu_s = sum(one["cpu_s"] for one in told)
    return Result(sum(one["sent"] / one["wall_s"] for one in told), cpu_s / messages * 1e6)


def main() -> int:
    """One process of a rival: sends its share and tells how long that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sender", choices=list(SENDERS))
    for name in ("port", "count", "size", "connections"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    wall, cpu = time.perf_counter(), time.process_time()
    SENDERS[options.sender](options.port, options.count, options.size, options.connections)
    told = {"sent": options.count, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
