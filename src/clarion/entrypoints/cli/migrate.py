"""`clarion migrate`: brings the database to the schema of this version.

Safe to run at any time and from several places at once. Where to read next: `adapters/postgres/migrations`.
"""

from __future__ import annotations

import asyncio

from clarion.bootstrap import migrate_database
from clarion.entrypoints.cli.place import reachable_database
from clarion.settings import load_settings


def migrate() -> None:
    """Bring the database to the schema of this version; a newer one is refused."""
    with reachable_database(load_settings()) as url:
        added = asyncio.run(migrate_database(url))
    print(f"Added {', '.join(added)}." if added else "The schema is up to date.")
