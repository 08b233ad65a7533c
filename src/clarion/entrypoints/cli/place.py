"""Where a command finds its database: the configured one, the embedded one of a running `serve`, or one of its own.

Where to read next: `account`, `migrate`, `doctor`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clarion.bootstrap import DirectoryInUse, EmbeddedServer, database_url
from clarion.settings import Settings


@contextmanager
def reachable_database(settings: Settings) -> Iterator[str]:
    """Yields the URL of a running database; an embedded server that nobody runs is started for the block."""
    url = database_url(settings)
    if not settings.embedded:
        yield url
        return
    server = EmbeddedServer(settings.data_dir)
    try:
        server.start()
    except DirectoryInUse:  # by a running `clarion serve`, whose server is ours too
        yield url
        return
    try:
        yield url
    finally:
        server.stop()
