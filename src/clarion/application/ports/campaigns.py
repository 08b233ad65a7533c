"""Storage of campaigns and of the revisions of their messages.

Decides no transition: `lifecycle` asks the tables of `domain.campaign`. Implemented by the store of the same name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from clarion.domain.campaign import AudienceCount, Campaign, CampaignState
from clarion.domain.ids import Id
from clarion.domain.segment import Rule


class Campaigns(Protocol):
    """Campaigns of one account."""

    async def add(self, account_id: Id, campaign: Campaign) -> None:
        """Stores a new campaign; its message revision is stored by `add_revision`."""
        ...

    async def add_revision(self, account_id: Id, campaign: Campaign) -> None:
        """Stores the content of the campaign as the immutable revision it names."""
        ...

    async def get(self, account_id: Id, campaign_id: Id, *, lock: bool = False) -> Campaign | None:
        """The campaign with its current content; with `lock`, no other transaction changes it until this one ends."""
        ...

    async def get_by_number(self, account_id: Id, number: int) -> Campaign | None:
        """The same, by the whole number that was given to it when it was stored."""
        ...

    async def page(self, account_id: Id, after: Id | None, limit: int, state: CampaignState | None) -> list[Campaign]:
        """A page ordered by id."""
        ...

    async def slice(self, account_id: Id, skip: int, limit: int) -> tuple[int, list[Campaign]]:
        """How many campaigns are not archived, and up to `limit` of them after the first `skip`, oldest first."""
        ...

    async def replace(self, account_id: Id, campaign: Campaign) -> None:
        """Stores every editable field anew and bumps `updated_at`."""
        ...

    async def remove(self, account_id: Id, campaign_id: Id) -> bool:
        """Deletes a campaign that never ran; False when it has a run or a call that names it."""
        ...

    async def move(
        self,
        account_id: Id,
        campaign_id: Id,
        sources: frozenset[CampaignState],
        target: CampaignState,
        reason: str | None = None,
    ) -> bool:
        """Changes the state where it is one of `sources`; tells whether it did."""
        ...

    async def mark_started(self, account_id: Id, campaign_id: Id, selected: int) -> None:
        """Sets the state to running with the size of the frozen audience, and the start time if it was not running.

        A start time that was planned and still lies in the future becomes now.
        """
        ...

    async def now(self) -> datetime:
        """The database clock, by which schedules are kept."""
        ...

    async def due(self, limit: int) -> list[tuple[Id, Id]]:
        """Scheduled campaigns whose time has come, as (account, campaign)."""
        ...

    async def overdue(self, limit: int) -> list[tuple[Id, Id]]:
        """Running or paused campaigns whose end has passed, as (account, campaign)."""
        ...

    async def resolve_groups(self, account_id: Id, names_or_ids: list[str]) -> dict[str, Id]:
        """Finds groups by name, or by id in its 24-digit form; what is not found is missing from the answer."""
        ...

    async def resolve_segments(self, account_id: Id, names_or_ids: list[str]) -> dict[str, Id]:
        """Finds segments as `resolve_groups` finds groups; none of them can be deleted before the transaction ends."""
        ...

    async def known_contacts(self, account_id: Id, contact_ids: list[Id]) -> set[Id]:
        """Which of these contacts exist in the account."""
        ...

    async def count_audience(self, account_id: Id, campaign: Campaign, rules: Sequence[Rule]) -> AudienceCount:
        """Counts who would be reached now; of many on other channels than email, by a sample.

        `rules` are those of the campaign's segments.
        """
        ...

    async def count_missing(
        self, account_id: Id, campaign: Campaign, rules: Sequence[Rule], paths: list[tuple[str, ...]]
    ) -> dict[tuple[str, ...], int]:
        """For contact columns and attribute paths, how many of the audience have no value there (zero left out)."""
        ...

    async def longest(
        self, account_id: Id, campaign: Campaign, rules: Sequence[Rule], paths: list[tuple[str, ...]]
    ) -> dict[tuple[str, ...], str]:
        """For the same paths, the longest value that anybody of the audience has there, as text (none is left out).

        For `attributes` alone it is the largest object, as JSON.
        """
        ...
