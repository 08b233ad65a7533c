"""Clarion: a self-hosted campaign engine.

Start with `docs/architecture.md`; the packages are listed there from the core outwards.
"""

__version__ = "0.1.0"
