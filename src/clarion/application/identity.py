"""Which stored contact a caller means, by the identities given: the one rule for the API and for imports.

The contact is the one that holds the first given identity anyone holds, in the order externalId, email, phone, then
further ones as given. One found by a later identity must not already hold a different earlier one of the first three,
and the other given identities must be free or its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar


class Identified(Protocol):
    """Anything that holds the three identities."""

    @property
    def external_id(self) -> str | None:
        """The caller's own id."""
        ...

    @property
    def email_key(self) -> str | None:
        """The canonical key of the email address."""
        ...

    @property
    def phone(self) -> str | None:
        """The phone number in E.164."""
        ...


FIELDS: Final = ("externalId", "email", "phone", "identities")
"""What callers call the identities, in the order in which they decide; every further one is called as the last."""
WORDS: Final = ("externalId", "email address", "phone number", "identity")
_OWN: Final = 3

H = TypeVar("H", bound=Identified)
Given = Sequence[str | None]
"""The given identities: externalId, key of the email address, phone number, and any number of further ones."""


class Taken(Exception):
    """Another contact holds one of the given identities; `place` is where it stands among them."""

    def __init__(self, place: int) -> None:
        super().__init__(f"Another contact of the account has this {WORDS[min(place, _OWN)]}")
        self.field = FIELDS[min(place, _OWN)]


def match(given: Given, holder_of: Sequence[Callable[[str], H | None]]) -> H | None:
    """Finds the contact that the given identities mean, None when they are all free.

    Raises:
        Taken: they belong to different contacts.
    """
    found: H | None = None
    for field, value in enumerate(given):
        holder = holder_of[field](value) if value is not None else None
        if holder is None or holder is found:
            continue
        if found is not None or _differs_before(field, given, holder):
            raise Taken(field)
        found = holder
    return found


def claim(target: Identified | None, given: Given, holder_of: Sequence[Callable[[str], H | None]]) -> None:
    """Checks that each given identity is free or the target's own.

    Raises:
        Taken: another contact holds one.
    """
    for field, value in enumerate(given):
        holder = holder_of[field](value) if value is not None else None
        if holder is not None and holder is not target:
            raise Taken(field)


def _differs_before(field: int, given: Given, holder: Identified) -> bool:
    own = (holder.external_id, holder.email_key, holder.phone)
    return any(given[i] is not None and own[i] is not None for i in range(min(field, _OWN)))
