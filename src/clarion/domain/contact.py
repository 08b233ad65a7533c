"""A contact: a person with addresses per channel, attributes and consent.

Consent per channel is True (given), False (refused) or None (never asked). Only False keeps a person from being
written to. Address validity and canonical keys live in `address`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from clarion.domain.ids import Id

AttributeValue = str | int | float | bool | None | list["AttributeValue"] | dict[str, "AttributeValue"]
Attributes = dict[str, AttributeValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """Whether we may write, per channel."""

    email: bool | None = None
    sms: bool | None = None
    push: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A stored contact. `email` is as shown and sent to; `email_key` is what uniqueness and suppression compare."""

    id: Id
    external_id: str | None = None
    email: str | None = None
    email_key: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    language: str | None = None
    timezone: str | None = None
    attributes: Attributes = field(default_factory=dict)
    consent: Consent = field(default_factory=Consent)
    created_at: datetime
    updated_at: datetime
