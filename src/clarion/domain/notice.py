"""A notice: what the people of an account should hear of without asking.

It is kept and listed, never sent. Where to read next: `application.notices`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from clarion.domain.ids import Id


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice. `kind` is a stable word for programs, `message` a sentence for people."""

    id: Id
    campaign_id: Id | None
    kind: str
    message: str
    created_at: datetime
