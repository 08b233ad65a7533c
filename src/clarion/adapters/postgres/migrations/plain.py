"""How a version module hands its SQL file to Alembic: as it stands, without any reading of colons or percent signs.

Where to read next: `versions/`.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op


def write_sql(module: str) -> None:
    """Writes the SQL file that has the name of the version module (`__file__`) into the migration script."""
    op.get_context().impl.static_output(Path(module).with_suffix(".sql").read_text("utf-8"))
