"""Which batches were announced to the queue between machines; the SQL stands in the file of the same name.

Holds no SQL itself. Where to read next: `0008_announcements.sql`.
"""

from clarion.adapters.postgres.migrations.plain import write_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Writes the SQL of this version into the migration script."""
    write_sql(__file__)
