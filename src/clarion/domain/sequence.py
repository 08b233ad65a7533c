"""A sequence: a campaign whose steps follow a date of each member of one group.

What a step is stands in `campaign_event`. Where to read next: `application.sequences`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from clarion.domain.ids import Id


@dataclass(frozen=True, slots=True)
class GroupName:
    """A group as others refer to it."""

    id: Id
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A stored sequence; `group` is None when its group is gone."""

    id: Id
    name: str
    group: GroupName | None
    created_at: datetime
