"""A device: where a push message reaches a contact, in one app.

Its token is the app's, given to the contact by a push service; who takes which token is `push_address`. Where to read
next: `application.devices`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from clarion.domain.ids import Id
from clarion.domain.providers.provider import ProviderName


class Platform(StrEnum):
    """What a device runs, and so which push service reaches it."""

    IOS = "ios"
    ANDROID = "android"
    WEB = "web"


PLATFORM_OF: Final = {
    ProviderName.APNS: Platform.IOS,
    ProviderName.FCM: Platform.ANDROID,
    ProviderName.WEB_PUSH: Platform.WEB,
}
"""Whose devices a push service reaches: tokens of other services mean nothing to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A stored device. Of a browser, `token` is the endpoint and `p256dh` and `auth` are its keys (RFC 8291).

    One with a `retired_at` is written to no more until it is registered again; `retired_reason` is what was said of it.
    """

    id: Id
    contact_id: Id
    platform: Platform
    app: str
    token: str
    p256dh: str | None
    auth: str | None
    created_at: datetime
    last_seen_at: datetime
    retired_at: datetime | None
    retired_reason: str | None
