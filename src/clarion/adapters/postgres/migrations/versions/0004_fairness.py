"""Whose batch is claimed next: weights and virtual times; the SQL stands in the file of the same name.

Holds no SQL itself. Where to read next: `0004_fairness.sql`.
"""

from clarion.adapters.postgres.migrations.plain import write_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Writes the SQL of this version into the migration script."""
    write_sql(__file__)
