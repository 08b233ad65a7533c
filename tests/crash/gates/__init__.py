"""The gates, one module each: what is hurt, how often in each tier, and what must hold then.

A gate's `run(chance, size, databases)` returns what it found; `problems` empty means it held.
"""

from __future__ import annotations
