"""Typed contact fields: what an attribute of a contact is called and which values it takes.

Values stand in the contact's attributes under the field's key; attributes without a field take any value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from clarion.domain.ids import Id

KEY_LIMIT: Final = 64
"""Characters of a key."""
RESERVED_KEYS: Final = frozenset(
    {
        "attributes", "consent", "created_at", "created_on", "email", "external_id", "fields", "first_name", "groups",
        "has", "id", "identities", "is", "language", "last_name", "last_seen_at", "last_seen_on", "phone", "status",
        "timezone", "updated_at", "urns",
    }
)  # fmt: skip
"""Keys that would hide what a contact has anyway, or that rules are written with."""

_KEY = re.compile(rf"[a-z][a-z0-9_]{{0,{KEY_LIMIT - 1}}}", re.ASCII)
_BETWEEN_WORDS = re.compile(r"[^a-z0-9]+", re.ASCII)


class FieldType(StrEnum):
    """Which values a field takes; the last three are names of places, from a state down to a ward."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    STATE = "state"
    DISTRICT = "district"
    WARD = "ward"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactField:
    """A stored field. The key never changes; those with the highest `priority` are shown first."""

    id: Id
    key: str
    name: str
    type: FieldType
    featured: bool = False
    priority: int = 0
    created_at: datetime


def key_of(name: str) -> str:
    """The key a field of this name would have: lower case, an underscore for whatever is no letter or digit."""
    return _BETWEEN_WORDS.sub("_", name.lower()).strip("_")


def is_key(text: str) -> bool:
    """Whether a field may have this key."""
    return bool(_KEY.fullmatch(text)) and text not in RESERVED_KEYS
