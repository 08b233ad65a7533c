"""The push message on the wire: what a channel is handed to send to one device.

Holds no template and knows no provider. Where to read next: `push_plan` (who makes these), `push_payload` (what a
provider is given of it).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class WirePush(NamedTuple):
    """One push message, ready for the wire.

    `token` is what the provider knows the device by; for the web the endpoint, with the keys `p256dh` and `auth` that
    it is encrypted with, which are empty elsewhere. `ttl_s` is how long the provider keeps it for a device that is
    away. `key` is the delivery's id: a device that gets the message twice shows it once.
    """

    token: str
    p256dh: str
    auth: str
    title: str
    body: str
    image_url: str
    action_url: str
    data: Mapping[str, Any]
    is_silent: bool
    ttl_s: int
    key: str
