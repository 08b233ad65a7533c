"""The demo as a newcomer meets it. A whole one runs in `make demo`; here is what happens when it is interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.support.patience import PATIENCE_S
from tests.support.serving import private_directory

COMMAND = (sys.executable, "-m", "clarion.entrypoints.cli", "demo", "--folder")


def _processes_of(folder: Path) -> list[psutil.Process]:
    """Every process whose command line or environment names the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join([*process.cmdline(), *process.environ().values()]):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    with private_directory() as place:
        yield place / "the demo"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process_behind(folder: Path, how: signal.Signals) -> None:
    demo = subprocess.Popen([*COMMAND, str(folder)], stdout=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    while not demo.stdout.readline().startswith("API"):
        assert demo.poll() is None, "it ended before it had begun"
    assert len(_processes_of(folder)) > 3
    demo.send_signal(how)
    rest, _ = demo.communicate(timeout=PATIENCE_S)
    assert demo.returncode == 130
    assert "nothing is left running" in rest
    assert _processes_of(folder) == []


def test_a_second_demo_in_the_same_folder_is_refused(folder: Path) -> None:
    demo = subprocess.Popen([*COMMAND, str(folder)], stdout=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    demo.stdout.readline()
    second = subprocess.run([*COMMAND, str(folder)], capture_output=True, text=True, check=False)
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=PATIENCE_S)
    assert second.returncode == 1
    assert "Another demo is running" in second.stdout
