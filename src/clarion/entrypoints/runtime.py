"""Whether the Python that runs us is one that still gets its security fixes.

Says so and never refuses: an old Python that works is better than none. `serve` and `doctor` ask.
"""

from __future__ import annotations

import sys
from typing import Final

SAFE_PATCH: Final = {(3, 11): 15}
"""The least patch level without publicly known holes in what we use, by minor version."""


def runtime_problem(version: tuple[int, int, int] = sys.version_info[:3]) -> str | None:
    """Returns a sentence when this Python should be updated."""
    least = SAFE_PATCH.get(version[:2], 0)
    if version[2] >= least:
        return None
    here = ".".join(map(str, version))
    return f"Python {here} lacks security fixes; use {version[0]}.{version[1]}.{least} or newer"
