"""A sender: a configured way out. Today an SMTP relay; every channel adds its own kind.

The password never leaves the store unencrypted except to the channel that logs in with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from clarion.domain.health import Health
from clarion.domain.ids import Id
from clarion.domain.pace import WarmUp

CHANNELS: Final = ("email",)
"""The kinds of way out that there are."""


class Security(StrEnum):
    """How a connection is protected. With a username, `none` is refused except on loopback."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


MAX_CONNECTIONS_LIMIT: Final = 200
DEFAULT_CONNECTIONS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpRelay:
    """Where and how to reach one SMTP relay. `max_connections` is per worker process.

    `ca_file` names a PEM file of the authorities to trust instead of the system's.
    """

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A stored sender. `from_address` is `name <address>` or a bare address; a limit that is None is none.

    `domain_rates` are messages a second by recipient domain; `warm_up` and `daily_cap` count messages of a day in UTC.
    Senders of one `pool` carry each other's mail by `weight`; `health` is None for one that never failed as a whole.
    """

    id: Id
    name: str
    relay: SmtpRelay
    from_address: str
    rate_per_second: float | None
    domain_rates: Mapping[str, float] = field(default_factory=dict)
    daily_cap: int | None = None
    warm_up: WarmUp | None = None
    pool: str | None = None
    weight: int = 1
    health: Health | None = None
    created_at: datetime
    updated_at: datetime
