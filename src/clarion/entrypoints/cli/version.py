"""`clarion version`: the version that is installed, and nothing else on the line.

Reads no settings, so it works wherever the program does.
"""

from __future__ import annotations

from clarion import __version__


def version() -> None:
    """Print the version."""
    print(__version__)
