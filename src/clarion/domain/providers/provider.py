"""What every provider's settings have in common. A provider is whoever a sender hands its messages to.

Settings are plain values; secrets are named here and never held. Each provider stands in a module beside this one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import ClassVar, Final, Protocol
from urllib.parse import urlsplit

from clarion.domain.channel import ChannelName
from clarion.domain.errors import Problem

MAX_CONNECTIONS_LIMIT: Final = 200
DEFAULT_CONNECTIONS: Final = 10
_HOST = re.compile(r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.?", re.ASCII)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")


class ProviderName(StrEnum):
    """Whom a sender hands its messages to, or what it speaks with them."""

    SMTP = "smtp"
    SMPP = "smpp"
    TWILIO = "twilio"
    VONAGE = "vonage"
    BIRD = "bird"
    AWS_SMS = "aws_sms"
    SIGNED_HTTP = "signed_http"
    FCM = "fcm"
    APNS = "apns"
    WEB_PUSH = "web_push"


class Security(StrEnum):
    """How a connection is protected. With a username, `none` is refused except on loopback."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class Provider(Protocol):
    """The settings of one sender's provider: a frozen dataclass of plain values."""

    name: ClassVar[ProviderName]
    channel: ClassVar[ChannelName]
    secrets: ClassVar[tuple[str, ...]]
    """Names of its secrets, as the API has them. All of them are required."""

    @property
    def max_connections(self) -> int:
        """Connections, or requests at once, of one worker process."""
        ...

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the settings, fields named as in the API (`settings.accountSid`)."""
        ...


def connection_problems(max_connections: int, field: str = "settings.maxConnections") -> Iterator[Problem]:
    """Whether a number of connections is one."""
    if not 1 <= max_connections <= MAX_CONNECTIONS_LIMIT:
        yield Problem(field, "range", f"1 to {MAX_CONNECTIONS_LIMIT}")


def text_problems(field: str, text: str, limit: int = 255) -> Iterator[Problem]:
    """Whether a text is there, fits and holds nothing that could break out of a header or a PDU."""
    if not text or len(text) > limit or _UNSAFE.search(text):
        yield Problem(field, "pattern", f"1 to {limit} characters, no control characters")


def url_problems(field: str, url: str) -> Iterator[Problem]:
    """Whether a URL can be called: https, or http on loopback, without a login in it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        yield Problem(field, "url", "a complete https URL")
        return
    if parts.username or parts.password or parts.fragment or _UNSAFE.search(url) or not is_host(host):
        yield Problem(field, "url", "a complete https URL without a login")
    elif parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        yield Problem(field, "url", "https only, except on loopback")


def is_host(host: str) -> bool:
    """Whether this is a host name or an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(_HOST.fullmatch(host))
    return True


def is_loopback(host: str) -> bool:
    """Whether a connection to this host stays on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
