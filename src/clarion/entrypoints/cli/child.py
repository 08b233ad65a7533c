"""What the API and worker processes have in common: settings, logs, the parent's pipe, and a code that says if a new
start can help. Where to read next: `api`, `worker`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from clarion.bootstrap import SchemaError
from clarion.entrypoints.supervision import EXIT_HOPELESS, leave_with_parent
from clarion.settings import Settings, load_settings
from clarion.telemetry import configure_logging


@contextmanager
def as_child(process: str) -> Iterator[Settings]:
    """Sets the process up and yields the settings; a schema that is not ours ends it with the code for "hopeless"."""
    settings = load_settings()
    configure_logging(level=settings.log_level, style=settings.log_format, process=process)
    leave_with_parent(settings.drain_seconds)
    try:
        yield settings
    except SchemaError as error:
        print(f"clarion: {error}", file=sys.stderr)
        sys.exit(EXIT_HOPELESS)
