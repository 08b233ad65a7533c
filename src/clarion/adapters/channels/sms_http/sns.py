"""Messages that Amazon SNS posts: whether its certificate signed them, and which topic they come from.

A certificate is fetched from SNS's own hosts over https, only for messages of the sender's topic, and kept. Owns no
receipt; that is `aws`. Sources: "Verifying the signatures of Amazon SNS messages", docs/providers.md.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from clarion.adapters.channels.http import HttpWay, Request
from clarion.adapters.channels.json_reading import text_of
from clarion.adapters.channels.sms_http.callbacks import Clock, demand_fresh, moment
from clarion.application.ports.receipts import Forged
from clarion.domain.errors import Unavailable
from clarion.domain.outcome import Outcome

Fetch = Callable[[str], Awaitable[bytes]]

_CERTIFICATE_URL: Final = re.compile(
    r"https://sns\.(?P<region>[a-z0-9-]{3,30})\.amazonaws\.com(\.cn)?/SimpleNotificationService-[0-9a-f]{8,64}\.pem",
    re.ASCII,
)
_SUBJECT: Final = re.compile(r"sns(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?", re.ASCII)
_NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_DIGESTS: Final[Mapping[str, hashes.HashAlgorithm]] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 - SNS's version 1
_OLDEST_S: Final = 24 * 3600.0
"""SNS goes on repeating a message for an hour, by a policy of one's own for longer."""
_KEPT: Final = 32
_AFTER_FAILURE_S: Final = 10.0
_CERTIFICATE_LIMIT: Final = 64 * 1024


async def fetch_certificate(url: str) -> bytes:
    """The certificate at an address that was checked. Raises Unavailable."""
    way = HttpWay(max_connections=1)
    try:
        answer = await way.ask(Request(url, b"", {}, "GET"))
    finally:
        await way.aclose()
    if isinstance(answer, Outcome) or answer.status != 200 or len(answer.body) > _CERTIFICATE_LIMIT:
        raise Unavailable("The certificate of Amazon SNS cannot be had just now")
    return answer.body


class Certificates:
    """The signing keys of SNS by address, fetched once. Safe to use from one event loop."""

    def __init__(self, fetch: Fetch = fetch_certificate, clock: Clock = time.time) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, tuple[rsa.RSAPublicKey, datetime]] = {}
        self._fetching = asyncio.Lock()
        self._again_at = 0.0

    async def prepare(self, url: str) -> None:
        """Fetches the certificate at this address unless it is here.

        Raises:
            Forged: it is no certificate of SNS.
            Unavailable: it cannot be had just now; a few seconds are waited between two tries.
        """
        if self._of(url) is not None:
            return
        async with self._fetching:
            if self._of(url) is not None:
                return
            if self._clock() < self._again_at:
                raise Unavailable("The certificate of Amazon SNS cannot be had just now")
            self._again_at = self._clock() + _AFTER_FAILURE_S
            key = _key_in(await self._fetch(url))
            self._again_at = 0.0
            if len(self._keys) >= _KEPT:
                self._keys.clear()
            self._keys[url] = key

    def key(self, url: str) -> rsa.RSAPublicKey:
        """The key that `prepare` fetched. Raises Unavailable."""
        found = self._of(url)
        if found is None:
            raise Unavailable("The certificate of Amazon SNS is not here yet")
        return found

    def _of(self, url: str) -> rsa.RSAPublicKey | None:
        key, valid_until = self._keys.get(url, (None, datetime.max.replace(tzinfo=UTC)))
        return key if valid_until.timestamp() > self._clock() else None


CERTIFICATES: Final = Certificates()
"""Those of this process."""


def certificate_url(said: Mapping[str, Any], topic_arn: str) -> str:
    """Where the certificate of a message is, if it claims to be of this topic. Raises Forged."""
    if not topic_arn or said.get("TopicArn") != topic_arn:
        raise Forged("the message is not of the sender's topic")
    url = text_of(said.get("SigningCertURL"))
    match = _CERTIFICATE_URL.fullmatch(url)
    if match is None or match["region"] != topic_arn.split(":")[3]:
        raise Forged("the certificate is not where SNS of the topic's region has it")
    return url


def demand_signed(said: Mapping[str, Any], key: rsa.RSAPublicKey, now: float) -> None:
    """Raises Forged unless the message is signed with this key, and not long ago."""
    digest = _DIGESTS.get(text_of(said.get("SignatureVersion")))
    if digest is None:
        raise Forged("the signature's version is neither 1 nor 2")
    names = _NOTIFICATION if said.get("Type") == "Notification" else _CONFIRMATION
    signed = "".join(f"{name}\n{text_of(said[name])}\n" for name in names if said.get(name) is not None)
    try:
        signature = base64.b64decode(text_of(said.get("Signature")), validate=True)
        key.verify(signature, signed.encode(), padding.PKCS1v15(), digest)
    except (InvalidSignature, binascii.Error, ValueError) as fault:
        raise Forged("the signature is not that of SNS") from fault
    at = moment(text_of(said.get("Timestamp")))
    demand_fresh(at.timestamp() if at else float("nan"), now, _OLDEST_S)


def _key_in(pem: bytes) -> tuple[rsa.RSAPublicKey, datetime]:
    """The key in a certificate, and until when it is good. Raises Forged."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        key = certificate.public_key()
    except ValueError as fault:
        raise Forged("there is no certificate at that address") from fault
    if not isinstance(key, rsa.RSAPublicKey) or not any(_SUBJECT.fullmatch(name) for name in names):
        raise Forged("the certificate is not that of SNS")
    return key, certificate.not_valid_after_utc
