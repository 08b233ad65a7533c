"""Meters for benchmarks: CPU seconds of groups of processes, and the memory of workers over time.

Reads what the system says about processes we started; never touches them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable

import psutil


def cpu_seconds(pids: Iterable[int], *, with_children: bool = True) -> float:
    """User and system seconds these processes (and their children, the ended ones too) have used so far."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
            if with_children:
                total += cpu_seconds((child.pid for child in process.children()), with_children=True)
    return total


class CpuMeter:
    """CPU seconds of named groups of processes between construction and `read`."""

    def __init__(self, groups: dict[str, list[int]]) -> None:
        self._groups = groups
        self._began = {name: cpu_seconds(pids) for name, pids in groups.items()}

    def read(self) -> dict[str, float]:
        """Seconds used since the start, by group."""
        return {name: cpu_seconds(pids) - self._began[name] for name, pids in self._groups.items()}


class MemorySampler:
    """Resident memory of each worker over time, in MB: is it flat?"""

    def __init__(self, pids: Callable[[], list[int]]) -> None:
        self._pids = pids
        self._began = time.monotonic()
        self.samples: list[tuple[float, list[float]]] = []

    def sample(self) -> None:
        """Takes one sample now."""
        sizes = []
        for pid in self._pids():
            with contextlib.suppress(psutil.NoSuchProcess):
                sizes.append(psutil.Process(pid).memory_info().rss / 1e6)
        self.samples.append((round(time.monotonic() - self._began, 1), sizes))

    def spread(self) -> tuple[float, float]:
        """The least and the most any worker held after warming up: the first fifth of the samples is left out."""
        settled = [size for _, sizes in self.samples[len(self.samples) // 5 :] for size in sizes]
        return (min(settled), max(settled)) if settled else (0.0, 0.0)

    def curve(self, points: int = 12) -> list[str]:
        """About `points` lines of "seconds: MB per worker"."""
        step = max(1, len(self.samples) // points)
        return [f"{at:7.1f} s  " + "  ".join(f"{size:6.1f} MB" for size in sizes) for at, sizes in self.samples[::step]]
