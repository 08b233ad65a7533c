"""A message as a request to APNs: its headers. The body is `rendering/push_payload`.

Source: developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns. Where to read next:
`apns`.
"""

from __future__ import annotations

import uuid
from typing import Final
from urllib.parse import urlsplit

from hpack.struct import Header

from clarion.adapters.channels.push.framing import varying
from clarion.domain.providers.push import Apns
from clarion.rendering.push import WirePush

NOBODY: Final = WirePush("0" * 64, "", "", "", "", "", "", {}, is_silent=True, ttl_s=0, key="probe")
"""A message to a device that there is not: APNs finds fault with our key first."""
_NAMES: Final = uuid.UUID("6f0a1d0e-5a0b-5c58-9d4e-3f1f7a6b2c11")
"""The namespace in which a delivery's id becomes an `apns-id` (RFC 9562 §5.5)."""


class Headers:
    """The headers of one sender's requests; those that do not change are made once."""

    def __init__(self, apns: Apns) -> None:
        place = urlsplit(apns.base_url)
        self._start = (
            (b":method", b"POST"),
            (b":scheme", place.scheme.encode()),
            (b":authority", place.netloc.encode()),
        )
        topic = (b"apns-topic", apns.topic.encode())
        self._alert = (topic, (b"apns-push-type", b"alert"), (b"apns-priority", b"10"))
        self._background = (topic, (b"apns-push-type", b"background"), (b"apns-priority", b"5"))

    def of(self, push: WirePush, authorization: Header, now: int) -> list[Header]:
        """The headers of one message. A time to live of nothing means: now or never."""
        expires = now + push.ttl_s if push.ttl_s else 0
        return [
            *self._start,
            varying(b":path", b"/3/device/" + push.token.encode()),
            authorization,
            *(self._background if push.is_silent else self._alert),
            varying(b"apns-expiration", str(expires).encode()),
            varying(b"apns-collapse-id", push.key.encode()),
            varying(b"apns-id", str(uuid.uuid5(_NAMES, push.key)).encode()),
        ]
