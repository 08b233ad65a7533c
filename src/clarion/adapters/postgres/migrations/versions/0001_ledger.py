"""The first schema; the SQL stands in the file of the same name.

Holds no SQL itself. Where to read next: `0001_ledger.sql`.
"""

from clarion.adapters.postgres.migrations.plain import write_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Writes the SQL of this version into the migration script."""
    write_sql(__file__)
