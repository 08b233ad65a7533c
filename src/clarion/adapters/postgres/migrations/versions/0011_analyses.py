"""When deliveries are analysed; the SQL stands in the file of the same name.

Holds no SQL itself. Where to read next: `0011_analyses.sql`.
"""

from clarion.adapters.postgres.migrations.plain import write_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Writes the SQL of this version into the migration script."""
    write_sql(__file__)
