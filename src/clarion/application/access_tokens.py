"""Access tokens: short-lived texts that stand for an API key, for callers that send a token and not a key.

A token names its key and its end and proves with an HMAC-SHA256 that we wrote it; it holds no secret and nothing is
stored. Whoever reads one still looks its key up, so a revoked key takes its tokens with it. Next: `access`.
"""

from __future__ import annotations

import base64
import hmac
import re
import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from clarion.domain.access import Principal
from clarion.domain.ids import Id

TOKEN_PREFIX: Final = "clarion_t_"  # noqa: S105 - what secret scanners may look for
_HEAD = struct.Struct(">BB12sQ")  # version, number of the signing key, API key, end in milliseconds: 22 bytes
_MAC_BYTES: Final = 32
_VERSION: Final = 1
_TOKEN = re.compile(TOKEN_PREFIX + r"([A-Za-z0-9_-]{72})", re.ASCII)
_NO_KEY: Final = bytes(32)


class AccessTokens:
    """Writes tokens with the current signing key and reads those of every key it holds."""

    def __init__(self, keys: Mapping[int, bytes], current: int) -> None:
        self._keys = dict(keys)
        self._current = current

    def issue(self, principal: Principal, lifetime: timedelta, now: datetime | None = None) -> tuple[str, datetime]:
        """A token for what the principal's key may do, and when it ends: never later than the principal itself."""
        ends_at = (now or datetime.now(UTC)) + lifetime
        ends_at = min(ends_at, principal.expires_at) if principal.expires_at else ends_at
        ends_ms = int(ends_at.timestamp() * 1000)
        head = _HEAD.pack(_VERSION, self._current, principal.key_id, ends_ms)
        text = base64.urlsafe_b64encode(head + _mac(self._keys[self._current], head)).decode()
        return TOKEN_PREFIX + text, datetime.fromtimestamp(ends_ms / 1000, UTC)

    def read(self, text: str) -> tuple[Id, datetime] | None:
        """The API key that a token of ours stands for, and when the token ends; None for every other text."""
        match = _TOKEN.fullmatch(text)
        if not match:
            return None
        raw = base64.urlsafe_b64decode(match[1])
        head, mac = raw[: _HEAD.size], raw[_HEAD.size :]
        version, number, key_id, ends_ms = _HEAD.unpack(head)
        right = hmac.compare_digest(mac, _mac(self._keys.get(number, _NO_KEY), head))
        if not right or number not in self._keys or version != _VERSION:
            return None
        return Id(key_id), datetime.fromtimestamp(ends_ms / 1000, UTC)


def _mac(key: bytes, head: bytes) -> bytes:
    return hmac.digest(key, b"clarion access token" + head, "sha256")
