"""Encryption of a message for one browser: RFC 8291 over `aes128gcm` of RFC 8188, on `cryptography`.

Pure but for its random numbers, which a test may give. Where to read next: `web_push`.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_RECORD: Final = 4096
"""Octets of the one record there is; push services take no more (RFC 8030 §7.2)."""
_LAST: Final = b"\x02"
"""RFC 8188 §2: what ends the text of the last record; no padding follows it."""


class BadSubscription(Exception):
    """A subscription's key is no point on the curve."""


def encrypted(
    text: bytes,
    receiver: bytes,
    secret: bytes,
    *,
    key: EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """The body of a request: header and record. `receiver` and `secret` are a subscription's p256dh and auth.

    `key` and `salt` are new for each message. Raises: BadSubscription.
    """
    key = key or generate_private_key(SECP256R1())
    salt = salt or os.urandom(16)
    try:
        theirs = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), receiver)
    except ValueError:
        raise BadSubscription("p256dh is no point on the curve P-256") from None
    ours = uncompressed(key)
    # RFC 8291 §3.4: the secrets of both sides are one; RFC 8188 §2.2 and §2.3: what is derived from it.
    shared = _derived(key.exchange(ECDH(), theirs), secret, b"WebPush: info\0" + receiver + ours, 32)
    content_key = _derived(shared, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(shared, salt, b"Content-Encoding: nonce\0", 12)
    header = salt + _RECORD.to_bytes(4, "big") + len(ours).to_bytes(1, "big") + ours
    return header + AESGCM(content_key).encrypt(nonce, text + _LAST, None)


def uncompressed(key: EllipticCurvePrivateKey) -> bytes:
    """The public half of a key, as browsers and push services know it."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _derived(material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(material)
