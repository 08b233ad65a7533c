"""A group: a static set of contacts, named once in its account.

Who is in it is never read here. Where to read next: `application.groups`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from clarion.domain.ids import Id

GROUP_NAME_LIMIT: Final = 200
"""Characters of a group's name."""


@dataclass(frozen=True, slots=True)
class Group:
    """A stored group with the number of its members at the time of reading."""

    id: Id
    name: str
    members: int
    created_at: datetime
