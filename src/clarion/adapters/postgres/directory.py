"""Who owns a data directory: one process at a time, found out by the system and not by a file that may be stale.

Where to read next: `embedded`.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from clarion.domain.errors import ClarionError


class EmbeddedError(ClarionError):
    """The embedded server cannot run here; the message says why and what to do."""

    code = "EMBEDDED_DATABASE"


class DirectoryInUse(EmbeddedError):
    """Another living process owns the data directory; the message names it."""


class DirectoryLock:
    """Ownership of a data directory: held from `acquire` until `release` or the end of the process, however it ends."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "clarion.lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Takes the lock or raises `DirectoryInUse` that names the process which has it."""
        file = self.path.open("a+", encoding="ascii")
        if not _lock(file):
            file.seek(0)
            owner = file.read().strip() or "unknown"
            file.close()
            raise DirectoryInUse(
                f"{self.path.parent} is in use by the Clarion process {owner}; stop it, or choose another directory "
                "with CLARION_DATA_DIR"
            )
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Gives the directory back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
