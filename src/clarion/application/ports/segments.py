"""Storage of segments, and the questions that are asked about a rule.

A rule is looked at whenever it is asked: nothing remembers whom it selected. Implemented by the store of the same name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from clarion.domain.campaign import AudienceCount
from clarion.domain.contact import Contact
from clarion.domain.ids import Id
from clarion.domain.segment import Rule, Segment


class Segments(Protocol):
    """The segments of one account."""

    async def insert(
        self, account_id: Id, segment_id: Id, *, name: str, rule: Rule, extras: dict[str, Any]
    ) -> Segment | None:
        """Stores a new segment; None when the name is taken."""
        ...

    async def find(self, account_id: Id, segment_id: Id) -> Segment | None:
        """Reads one segment."""
        ...

    async def find_by_number(self, account_id: Id, number: int) -> Segment | None:
        """Reads one segment by its number."""
        ...

    async def hold(self, account_id: Id, segment_ids: Sequence[Id]) -> list[Segment]:
        """Reads those of these segments that exist; none of them can be deleted before the transaction ends."""
        ...

    async def list_after(self, account_id: Id, after: Id | None, limit: int) -> list[Segment]:
        """Reads segments above a cursor in order of creation."""
        ...

    async def slice(self, account_id: Id, skip: int, limit: int) -> tuple[int, list[Segment]]:
        """How many segments there are, and up to `limit` of them after the first `skip`, in order of creation."""
        ...

    async def update(
        self,
        account_id: Id,
        segment_id: Id,
        *,
        name: str | None,
        rule: Rule | None,
        extras: dict[str, Any] | None,
    ) -> Segment | None:
        """Overwrites what is not None of a segment that exists; None when the name is taken."""
        ...

    async def lock(self, account_id: Id, segment_id: Id) -> bool:
        """Waits until nobody holds the segment and keeps others from it; False when it is not here."""
        ...

    async def used_by(self, account_id: Id, segment_id: Id) -> list[str]:
        """The names of a few campaigns that may still reach the segment's contacts."""
        ...

    async def delete(self, segment_id: Id) -> None:
        """Removes a segment."""
        ...

    async def count(self, account_id: Id, rule: Rule) -> AudienceCount:
        """How many contacts a rule selects now, and how many of them marketing mail may be sent to."""
        ...

    async def contacts_after(self, account_id: Id, rule: Rule, after: Id | None, limit: int) -> list[Contact]:
        """Reads contacts that a rule selects, above a cursor, in order of creation."""
        ...
