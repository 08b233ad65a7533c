"""Checks the house rules no linter knows: module names, module docstrings, left-over marks, paths of one machine.

Never changes a file. Each rule is a function that yields one line per breach; see CONTRIBUTING.md for the reasons.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "managers", "service", "services", "misc"}
DOCSTRING_LINES = 2
# Spelled in halves so that this file passes its own check.
MARKS = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK|NotImplemented" r"Error)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:ho" r"me|wo" r"rk|Us" r"ers)/\w+|/ro" r"ot/")
TEXT_SUFFIXES = {".py", ".md", ".toml", ".sql", ".txt", ".yml", ".yaml", ".cfg", ".html", ".css", ".js", ""}
Breaches = Iterator[str]


def tracked_files() -> list[Path]:
    """The files of the project: tracked by git, or new and not ignored."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True, capture_output=True
    )
    paths = (Path(name) for name in listing.stdout.decode().split("\0") if name)
    return sorted(path for path in paths if path.is_file())


def forbidden_names(paths: list[Path]) -> Breaches:
    """A module is named for the thing it owns, not for being useful."""
    for path in paths:
        if FORBIDDEN_NAMES & {part.removesuffix(".py").lower() for part in path.parts}:
            yield f"{path}: name it after the thing it owns"


def module_docstrings(paths: list[Path]) -> Breaches:
    """A module of src/ opens with two to five lines (packages: at least one sentence); others with at least one."""
    for path in paths:
        if path.suffix != ".py":
            continue
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        if docstring is None:
            if path.parts[0] != "tests" or path.name != "__init__.py":
                yield f"{path}: has no module docstring"
        elif path.parts[0] == "src" and path.name != "__init__.py" and len(docstring.splitlines()) < DOCSTRING_LINES:
            yield f"{path}: the docstring says too little; two to five lines: owns, never does, where next"


def left_over_marks(paths: list[Path]) -> Breaches:
    """Unfinished work is finished or written down, not marked."""
    yield from _lines_matching(paths, MARKS, "a left-over mark")


def machine_paths(paths: list[Path]) -> Breaches:
    """Nothing in the tree names a folder of one machine."""
    yield from _lines_matching(paths, MACHINE_PATHS, "a path of one machine")


def _lines_matching(paths: list[Path], pattern: re.Pattern[str], what: str) -> Breaches:
    for path in paths:
        if path.suffix not in TEXT_SUFFIXES or path.name in {"LICENSE", "Makefile"} or path.stat().st_size > 1_000_000:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if pattern.search(line):
                yield f"{path}:{number}: {what}"


def main() -> int:
    """Runs every rule; returns the number of breaches."""
    paths = tracked_files()
    rules = (forbidden_names, module_docstrings, left_over_marks, machine_paths)
    breaches = [breach for rule in rules for breach in rule(paths)]
    print(f"house: {len(rules)} rules over {len(paths)} files, {len(breaches)} breaches")
    print(*breaches, sep="\n", file=sys.stderr, end="\n" if breaches else "")
    return len(breaches)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
