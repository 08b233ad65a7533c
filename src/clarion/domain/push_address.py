"""Where a push message goes: the tokens of apps and the subscriptions of browsers, and what is wrong with one.

Owns their shapes only. Whether an address is alive is known by its push service alone, and where a name of an endpoint
leads by whoever connects to it. Where to read next: `rendering/push_plan` (who reads them for a message).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from clarion.domain.internet import may_be_public

TOKEN_LIMIT: Final = 4096
"""Characters of an FCM registration token; they have about 160 and no stated limit."""
ENDPOINT_LIMIT: Final = 2048
"""Characters of a subscription's endpoint."""
_APNS_TOKEN = re.compile(r"(?:[0-9A-Fa-f]{2}){8,100}", re.ASCII)
_FCM_TOKEN = re.compile(r"[A-Za-z0-9_:.~%+=/-]{1,4096}", re.ASCII)
_URL_CHARACTERS = re.compile(r"[!-~]+", re.ASCII)
_KEY_OCTETS: Final = 65
_AUTH_OCTETS: Final = 16
_URL_SAFE: Final = str.maketrans("-_", "+/")


class WebSubscription(NamedTuple):
    """A browser's subscription, as its `PushSubscription.toJSON()` gives it: `p256dh` and `auth` in base64url."""

    endpoint: str
    p256dh: str
    auth: str

    def packed(self) -> str:
        """The subscription as the address of a delivery."""
        return json.dumps(self._asdict(), separators=(",", ":"))


def read_subscription(address: str) -> WebSubscription | None:
    """The subscription that `packed` wrote; None for any other text."""
    try:
        found = json.loads(address)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    parts = [part for name in WebSubscription._fields if isinstance(part := found.get(name), str)]
    return WebSubscription(*parts) if len(parts) == len(WebSubscription._fields) else None


def apns_token_fault(token: str) -> str | None:
    """Why this is no device token of APNs, which are octets in hexadecimal of a length that may change."""
    return None if _APNS_TOKEN.fullmatch(token) else "must be 16 to 200 hexadecimal digits"


def token_key(token: str) -> str:
    """A token as it is stored and compared: one of APNs, whose digits may be written either way, in small letters."""
    return token.lower() if _APNS_TOKEN.fullmatch(token) else token


def fcm_token_fault(token: str) -> str | None:
    """Why this is no registration token of FCM."""
    return None if _FCM_TOKEN.fullmatch(token) else f"must be 1 to {TOKEN_LIMIT} characters of a token"


def endpoint_fault(url: str, *, allow_private: bool = False) -> str | None:
    """Why this is no endpoint to send to: it comes from a stranger, and must not lead into our own network.

    RFC 8030 §8 wants https. `allow_private` is for push services of one's own.
    """
    if len(url) > ENDPOINT_LIMIT or not _URL_CHARACTERS.fullmatch(url):
        return f"must be a URL of at most {ENDPOINT_LIMIT} characters, none of them special"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "must be a URL"
    if parts.scheme != "https" or not host:
        return "must be an https URL"
    if parts.username is not None or parts.password is not None or parts.fragment or "\\" in url:
        return "must be a URL without a login and a fragment"
    if not allow_private and not may_be_public(host):
        return "must lead to a host on the public internet"
    return None


def keys_fault(p256dh: str, auth: str) -> str | None:
    """Why these are no keys of a subscription: a point on P-256, uncompressed, and 16 octets (RFC 8291 §2)."""
    key, secret = octets(p256dh), octets(auth)
    if key is None or len(key) != _KEY_OCTETS or key[0] != 4:
        return f"p256dh must be {_KEY_OCTETS} octets of an uncompressed point, in base64url"
    if secret is None or len(secret) != _AUTH_OCTETS:
        return f"auth must be {_AUTH_OCTETS} octets, in base64url"
    return None


def octets(text: str) -> bytes | None:
    """What base64url stands for, with or without its padding (RFC 7515 §2); None when it is none."""
    try:
        bare = text.rstrip("=").translate(_URL_SAFE).encode("ascii")
        return base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
