"""SMS and push beside email; the SQL stands in the file of the same name.

Holds no SQL itself. Where to read next: `0010_channels.sql`.
"""

from clarion.adapters.postgres.migrations.plain import write_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Writes the SQL of this version into the migration script."""
    write_sql(__file__)
