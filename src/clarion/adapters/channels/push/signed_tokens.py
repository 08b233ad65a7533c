"""JSON web tokens that show who sends: to APNs, to the push services of browsers (VAPID), to Google's token endpoint.

Signed by `pyjwt` with keys that are read once. Never asks anybody. Where to read next: `apns`, `web_push`,
`google_token`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm
from jwt.api_jws import PyJWS
from jwt.utils import der_to_raw_signature

from clarion.domain.push_address import octets

_SCALAR_OCTETS: Final = 32
_RSA_LEAST_BITS: Final = 2048


class BadKey(Exception):
    """The private key of a sender cannot be read, or is of the wrong kind; the text says how."""


class _Repeatable(ECAlgorithm):
    """ES256 whose signature depends on nothing but key and text (RFC 6979): every worker makes the same token."""

    def sign(self, msg: bytes, key: EllipticCurvePrivateKey | EllipticCurvePublicKey) -> bytes:
        assert isinstance(key, EllipticCurvePrivateKey)  # noqa: S101 - only such keys are handed in, see `signed`
        return der_to_raw_signature(key.sign(msg, ECDSA(hashes.SHA256(), deterministic_signing=True)), key.curve)


_signer: Final = PyJWS(algorithms=["RS256"])
_signer.register_algorithm("ES256", _Repeatable(hashes.SHA256, SECP256R1))


def signed(key: EllipticCurvePrivateKey | RSAPrivateKey, claims: Mapping[str, Any], key_id: str | None = None) -> str:
    """A token with these claims: ES256 or RS256, as the key is; the same claims give the same token."""
    algorithm = "RS256" if isinstance(key, RSAPrivateKey) else "ES256"
    payload = json.dumps(claims, separators=(",", ":")).encode()
    return _signer.encode(payload, key, algorithm=algorithm, headers={"kid": key_id} if key_id else None)


def read_p256_key(text: str) -> EllipticCurvePrivateKey:
    """A key on P-256, as PEM (a .p8 file) or as its 32 octets in base64url, as VAPID's tools write them.

    Raises: BadKey.
    """
    if "-----" not in text:
        scalar = octets(text.strip())
        if scalar is None or len(scalar) != _SCALAR_OCTETS:
            raise BadKey("the private key is neither PEM nor 32 octets in base64url")
        try:
            return derive_private_key(int.from_bytes(scalar, "big"), SECP256R1())
        except ValueError:
            raise BadKey("the private key is no key on P-256") from None
    key = _read_pem(text)
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise BadKey("the private key is not one on the curve P-256")
    return key


def read_rsa_key(text: str) -> RSAPrivateKey:
    """The private key of a service account, as PEM; also as it is written in its JSON file.

    Raises: BadKey.
    """
    key = _read_pem(text.replace("\\n", "\n"))
    if not isinstance(key, RSAPrivateKey) or key.key_size < _RSA_LEAST_BITS:
        raise BadKey(f"the private key is not an RSA key of at least {_RSA_LEAST_BITS} bits")
    return key


def _read_pem(text: str) -> object:
    try:
        return load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKey("the private key cannot be read as PEM without a password") from None
