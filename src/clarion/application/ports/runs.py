"""Storage of runs: one execution of a campaign, its frozen audience and its report.

Sending from it is `batches`; every count comes from the rows. Implemented by the store of the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from clarion.domain.campaign import AudienceCount, Campaign, Category, Run, RunState
from clarion.domain.content import EmailContent
from clarion.domain.delivery import DeliveryState
from clarion.domain.ids import Id


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSource:
    """Everything about a run that is the same for all its recipients; immutable once the run exists."""

    run_id: Id
    account_id: Id
    account_name: str
    campaign_id: Id
    campaign_name: str
    category: Category
    email: EmailContent
    sender_id: Id
    started_at: datetime


@dataclass(frozen=True, slots=True)
class StateCount:
    """How many deliveries of a run stand in one state for one reason."""

    state: DeliveryState
    reason: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Slice:
    """What one step of the snapshot wrote."""

    run_id: Id
    deliveries: int
    done: bool


class Runs(Protocol):
    """Runs, and the statements that freeze their audience and close them."""

    async def open(self, account_id: Id, campaign: Campaign, run_id: Id) -> AudienceCount:
        """Counts the audience and creates a run over exactly the membership that was counted."""
        ...

    async def get(self, account_id: Id, run_id: Id) -> Run | None:
        """One run of the account."""
        ...

    async def page(self, account_id: Id, campaign_id: Id | None, after: Id | None, limit: int) -> list[Run]:
        """A page ordered by id."""
        ...

    async def counts(self, run_id: Id) -> list[StateCount]:
        """Counted from the rows, never from a counter."""
        ...

    async def move_active(self, campaign_id: Id, target: RunState, reason: str | None = None) -> Id | None:
        """Moves the campaign's active run to `target` if the table of transitions allows; returns its id."""
        ...

    async def source(self, run_id: Id) -> RunSource | None:
        """What is the same for every recipient of the run."""
        ...

    async def take_slice(self, first: int, limit: int) -> Slice | None:
        """Writes the next slice of one run that is not fully frozen: deliveries, batches and cursor, together.

        The first slice of a run has at most `first` recipients so that sending begins at once. None when every run is
        frozen. Safe to repeat because the cursor moves in the same statement; two callers never take the same run.
        """
        ...

    async def complete(self, run_id: Id) -> bool:
        """Closes the run and its campaign if every delivery is final and every recipient frozen.

        Safe to repeat because it is a predicate over the rows.
        """
        ...

    async def unfinished(self, limit: int) -> list[tuple[Id, RunState]]:
        """Runs that may be due to be closed (sending, stopped or failed), oldest first."""
        ...

    async def close_stopped(self, run_id: Id) -> bool:
        """Marks a stopped or failed run finished once nothing of it is open."""
        ...
