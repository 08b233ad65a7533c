"""Writes the configuration table of README.md from the settings themselves; `--check` only tells whether it is current.

The table stands between two comments; everything else in the page is left alone.
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from clarion.settings import PREFIX, Settings

PAGE = Path("README.md")
BEGIN, END = "<!-- settings: written by tools/settings_table.py -->\n", "<!-- end of settings -->\n"
# Defaults that are found out on each machine.
FOUND_OUT = {
    "data_dir": "`~/.local/share/clarion`",
    "workers": "one per core",
    "helo_name": "this machine's name",
}


def default_of(field: Field[Any]) -> str:
    """The default as a reader wants it."""
    if field.name in FOUND_OUT:
        return FOUND_OUT[field.name]
    if field.default is MISSING or field.default in (None, "", ()):
        return ""
    if isinstance(field.default, tuple):
        return f"`{','.join(field.default)}`"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def table() -> str:
    """The table, one row per setting, in the order of the settings."""
    rows = [
        f"| `{PREFIX}{field.name.upper()}` | {default_of(field)} | {field.metadata['about']} |\n"
        for field in fields(Settings)
    ]
    return "| Variable | Default | What it is |\n|---|---|---|\n" + "".join(rows)


def main() -> int:
    """Writes the page, or with `--check` compares; returns 1 when it was not current."""
    before = PAGE.read_text(encoding="utf-8")
    head, _, rest = before.partition(BEGIN)
    _, _, tail = rest.partition(END)
    after = f"{head}{BEGIN}{table()}{END}{tail}"
    if "--check" in sys.argv[1:]:
        print(
            f"settings: the table of {PAGE} is {'current' if before == after else 'old; run tools/settings_table.py'}"
        )
        return int(before != after)
    PAGE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
