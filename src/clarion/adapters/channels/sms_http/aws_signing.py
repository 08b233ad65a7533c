"""Signature Version 4, as AWS asks for it on every request: HMAC-SHA256 over a canonical form of the request.

Pure, and the standard library only; the clock is given. Signs POST requests without a query, which is all that we send.
Source: "AWS Signature Version 4 for API requests", with the test suite that AWS publishes. Where to read next: `aws`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"
_PORTS = {"https": ":443", "http": ":80"}
"""Said by nobody in a Host header."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose key signs, and for which service of which region."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str
    service: str

    def headers(self, method: str, url: str, headers: Mapping[str, str], body: bytes, now: float) -> dict[str, str]:
        """All headers of the request with its date and its signature; `headers` has no Host and is signed whole."""
        date = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        parts = urlsplit(url)
        signed = {"host": parts.netloc.removesuffix(_PORTS[parts.scheme]), "x-amz-date": date} | {
            name.lower(): value for name, value in headers.items()
        }
        names = ";".join(sorted(signed))
        canonical = "\n".join(
            [
                method,
                quote(parts.path or "/", safe="/-_.~"),
                "",
                *(f"{name}:{' '.join(signed[name].split())}" for name in sorted(signed)),
                "",
                names,
                hashlib.sha256(body).hexdigest(),
            ]
        )
        scope = f"{date[:8]}/{self.region}/{self.service}/aws4_request"
        to_sign = "\n".join([_ALGORITHM, date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        signature = hmac.new(self._key(date[:8]), to_sign.encode(), "sha256").hexdigest()
        credential = f"Credential={self.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**headers, "X-Amz-Date": date, "Authorization": f"{_ALGORITHM} {credential}"}

    def _key(self, day: str) -> bytes:
        key = f"AWS4{self.secret_access_key}".encode()
        for part in (day, self.region, self.service, "aws4_request"):
            key = hmac.new(key, part.encode(), "sha256").digest()
        return key
