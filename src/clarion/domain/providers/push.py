"""The push services: what a sender must say of each.

Keys are secrets and never here. Where to read next: `adapters/channels/push`, which speaks to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from clarion.domain.channel import ChannelName
from clarion.domain.errors import Problem
from clarion.domain.providers.provider import (
    ProviderName,
    connection_problems,
    text_problems,
    url_problems,
)

_PROJECT = re.compile(r"(?:[a-z0-9.-]{1,100}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]", re.ASCII)
_REQUESTS_AT_ONCE: Final = 50
"""Each waits for its answer, about a tenth of a second."""
_APPLE_ID = re.compile(r"[A-Z0-9]{10}", re.ASCII)
_SUBJECT = re.compile(r"(?:mailto:[!-~]{1,240}@[A-Za-z0-9.-]{1,253}|https://[!-~]{1,250})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fcm:
    """Firebase Cloud Messaging, HTTP v1. `app` is that of the devices it reaches.

    The secret is the private key of a service account, as in its JSON file, whose `client_email` goes with it.
    """

    name: ClassVar[ProviderName] = ProviderName.FCM
    channel: ClassVar[ChannelName] = ChannelName.PUSH
    secrets: ClassVar[tuple[str, ...]] = ("privateKey",)

    app: str
    project_id: str
    client_email: str
    base_url: str = "https://fcm.googleapis.com"
    token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - where tokens come from
    max_connections: int = _REQUESTS_AT_ONCE

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the settings."""
        yield from text_problems("settings.app", self.app)
        if not _PROJECT.fullmatch(self.project_id):
            yield Problem("settings.projectId", "pattern", "the id of a Google Cloud project")
        yield from text_problems("settings.clientEmail", self.client_email)
        yield from url_problems("settings.baseUrl", self.base_url)
        yield from url_problems("settings.tokenUrl", self.token_url)
        yield from connection_problems(self.max_connections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Apns:
    """Apple Push Notification service with a provider token. `topic` is the app's bundle id.

    The secret is the signing key, a .p8 file. `https://api.sandbox.push.apple.com` reaches apps in development.
    `ca_file` names a PEM file of the authorities to trust instead of the system's.
    """

    name: ClassVar[ProviderName] = ProviderName.APNS
    channel: ClassVar[ChannelName] = ChannelName.PUSH
    secrets: ClassVar[tuple[str, ...]] = ("privateKey",)

    app: str
    topic: str
    team_id: str
    key_id: str
    base_url: str = "https://api.push.apple.com"
    max_connections: int = 2
    ca_file: str | None = None

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the settings."""
        yield from text_problems("settings.app", self.app)
        yield from text_problems("settings.topic", self.topic)
        for field, text in (("settings.teamId", self.team_id), ("settings.keyId", self.key_id)):
            if not _APPLE_ID.fullmatch(text):
                yield Problem(field, "pattern", "10 capital letters and digits")
        yield from url_problems("settings.baseUrl", self.base_url)
        yield from connection_problems(self.max_connections)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPush:
    """Web Push (RFC 8030) with VAPID (RFC 8292). `subject` is a mailto: or https: address where we can be reached.

    The secret is the VAPID key, whose public half browsers subscribed with. `allow_private_endpoints` lets
    subscriptions lead into private networks: for push services of one's own.
    """

    name: ClassVar[ProviderName] = ProviderName.WEB_PUSH
    channel: ClassVar[ChannelName] = ChannelName.PUSH
    secrets: ClassVar[tuple[str, ...]] = ("privateKey",)

    app: str
    subject: str
    max_connections: int = _REQUESTS_AT_ONCE
    allow_private_endpoints: bool = False
    ca_file: str | None = None

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the settings."""
        yield from text_problems("settings.app", self.app)
        if not _SUBJECT.fullmatch(self.subject):
            yield Problem("settings.subject", "pattern", "a mailto: address or an https: URL")
        yield from connection_problems(self.max_connections)
