"""Identifiers: 96 bits, ordered by creation time, made before the row they name is written.

An id is 12 bytes: 48 bits of Unix milliseconds, then 48 bits that start at random in each millisecond and count up
within one process. Databases keep the bytes, people and APIs see 24 lowercase hexadecimal digits, the shape the
accounts API documents. Knowing an id before the write is what makes an unclear commit answerable: ask for the id.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
import uuid
from typing import NewType

Id = NewType("Id", bytes)

ID_BYTES = 12
_TEXT = re.compile(r"[0-9a-f]{24}", re.ASCII)
_LOW_BITS = 48
_CHECK_BITS = 26
_lock = threading.Lock()
_last = 0


def new_id() -> Id:
    """Returns an id greater than every id this process made before, even when the clock steps back."""
    global _last  # noqa: PLW0603 - the last id is the one fact this module keeps
    fresh = time.time_ns() // 1_000_000 << _LOW_BITS | secrets.randbits(_LOW_BITS - 1)
    with _lock:
        _last = max(fresh, _last + 1)
        return Id(_last.to_bytes(ID_BYTES, "big"))


def new_ids(count: int) -> list[Id]:
    """Returns `count` ids that follow one another, as `new_id` would make them but for one draw of randomness."""
    global _last  # noqa: PLW0603 - the last id is the one fact this module keeps
    fresh = time.time_ns() // 1_000_000 << _LOW_BITS | secrets.randbits(_LOW_BITS - 1)
    with _lock:
        first = max(fresh, _last + 1)
        _last = first + count
    return [Id(value.to_bytes(ID_BYTES, "big")) for value in range(first, first + count)]


def parse_id(text: str) -> Id | None:
    """Reads the 24-digit form; anything else is None, which callers answer like an unknown id."""
    return Id(bytes.fromhex(text)) if _TEXT.fullmatch(text) else None


def as_uuid(id_: Id) -> str:
    """The same id for callers that know UUIDs only: a version 7 UUID (RFC 9562 §5.7) of its milliseconds and its bits.

    The 26 bits that an id does not fill are a digest of it, so a UUID made elsewhere is hardly ever taken for one.
    """
    bits = int.from_bytes(id_, "big") << _CHECK_BITS | _check(id_)
    high, low = bits >> 74, bits & ((1 << 74) - 1)
    return str(uuid.UUID(int=high << 80 | 0x7 << 76 | (low >> 62) << 64 | 0b10 << 62 | low & ((1 << 62) - 1)))


def parse_uuid(text: str) -> Id | None:
    """Reads back what `as_uuid` wrote, in any spelling of a UUID; None for every other text and every other UUID."""
    try:
        value = uuid.UUID(text).int
    except ValueError:
        return None
    low = (value >> 64 & 0xFFF) << 62 | value & ((1 << 62) - 1)
    bits = (value >> 80) << 74 | low
    id_ = Id((bits >> _CHECK_BITS).to_bytes(ID_BYTES, "big"))
    return id_ if as_uuid(id_) == str(uuid.UUID(int=value)) else None


def _check(id_: Id) -> int:
    return int.from_bytes(hashlib.sha256(id_).digest()[:4], "big") >> (32 - _CHECK_BITS)
