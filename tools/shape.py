"""Measures the shape of the code: lines per file, lines per function. Fails over the limits; always prints the figures.

The limits are for reading: a file that outgrows its page has usually grown a second job.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 300
FUNCTION_LINES = 60
MEDIAN_FUNCTION_LINES = 10
ROOTS = ("src", "tests", "tools")


def python_files(*roots: str) -> Iterator[Path]:
    """Every Python file of the project under these folders, in order."""
    for root in roots:
        yield from sorted(Path(root).rglob("*.py"))


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each function's name and its length in lines, docstring and all."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def main() -> int:
    """Prints the report and returns the number of broken limits."""
    broken: list[str] = []
    lengths: list[int] = []
    sizes: list[int] = []
    for path in python_files(*ROOTS):
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        sizes.append(lines)
        if lines > FILE_LINES:
            broken.append(f"{path}: {lines} lines, the limit is {FILE_LINES}")
        for name, length in functions(ast.parse(text)):
            if path.parts[0] == "src":
                lengths.append(length)
            if length > FUNCTION_LINES:
                broken.append(f"{path}: {name} has {length} lines, the limit is {FUNCTION_LINES}")
    median = statistics.median(lengths) if lengths else 0
    if median >= MEDIAN_FUNCTION_LINES:
        broken.append(f"the median function of src/ has {median:g} lines; it must stay under {MEDIAN_FUNCTION_LINES}")
    print(
        f"shape: {len(sizes)} files, {sum(sizes)} lines, longest {max(sizes)}; "
        f"{len(lengths)} functions in src/, median {median:g}, longest {max(lengths, default=0)}"
    )
    print(*broken, sep="\n", file=sys.stderr, end="\n" if broken else "")
    return len(broken)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
