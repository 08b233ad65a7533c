"""Callbacks of SMS providers, signed as each of them documents it, for a reader or for a real hook.

Each function gives a `Callback`; `post` sends one to a hook over HTTP, as the provider would.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from clarion.application.ports.receipts import Callback

WEBHOOK_SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CERTIFICATE_URL: Final = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"


def twilio(url: str, token: str, form: Mapping[str, str]) -> Callback:
    """A form-encoded callback ("Webhooks security")."""
    written = url + "".join(name + form[name] for name in sorted(form))
    signature = base64.b64encode(hmac.digest(token.encode(), written.encode(), "sha1")).decode()
    headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature}
    return Callback("POST", url, headers, urlencode(form).encode())


def vonage(
    url: str, secret: str, said: Mapping[str, Any], *, issued_at: float | None = None, **claims: object
) -> Callback:
    """A webhook with a token over its body ("Decoding signed webhooks")."""
    body = json.dumps(said).encode()
    iat = int(time.time() if issued_at is None else issued_at)
    payload = {"iat": iat, "jti": "1", "iss": "Vonage", "payload_hash": hashlib.sha256(body).hexdigest(), **claims}
    headers = {"content-type": "application/json", "authorization": f"Bearer {jwt.encode(payload, secret, 'HS256')}"}
    return Callback("POST", url, headers, body)


def standard(
    url: str, said: Mapping[str, Any], *, name: str = "msg_1", secret: str = WEBHOOK_SECRET, at: float | None = None
) -> Callback:
    """A call signed as Standard Webhooks says: Bird's, or a service's that speaks signed JSON."""
    body, sent_at = json.dumps(said).encode(), str(int(time.time() if at is None else at))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, f"{name}.{sent_at}.".encode() + body, "sha256")).decode()
    headers = {"webhook-id": name, "webhook-timestamp": sent_at, "webhook-signature": f"v1,{signature}"}
    return Callback("POST", url, {"content-type": "application/json", **headers}, body)


class Sns:
    """SNS with a certificate of its own, for one topic."""

    def __init__(self, topic: str, *, common_name: str = "sns.amazonaws.com", days: int = 1) -> None:
        self.topic = topic
        self.fetched = 0
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self._key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=9))
        certificate = builder.not_valid_after(now + dt.timedelta(days=days)).sign(self._key, hashes.SHA256())
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM)

    async def fetch(self, url: str) -> bytes:
        """The certificate, in place of the network."""
        assert url == CERTIFICATE_URL
        self.fetched += 1
        return self.certificate

    def notification(self, url: str, event: Mapping[str, Any], *, version: str = "2", **changed: str) -> Callback:
        """A notification that holds an event."""
        said = {"Type": "Notification", "MessageId": "22b80b92", "Message": json.dumps(event), **changed}
        return self._signed(url, said, ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"), version)

    def confirmation(self, url: str) -> Callback:
        """The first question of a topic that was told to call us."""
        said = {
            "Type": "SubscriptionConfirmation",
            "MessageId": "165545c9",
            "Message": "You have chosen to subscribe",
            "Token": "2336412f",
            "SubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription",
        }
        names = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
        return self._signed(url, said, names, "1")

    def _signed(self, url: str, said: Mapping[str, str], names: tuple[str, ...], version: str) -> Callback:
        at = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        whole = {"TopicArn": self.topic, "Timestamp": at, "SigningCertURL": CERTIFICATE_URL, **said}
        written = "".join(f"{name}\n{whole[name]}\n" for name in names if name in whole).encode()
        digest = hashes.SHA1() if version == "1" else hashes.SHA256()
        signature = base64.b64encode(self._key.sign(written, padding.PKCS1v15(), digest)).decode()
        body = json.dumps({**whole, "SignatureVersion": version, "Signature": signature}).encode()
        return Callback("POST", url, {"content-type": "text/plain; charset=UTF-8"}, body)


async def post(callback: Callback, url: str = "") -> int:
    """Sends a callback to a hook, at another address than the one it is signed for if told; gives the status."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(callback.method, url or callback.url, data=callback.body, headers=callback.headers) as response,
    ):
        return response.status
