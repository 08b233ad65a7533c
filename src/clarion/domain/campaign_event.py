"""A campaign event: one step of a sequence, before or after a date of each contact. Stored, not fired.

Where to read next: `application.campaign_events`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from clarion.domain.ids import Id


class EventUnit(StrEnum):
    """What an offset counts."""

    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignEvent:
    """A step. `relative_to` is the key of a contact field that holds a date, or one of a contact's own dates.

    A negative offset is before the date. `delivery_hour` is an hour of the day in the account's time zone, -1 for the
    time of day of the date itself. `message` is the text by language, an ISO 639-3 code, as its author wrote it.
    """

    id: Id
    campaign_id: Id
    campaign_name: str
    relative_to: str
    offset: int
    unit: EventUnit
    delivery_hour: int
    message: dict[str, str]
    created_at: datetime
