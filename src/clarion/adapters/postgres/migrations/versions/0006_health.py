"""The health of senders, and the senders that stand in for each other; the SQL stands in the file of the same name.

Holds no SQL itself. Where to read next: `0006_health.sql`.
"""

from clarion.adapters.postgres.migrations.plain import write_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Writes the SQL of this version into the migration script."""
    write_sql(__file__)
