"""Keys and what is sealed with them: one root key gives a separate key per purpose, and older root keys still open.

Owns the form of sealed bytes: version, key id, nonce, AES-256-GCM ciphertext. Where the root keys come from is decided
by the settings. Where to read next: `bootstrap`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from clarion.domain.errors import Unavailable

_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
_HEAD_BYTES: Final = 2 + _NONCE_BYTES


class KeyRing:
    """The root keys, the current one first, each under a small id that is computed from the key itself."""

    def __init__(self, roots: Sequence[bytes]) -> None:
        self._roots = {_key_id(root): root for root in roots}
        self.current = _key_id(roots[0])
        if len(self._roots) != len(set(roots)):
            raise ValueError("two of the secret keys have the same id; replace the current one by another random key")

    def subkeys(self, purpose: str) -> Mapping[int, bytes]:
        """Returns the 32-byte key of each root for one purpose (HKDF, RFC 5869); purposes never share a key."""
        return {number: _derive(root, purpose) for number, root in self._roots.items()}


def _key_id(root: bytes) -> int:
    return hashlib.sha256(b"clarion key id" + root).digest()[0]


def _derive(root: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"clarion/{purpose}".encode()).derive(root)


class AesSealer:
    """Seals with the current key, opens with any key of the ring. What is sealed twice looks different each time."""

    def __init__(self, keys: Mapping[int, bytes], current: int) -> None:
        self._ciphers = {number: AESGCM(key) for number, key in keys.items()}
        self._current = current

    def seal(self, secret: bytes) -> bytes:
        """Encrypts and authenticates `secret`."""
        head = _VERSION + bytes([self._current])
        nonce = os.urandom(_NONCE_BYTES)
        return head + nonce + self._ciphers[self._current].encrypt(nonce, secret, head)

    def open(self, sealed: bytes) -> bytes:
        """Returns what was sealed. Raises `Unavailable` when no configured key opens it."""
        head, nonce, text = sealed[:2], sealed[2:_HEAD_BYTES], sealed[_HEAD_BYTES:]
        cipher = self._ciphers.get(sealed[1]) if len(sealed) > _HEAD_BYTES and head[:1] == _VERSION else None
        try:
            if cipher is not None:
                return cipher.decrypt(nonce, text, head)
        except InvalidTag:
            pass
        raise Unavailable("A stored secret does not open with the configured keys; add the key that sealed it")
