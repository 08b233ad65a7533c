"""Writes requirements-setup.lock: the one package `make setup` installs with pip, taken from the development lock.

Never resolves anything itself, so the two locks cannot disagree. Run by `make lock`.
"""

from __future__ import annotations

import re
from pathlib import Path


def main() -> None:
    """Copies the pinned uv, with its hashes."""
    lock = Path("requirements-dev.lock").read_text(encoding="utf-8")
    pinned = re.search(r"^uv==.*?(?:(?<!\\)\n)", lock, re.MULTILINE | re.DOTALL)
    if pinned is None:
        raise SystemExit("requirements-dev.lock does not pin uv")
    Path("requirements-setup.lock").write_text(pinned[0], encoding="utf-8")


if __name__ == "__main__":
    main()
