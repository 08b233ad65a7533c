"""CSV for spreadsheets: RFC 4180 quoting, and no cell that a spreadsheet would run as a formula.

Owns the writing of cells, never what stands in them. Used by `api.deliveries` and `api.imports`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

from litestar.response import Stream

CSV: Final = "text/csv"
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_rows(rows: Iterable[Sequence[object]], *, raw: bool = False) -> bytes:
    """The rows as CSV with CRLF line ends. Text that looks like a formula gets a leading `'` unless `raw`."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerows([_cell(value, raw=raw) for value in row] for row in rows)
    return buffer.getvalue().encode()


def _cell(value: object, *, raw: bool) -> str:
    if value is None:
        return ""
    text = str(value)
    return f"'{text}" if isinstance(value, str) and not raw and text.startswith(_FORMULA_STARTS) else text


def csv_download(pieces: AsyncIterator[bytes], file_name: str) -> Stream:
    """Streams CSV as a file to save; a browser never shows it in place."""
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"'}
    return Stream(pieces, media_type=f"{CSV}; header=present", headers=headers)
