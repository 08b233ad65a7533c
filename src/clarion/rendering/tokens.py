"""Signed tokens for the links in a message: who may unsubscribe whom, without a login.

A token names the key, the purpose, the account, the run and the number of the delivery, and proves with 160 bits of
HMAC-SHA256 that we wrote it. It holds no address. Nothing is stored; what a token allows is decided by its reader.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import struct
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from clarion.domain.ids import Id

KEY_BYTES_AT_LEAST: Final = 32
_MAC_BYTES: Final = 20
_HEAD = struct.Struct(">BBB12s12s")  # version, key id, purpose, account, run: 27 bytes are 36 characters, no remainder
_SEQ = struct.Struct(">I")
_VERSION = 1
_BYTES = _HEAD.size + _SEQ.size + _MAC_BYTES
_TOKEN = re.compile(r"[A-Za-z0-9_-]{68}", re.ASCII)
_BLOCK = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Purpose(IntEnum):
    """What a token is for; a token for one purpose is worthless for another."""

    UNSUBSCRIBE = 1
    VIEW = 2


class TokenFacts(NamedTuple):
    """What a genuine token says."""

    account_id: Id
    run_id: Id
    seq: int


class TokenSigner:
    """Signs with the current key and reads with every key it holds, so that keys can be rotated (ids 0 to 255)."""

    def __init__(self, keys: Mapping[int, bytes], current: int) -> None:
        if current not in keys or any(not 0 <= number < 256 for number in keys):
            msg = "key ids are 0 to 255 and the current one is among them"
            raise ValueError(msg)
        if any(len(key) < KEY_BYTES_AT_LEAST for key in keys.values()):
            msg = f"a signing key has at least {KEY_BYTES_AT_LEAST} bytes"
            raise ValueError(msg)
        self._keys = dict(keys)
        self._current = current

    def sign(self, purpose: Purpose, account_id: Id, run_id: Id, seq: int) -> str:
        """The token for one delivery: 68 URL-safe characters, always the same for the same delivery and key."""
        return self.for_run(purpose, account_id, run_id)(seq)

    def for_run(self, purpose: Purpose, account_id: Id, run_id: Id) -> Callable[[int], str]:
        """A signer for one run with everything but the delivery's number computed beforehand."""
        head = _HEAD.pack(_VERSION, self._current, purpose, account_id, run_id)
        prefix = base64.urlsafe_b64encode(head).decode()
        inner, outer = _halves(self._keys[self._current])
        inner.update(head)
        pack, b64, swap = _SEQ.pack, binascii.b2a_base64, _URLSAFE

        def token(seq: int) -> str:
            tail = pack(seq)
            first = inner.copy()
            first.update(tail)
            second = outer.copy()
            second.update(first.digest())
            return prefix + b64(tail + second.digest()[:_MAC_BYTES], newline=False).translate(swap).decode()

        return token

    def read(self, token: str, purpose: Purpose) -> TokenFacts | None:
        """What the token says if we wrote it for this purpose, else None. Compares in constant time."""
        if not _TOKEN.fullmatch(token):
            return None
        raw = base64.urlsafe_b64decode(token)
        version, key_id, meant_for, account_id, run_id = _HEAD.unpack_from(raw)
        key = self._keys.get(key_id)
        if key is None or version != _VERSION or meant_for != purpose:
            return None
        mac = hmac.digest(key, raw[:-_MAC_BYTES], "sha256")[:_MAC_BYTES]
        if not hmac.compare_digest(mac, raw[-_MAC_BYTES:]):
            return None
        return TokenFacts(Id(account_id), Id(run_id), _SEQ.unpack_from(raw, _HEAD.size)[0])


_URLSAFE = bytes.maketrans(b"+/", b"-_")


def _halves(key: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    """The two hash states of HMAC (RFC 2104) after their key block; copying them costs a third of starting afresh."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))
