"""A suppression: an address we must not write to, and why.

`unsubscribed` blocks marketing only; every other reason blocks all messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id


class SuppressionReason(StrEnum):
    """Why an address is suppressed."""

    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Suppression:
    """A stored suppression. `address_key` is the canonical key of the address, never the address as typed."""

    channel: ChannelName
    address_key: str
    reason: SuppressionReason
    source: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CampaignSuppression:
    """An address that one campaign must not write to."""

    campaign_id: Id
    channel: ChannelName
    address_key: str
    created_at: datetime
