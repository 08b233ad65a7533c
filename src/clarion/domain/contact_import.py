"""An import: a file of contacts on its way in, what has been read of it and which rows were refused.

`receiving → merging → completed | failed`. A failed import left nothing behind but its `problem`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from clarion.domain.ids import Id

REJECTIONS_KEPT: Final = 100_000
"""Refused rows whose reasons are kept; all of them are counted."""
MERGE_TRIES: Final = 3
"""How often a merge is begun before the import is given up as failed."""
CHUNK_LIMIT: Final = 1024 * 1024
"""Bytes of the body stored at a time."""


class ImportFormat(StrEnum):
    """How the body is written: RFC 4180 CSV with a header row, or one JSON object a line."""

    CSV = "csv"
    NDJSON = "ndjson"


class ImportState(StrEnum):
    """Where an import stands."""

    RECEIVING = "receiving"
    MERGING = "merging"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """A stored import. While it merges the row counts show progress; its contacts appear all at once at the end."""

    id: Id
    account_id: Id
    group_id: Id | None
    group_name: str | None
    format: ImportFormat
    state: ImportState
    problem: str | None
    bytes_received: int
    rows_read: int
    rows_created: int
    rows_updated: int
    rows_rejected: int
    tries: int
    created_at: datetime
    received_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Rejection:
    """One refused row: its number in the file (the first data row is 1), the field, the rule and a sentence."""

    row_no: int
    field: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows of an import so far; `created + updated + rejected` never exceeds `read`."""

    read: int = 0
    created: int = 0
    updated: int = 0
    rejected: int = 0
