"""Storage of sequences and their events, as lists show them: newest first.

A sequence is a campaign; it is made and changed as one. Where to read next: `application.sequences`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from clarion.domain.campaign_event import CampaignEvent
from clarion.domain.ids import Id
from clarion.domain.sequence import Sequence


class Sequences(Protocol):
    """The sequences of all accounts, without archived ones; every method is given the account and sees nothing else."""

    async def newest(
        self,
        account_id: Id,
        before: Id | None,
        limit: int,
        *,
        only: Id | None = None,
        created_from: datetime | None = None,
        created_until: datetime | None = None,
    ) -> list[Sequence]:
        """Sequences with ids below `before`, newest first, all given conditions met."""
        ...

    async def using_group(self, account_id: Id, group_id: Id) -> bool:
        """Whether a sequence is for this group."""
        ...


class CampaignEvents(Protocol):
    """The events of sequences, without deleted ones."""

    async def add(self, account_id: Id, event: CampaignEvent) -> None:
        """Stores a new event; its name of the campaign and its time are the database's."""
        ...

    async def replace(self, account_id: Id, event: CampaignEvent) -> None:
        """Overwrites what an author says of an event."""
        ...

    async def remove(self, account_id: Id, event_id: Id) -> bool:
        """Marks an event as deleted; False when it is not here."""
        ...

    async def newest(
        self,
        account_id: Id,
        before: Id | None,
        limit: int,
        *,
        only: Id | None = None,
        campaign_id: Id | None = None,
        campaign_name: str | None = None,
    ) -> list[CampaignEvent]:
        """Events with ids below `before`, newest first, all given conditions met."""
        ...

    async def count_by_field(self, account_id: Id) -> dict[str, int]:
        """How many events are relative to each field."""
        ...
