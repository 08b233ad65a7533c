"""SMTP: a relay for email. Settings only; the password is sealed by `adapters/sealing`.

Where to read next: `adapters/channels/smtp`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from clarion.domain.channel import ChannelName
from clarion.domain.errors import Problem
from clarion.domain.providers.provider import (
    DEFAULT_CONNECTIONS,
    ProviderName,
    Security,
    connection_problems,
    is_host,
    is_loopback,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpRelay:
    """Where and how to reach one SMTP relay. `max_connections` is per worker process.

    `ca_file` names a PEM file of the authorities to trust instead of the system's. The one secret is the password.
    """

    name: ClassVar[ProviderName] = ProviderName.SMTP
    channel: ClassVar[ChannelName] = ChannelName.EMAIL
    secrets: ClassVar[tuple[str, ...]] = ()

    host: str
    port: int
    security: Security
    username: str | None = None
    password: str | None = None
    max_connections: int = DEFAULT_CONNECTIONS
    max_messages_per_connection: int = 1000
    ca_file: str | None = None

    def __repr__(self) -> str:
        return f"SmtpRelay({self.security}://{self.host}:{self.port})"

    def problems(self) -> Iterator[Problem]:
        """What is wrong with it; its fields stand beside the sender's own in the API."""
        if not is_host(self.host):
            yield Problem("host", "host", "a host name or an IP address")
        if not 1 <= self.port <= 65535:
            yield Problem("port", "range", "1 to 65535")
        yield from connection_problems(self.max_connections, "maxConnections")
        if self.username is not None and self.security is Security.NONE and not is_loopback(self.host):
            yield Problem("security", "tlsForLogin", "a login is sent over TLS only: choose starttls or tls")
