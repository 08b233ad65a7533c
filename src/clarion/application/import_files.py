"""From the bytes of an import to records: decoding, CSV rows and JSON lines, piece by piece in constant memory.

What is wrong with one row is said of that row (`import_rows`); what makes the rest of the file unreadable raises
`BrokenFile`. Knows nothing of contacts.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
import operator
from collections import Counter
from typing import Any, Final, Protocol

import msgspec

from clarion.domain.contact_import import ImportFormat

COLUMNS_LIMIT: Final = 200
CELL_LIMIT: Final = 64 * 1024
"""Characters of one cell."""
RECORD_LIMIT: Final = 1024 * 1024
"""Characters of one row, or bytes of one JSON line; a longer one is most often a quote that is never closed."""

# The reader's own limit is per process and would end the file; ours refuses the row, up to what a whole row may hold.
csv.field_size_limit(RECORD_LIMIT)

Record = list[str] | dict[str, Any]
NumberedRecord = tuple[int, Record | str]
"""The row's number from 1, and the record, or a sentence saying why there is none."""


class BrokenFile(Exception):
    """The file cannot be read (on); the sentence is for the person who sent it."""


class RecordReader(Protocol):
    """Takes the body piece by piece and gives the records that are complete."""

    header: list[str] | None
    """The header row of a CSV file, once it has been read; None for JSON lines."""

    def feed(self, piece: bytes, *, last: bool) -> list[NumberedRecord]:
        """Returns the records completed by this piece. `last` says that nothing follows. Raises `BrokenFile`."""
        ...


def reader_for(format_: ImportFormat) -> RecordReader:
    """Returns a fresh reader of this format."""
    return CsvReader() if format_ is ImportFormat.CSV else JsonLinesReader()


class Decoder:
    """Bytes to text: UTF-8, with or without a byte order mark, or UTF-16 with one."""

    def __init__(self) -> None:
        self._decoder: codecs.IncrementalDecoder | None = None
        self._start = b""
        self._name = "UTF-8"

    def decode(self, piece: bytes, *, last: bool) -> str:
        """Returns the text completed by this piece. Raises `BrokenFile` for bytes that are no text."""
        if self._decoder is None:
            self._start += piece
            if len(self._start) < len(codecs.BOM_UTF8) and not last:
                return ""
            piece, self._start = self._start, b""
            self._decoder = self._chosen(piece)
        try:
            return self._decoder.decode(piece, last)
        except UnicodeDecodeError as error:
            raise BrokenFile(f"The file is not {self._name} text; save it as UTF-8 and send it again") from error

    def _chosen(self, start: bytes) -> codecs.IncrementalDecoder:
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self._name = "UTF-16"
            return codecs.getincrementaldecoder("utf-16")()
        return codecs.getincrementaldecoder("utf-8-sig")()


class CsvReader:
    """RFC 4180 rows: any line end, quotes over several lines, comma, semicolon or tab as the header has it."""

    def __init__(self) -> None:
        self.header: list[str] | None = None
        self._decoder = Decoder()
        self._rest = ""
        self._delimiter = ","
        self._row_no = 0

    def feed(self, piece: bytes, *, last: bool) -> list[NumberedRecord]:
        """Returns the rows completed by this piece; blank lines are no rows."""
        text = self._rest + self._decoder.decode(piece, last=last)
        if self.header is None:
            self._delimiter = _delimiter_of(text)
        # Line ends inside quotes must stay as they are, and only these three are line ends.
        lines = list(io.StringIO(text, newline=""))
        rows = self._complete_rows(lines, last=last)
        if self.header is None:
            rows = list(itertools.dropwhile(operator.not_, rows))
            if rows:
                self.header = _checked_header(rows.pop(0))
            elif last:
                raise BrokenFile("The file is empty; its first line must name the columns")
        return self._numbered(rows)

    def _complete_rows(self, lines: list[str], *, last: bool) -> list[list[str]]:
        """Parses the lines and keeps the last row for later: what follows may still belong to it."""
        reader = csv.reader(lines, delimiter=self._delimiter, strict=False)
        rows: list[list[str]] = []
        before_last = at = 0
        try:
            for row in reader:
                rows.append(row)
                before_last, at = at, reader.line_num
        except csv.Error as error:
            raise BrokenFile(f"{self._place(len(rows) + 1)} cannot be read: {error}") from error
        if last:
            self._check_end(lines[before_last:], len(rows))
            return rows
        self._rest = "".join(lines[before_last:])
        if len(self._rest) > RECORD_LIMIT:
            raise BrokenFile(f"{self._place(len(rows))} is longer than 1 MB; a quote may have been left open")
        return rows[:-1]

    def _check_end(self, lines: list[str], count: int) -> None:
        try:
            for _ in csv.reader(lines, delimiter=self._delimiter, strict=True):
                pass
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise BrokenFile(f"{self._place(count)} opens a quote that is never closed") from error

    def _place(self, ahead: int) -> str:
        row_no = self._row_no + ahead - (self.header is None)
        return f"Row {row_no}" if row_no else "The header row"

    def _numbered(self, rows: list[list[str]]) -> list[NumberedRecord]:
        numbered: list[NumberedRecord] = []
        width = len(self.header or ())
        for row in rows:
            if not row:
                continue
            self._row_no += 1
            if len(row) == width:
                numbered.append((self._row_no, row))
            else:
                numbered.append((self._row_no, f"has {len(row)} cells, but the header has {width}"))
        return numbered


def _delimiter_of(text: str) -> str:
    header = text.lstrip("\r\n").partition("\n")[0].partition("\r")[0]
    counts = {mark: header.count(mark) for mark in ",;\t"}
    return max(counts, key=counts.__getitem__)


def _checked_header(cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if len(names) > COLUMNS_LIMIT:
        raise BrokenFile(f"The header row has {len(names)} columns; {COLUMNS_LIMIT} is the limit")
    if any("\0" in name for name in names):
        raise BrokenFile("The header row contains NUL; the file may be UTF-16 without a byte order mark")
    blank = next((place for place, name in enumerate(names, 1) if not name), None)
    if blank is not None:
        raise BrokenFile(f"Column {blank} has no name in the header row")
    return names


class JsonLinesReader:
    """One JSON object a line, UTF-8. A key twice in one object refuses the line: readers differ on which counts."""

    header: list[str] | None = None

    def __init__(self) -> None:
        self._rest = b""
        self._row_no = 0
        self._decoder = msgspec.json.Decoder()

    def feed(self, piece: bytes, *, last: bool) -> list[NumberedRecord]:
        """Returns the lines completed by this piece; blank lines are no rows."""
        if not self._row_no and not self._rest:
            piece = piece.removeprefix(codecs.BOM_UTF8)
        lines = (self._rest + piece).split(b"\n")
        self._rest = b"" if last else lines.pop()
        if len(self._rest) > RECORD_LIMIT:
            raise BrokenFile(f"Line {self._row_no + len(lines) + 1} is longer than 1 MB")
        return [self._numbered(line) for line in lines if line and not line.isspace()]

    def _numbered(self, line: bytes) -> NumberedRecord:
        self._row_no += 1
        try:
            record = self._decoder.decode(line)
            if not isinstance(record, dict):
                return self._row_no, "is not a JSON object"
            # Every key has its colon: where there are no more colons than keys, no key is there twice.
            if line.count(b":") > len(record):
                json.loads(line, object_pairs_hook=_without_doubles, parse_int=str, parse_float=str)
        except _DoubledKey as double:
            return self._row_no, f"has the key {str(double)[:100]!r} twice in one object"
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return self._row_no, f"is not JSON: {str(error)[:200]}"
        return self._row_no, record


class _DoubledKey(Exception):
    """A key that stands twice in one object."""


def _without_doubles(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise _DoubledKey(Counter(key for key, _ in pairs).most_common(1)[0][0])
