"""Cursors of lists: where the next page begins, signed so that nobody edits one (keyset paging, never offsets).

A cursor is good for the list and the filters it came from, and for nothing else.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from hashlib import sha256

from clarion.domain.errors import Invalid, Problem

_TAG_BYTES = 16
_MAX_CHARS = 2048


class CursorSigner:
    """Makes and reads cursors with one secret key."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"clarion list cursor", sha256)

    def sign(self, scope: str, position: bytes) -> str:
        """The cursor that continues the list named `scope` after `position`."""
        return urlsafe_b64encode(self._tag(scope, position) + position).rstrip(b"=").decode()

    def read(self, scope: str, cursor: str) -> bytes:
        """The position in a cursor of this list.

        Raises `Invalid` for an edited cursor, one of another list, and anything else.
        """
        if len(cursor) <= _MAX_CHARS and cursor.isascii():
            try:
                raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            except BadBase64:
                raw = b""
            tag, position = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
            if hmac.compare_digest(tag, self._tag(scope, position)) and self.sign(scope, position) == cursor:
                return position
        raise Invalid(Problem("query.cursor", "cursor", "is not a cursor of this list; start again without one"))

    def _tag(self, scope: str, position: bytes) -> bytes:
        return hmac.digest(self._key, scope.encode() + b"\0" + position, sha256)[:_TAG_BYTES]
