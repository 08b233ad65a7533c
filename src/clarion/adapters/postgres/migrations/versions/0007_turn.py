"""The turn of a batch; the SQL stands in the file of the same name.

Holds no SQL itself. Where to read next: `0007_turn.sql`.
"""

from clarion.adapters.postgres.migrations.plain import write_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Writes the SQL of this version into the migration script."""
    write_sql(__file__)
