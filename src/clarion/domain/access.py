"""Accounts, API keys and what a key may do. Secrets themselves are never held here: only the fact that one was given.

Where to read next: `application.access` for how a key is made and recognised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from clarion.domain.ids import Id


class Permission(StrEnum):
    """One thing a key may do."""

    CAMPAIGNS_READ = "campaigns:read"
    CAMPAIGNS_WRITE = "campaigns:write"
    CAMPAIGNS_EXECUTE = "campaigns:execute"
    CONTACTS_READ = "contacts:read"
    CONTACTS_WRITE = "contacts:write"
    MESSAGES_READ = "messages:read"
    SENDERS_READ = "senders:read"
    SENDERS_WRITE = "senders:write"
    KEYS_WRITE = "keys:write"


ALL_PERMISSIONS: Final = frozenset(Permission)
"""What an account's first key may do."""


class DateStyle(StrEnum):
    """In which order the people of an account write a date in figures."""

    DAY_FIRST = "day_first"
    MONTH_FIRST = "month_first"
    YEAR_FIRST = "year_first"


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant: everything else belongs to exactly one.

    `instance` (a host name), `organisation` and `sandbox` are how other vendors' callers name it; while one is None,
    any name that comes with a key of the account is accepted. `languages` are ISO 639-3 codes, the first the default.
    `retention_days` is how long deliveries are kept after their run ended; None: as long as the settings say.
    `weight` is its share of the sending beside other accounts, `rate_per_second` and `domain_rates` limit its mail over
    all its senders, in messages a second; an operator sets these.
    """

    id: Id
    name: str
    created_at: datetime
    timezone: str = "UTC"
    country: str | None = None
    languages: tuple[str, ...] = ("eng",)
    date_style: DateStyle = DateStyle.DAY_FIRST
    instance: str | None = None
    organisation: str | None = None
    sandbox: str | None = None
    retention_days: int | None = None
    weight: int = 1
    rate_per_second: float | None = None
    domain_rates: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A stored key without its secret. It works until `expires_at` (None: for ever) or `revoked_at`.

    `owner_email` is the canonical key of the address of whoever answers for it.
    """

    id: Id
    account_id: Id
    name: str
    permissions: frozenset[Permission]
    created_at: datetime
    owner_email: str | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: a recognised key, its account and what it may do there."""

    key_id: Id
    account_id: Id
    permissions: frozenset[Permission]
    expires_at: datetime | None = None
    owner_email: str | None = None

    def may(self, permission: Permission) -> bool:
        """Tells whether the key carries this permission."""
        return permission in self.permissions
