"""`h2` as we use it: answers after a GOAWAY are heard, and what repeats with each request is not worked out again.

Everything else of HTTP/2's frames and states is the library's own. Where to read next: `http2`, which drives it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, Event
from hpack import Encoder, NeverIndexedHeaderTuple
from hpack.struct import Header, HeaderWeaklyTyped
from hyperframe.frame import Frame, GoAwayFrame

_INDEXED: Final = 0x80
_SWEPT: Final = 256


def varying(name: bytes, value: bytes) -> Header:
    """A header whose value is another one in every request: it would only push the others out of the table."""
    return NeverIndexedHeaderTuple(name, value)


class Machine(H2Connection):
    """A client's side of one connection; `count` knows how many streams are open beside the one that is asked for.

    `h2` takes GOAWAY for the end, but the requests up to the last one it names are still answered (RFC 9113 §6.8).
    """

    def __init__(self, count: Callable[[], int]) -> None:
        # What we write is well-formed, and of what we read we use a number and words that are looked at.
        config = H2Configuration(
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
        )
        super().__init__(config)
        self.encoder = RepeatingEncoder()
        self._count = count
        self._asked = 0

    @property
    def open_outbound_streams(self) -> int:
        """How many streams are open, asked for each request: `h2` would walk over all of them every time."""
        self._asked += 1
        if self._asked % _SWEPT == 0:
            return super().open_outbound_streams  # which also forgets those that are closed
        return self._count()

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        told = ConnectionTerminated()
        told.last_stream_id = frame.last_stream_id
        told.additional_data = frame.additional_data or None
        return [], [told]


class RepeatingEncoder(Encoder):
    """An encoder that remembers how it wrote what it has in its table (RFC 7541): half of the plain one's time."""

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[HeaderWeaklyTyped, bytes] = {}

    def encode(self, headers: Iterable[HeaderWeaklyTyped], huffman: bool = True) -> bytes:  # type: ignore[override]  # noqa: FBT001, FBT002 - the library's own signature
        """One header block, of names and values in bytes: what is `varying` as it is, the rest by its place."""
        if self.header_table.resized:
            self._written.clear()
            return super().encode(headers, huffman)
        return b"".join(map(self._field, headers))

    def _field(self, header: HeaderWeaklyTyped) -> bytes:
        if type(header) is NeverIndexedHeaderTuple:
            name, value = header
            # RFC 7541 §6.2.3: a literal that nobody on the way may remember, with its name written out.
            return b"\x10%b%b%b%b" % (_length(name), name, _length(value), value)
        written = self._written.get(header)
        if written is None:
            written = bytes(self.add(header, sensitive=False))  # type: ignore[arg-type]
            if written[0] & _INDEXED:
                self._written[header] = written
            else:
                self._written.clear()  # a new entry has moved all the others
        return written


def _length(text: bytes) -> bytes:
    """The length of a text without Huffman coding (RFC 7541 §5.1 and §5.2)."""
    size = len(text)
    if size < 127:
        return size.to_bytes(1, "big")
    octets, rest = bytearray(b"\x7f"), size - 127
    while rest > 127:
        octets.append(rest & 127 | 128)
        rest >>= 7
    octets.append(rest)
    return bytes(octets)
