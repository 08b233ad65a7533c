"""The whole picture in one run: `make bench`. Clarion's pipeline beside those it is compared with, each as a ratio.

    make bench                        every part; a quarter of an hour
    make bench ARGS="near workers"    only these parts
    make bench RECIPIENTS=50000       smaller

near: one sink for all, on this machine. far: a relay 20 ms away. workers: 1, 2 and 4 of them with a quarter of a core
each, so that they are what is short. Ends with one JSON line, and a picture where asked for. Where next: `pipeline`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks import rival_senders
from tests.benchmarks.pipeline import Load, Result, send
from tests.benchmarks.plot import draw
from tests.benchmarks.rivals import NullSink, null_sink, race_smtp_source
from tests.support import scene

from clarion.adapters.postgres.embedded import EmbeddedServer

FAR_MS = 20.0
FAR_CONNECTIONS = 20
SHARE = 0.25
RIVALS = ("aiosmtplib", "smtplib")


@dataclass(slots=True)
class Part:
    """One comparison: messages a second by name, CPU in microseconds a message by name and process.

    One that `is_growth` asks what more of the same gains, any other how the first compares with the rest.
    """

    title: str
    is_growth: bool = False
    rates: dict[str, float] = field(default_factory=dict)
    cpu_us: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, name: str, rate: float, cpu_us: dict[str, float]) -> None:
        """Notes one contestant and prints it."""
        self.rates[name], self.cpu_us[name] = rate, cpu_us
        spent = ", ".join(f"{process} {cost:.1f}" for process, cost in cpu_us.items())
        print(f"  {name:<24} {rate:>9,.0f} messages/s   CPU µs a message: {spent}", flush=True)

    def ratios(self) -> dict[str, float]:
        """The first one's rate as a multiple of each other's; of growth, each other's as a multiple of the first."""
        first, *others = self.rates
        ratios = {name: self.rates[first] / self.rates[name] for name in others}
        return {name: round(1 / ratio if self.is_growth else ratio, 2) for name, ratio in ratios.items()}


def clarion(load: Load, sink: NullSink) -> Result:
    """One run of the pipeline on a database of its own."""
    with tempfile.TemporaryDirectory(prefix="clarion-bench-") as name, EmbeddedServer(Path(name) / "data") as server:
        return asyncio.run(send(server, sink, load, Path(name)))


def rival(part: Part, name: str, sink: NullSink, messages: int, connections: int) -> None:
    """One of the senders people write themselves, in two processes as ours."""
    told = rival_senders.race(
        name, sink.port, messages=messages, size=scene.letter_bytes(), connections=connections, processes=2
    )
    part.add(f"a sender on {name}", told.rate, {name: told.cpu_us})


def near(recipients: int) -> Part:
    """The pipeline and its rivals, one after the other, to one null sink on this machine."""
    part = Part("to a sink on the same machine")
    with null_sink() as sink:
        source = [race_smtp_source(sink.port, recipients // 4, scene.letter_bytes())]
        ours = clarion(Load(recipients), sink)
        part.add("Clarion", ours.rate, ours.cpu_us)
        source.append(race_smtp_source(sink.port, recipients // 4, scene.letter_bytes()))
        races = [race for race in source if race is not None]
        if races:
            rate = sum(race.rate for race in races) / len(races)
            cpu_s = sum(race.cpu_s for race in races)
            part.add("smtp-source", rate, {"smtp-source": cpu_s / (recipients // 4 * len(races)) * 1e6})
        for name in RIVALS:
            rival(part, name, sink, recipients // 10, connections=10)
    return part


def far(recipients: int) -> Part:
    """The same to a relay that answers 20 ms later, over 20 connections."""
    part = Part(f"to a relay {FAR_MS:.0f} ms away, {FAR_CONNECTIONS} connections")
    with null_sink(delay_ms=FAR_MS) as sink:
        ours = clarion(Load(recipients // 2, workers=2, connections=FAR_CONNECTIONS // 2), sink)
        part.add("Clarion", ours.rate, ours.cpu_us)
        for name in RIVALS:
            rival(part, name, sink, max(2000, recipients // 100), connections=FAR_CONNECTIONS)
    return part


def workers(recipients: int) -> Part:
    """1, 2 and 4 workers with a quarter of a core each: what one more worker gains while the cores allow it."""
    part = Part(f"workers with {SHARE:.0%} of a core each", is_growth=True)
    with null_sink() as sink:
        for count in (1, 2, 4):
            ours = clarion(Load(recipients * count // 4, workers=count, share=SHARE), sink)
            part.add(f"{count} worker{'s' if count > 1 else ''}", ours.rate, ours.cpu_us)
    return part


PARTS: dict[str, Callable[[int], Part]] = {"near": near, "far": far, "workers": workers}


def main() -> int:
    """Reads the command line, runs the parts and prints the JSON line."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(PARTS)}; all of them when none is named")
    parser.add_argument("--recipients", type=int, default=200_000)
    parser.add_argument("--plot", type=Path, help="draw the rates into this file (PNG or SVG)")
    options = parser.parse_args()
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    told: dict[str, Any] = {}
    parts = []
    for name in options.parts or PARTS:
        print(f"{name}:", flush=True)
        part = PARTS[name](options.recipients)
        parts.append(part)
        told[name] = {"rates": {who: round(rate) for who, rate in part.rates.items()}, "ratios": part.ratios()}
        told[name]["cpu_us"] = {
            who: {process: round(cost, 1) for process, cost in costs.items()} for who, costs in part.cpu_us.items()
        }
    if options.plot:
        draw([(part.title, part.rates) for part in parts], options.plot)
    print(json.dumps({"recipients": options.recipients, "message_bytes": scene.letter_bytes(), **told}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
