"""What the vendor dialects need; the SQL stands in the file of the same name.

Holds no SQL itself. Where to read next: `0002_dialects.sql`.
"""

from clarion.adapters.postgres.migrations.plain import write_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Writes the SQL of this version into the migration script."""
    write_sql(__file__)
