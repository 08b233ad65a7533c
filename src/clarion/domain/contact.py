"""A contact: a person with addresses per channel, attributes and consent.

Consent per channel is True (given), False (refused) or None (never asked). Only False keeps a person from being
written to. Address validity and canonical keys live in `address`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from clarion.domain.ids import Id

AttributeValue = str | int | float | bool | None | list["AttributeValue"] | dict[str, "AttributeValue"]
Attributes = dict[str, AttributeValue]


OWN_NAMESPACES: Final = ("external_id", "email", "phone")
"""The namespaces whose identity stands in a column of the contact itself, in the order in which they decide."""


class ContactStatus(StrEnum):
    """Whether a contact takes part. Whoever is not active is never written to, whatever the message."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    """We do not want to write to them."""
    STOPPED = "stopped"
    """They do not want to hear from us at all."""
    ARCHIVED = "archived"
    """Kept for the record."""


class Identity(NamedTuple):
    """One name of a contact: `value` is unique within its `namespace` (a lower-case word) and its account."""

    namespace: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """Whether we may write, per channel."""

    email: bool | None = None
    sms: bool | None = None
    push: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A stored contact. `email` is as shown and sent to; `email_key` is what uniqueness and suppression compare.

    `identities` are those beyond its own email, phone and external id, in the order in which they were given.
    """

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
    status: ContactStatus = ContactStatus.ACTIVE
    last_seen_at: datetime | None = None
    identities: tuple[Identity, ...] = ()
    created_at: datetime
    updated_at: datetime

    def own(self, namespace: str) -> str | None:
        """The identity of one of `OWN_NAMESPACES` in its canonical form."""
        held = {"external_id": self.external_id, "email": self.email_key, "phone": self.phone}
        return held[namespace]


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote down about a contact."""

    id: Id
    contact_id: Id
    text: str
    created_by: str
    created_at: datetime
