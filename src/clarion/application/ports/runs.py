"""Storage of runs: one execution of a campaign, its frozen audience and its report.

Sending from it is `batches`; every count comes from the rows. Implemented by the store of the same name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from clarion.domain.campaign import AudienceCount, Campaign, Category, Part, Run, RunState
from clarion.domain.channel import ChannelName
from clarion.domain.content import EmailContent, PushContent, SmsContent
from clarion.domain.delivery import DeliveryState
from clarion.domain.ids import Id
from clarion.domain.segment import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSource:
    """Everything about a run that is the same for all its recipients; immutable once the run exists."""

    run_id: Id
    account_id: Id
    account_name: str
    campaign_id: Id
    campaign_name: str
    category: Category
    channel: ChannelName
    sender_id: Id
    started_at: datetime
    email: EmailContent | None = None
    sms: SmsContent | None = None
    push: PushContent | None = None
    context: Mapping[str, Any] | None = None
    """What the call that started the run said for everyone; templates see it as `context`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a run is opened over and with. `campaign` carries the audience, which need not be the stored one.

    The run has the campaign's parts. With `test_addresses` it has just these parts, every message of each goes to its
    address, and nobody's consent is asked. With `rechecks` the audience is read again at the campaign's interval.
    """

    run_id: Id
    campaign: Campaign
    rules: Sequence[Rule] = ()
    """Those of the campaign's segments."""
    context: Mapping[str, Any] | None = None
    test_addresses: Mapping[Part, str] | None = None
    rechecks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rechecked:
    """A run whose audience is read again: with the rules as they are now, and again after so many seconds."""

    run_id: Id
    category: Category
    rules: Sequence[Rule]
    seconds: int


@dataclass(frozen=True, slots=True)
class StateCount:
    """How many deliveries stand in one state for one reason."""

    state: DeliveryState
    reason: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Slice:
    """What one step of the snapshot wrote."""

    run_id: Id
    deliveries: int
    done: bool
    waiting: int
    """Batches that were frozen before it and that nobody has claimed yet."""


class Runs(Protocol):
    """Runs, and the statements that freeze their audience and close them."""

    async def open(self, account_id: Id, opening: Opening) -> AudienceCount:
        """Counts the audience and creates a run over it: over exactly the members of its groups that were counted.

        Answers in milliseconds whatever the audience. What each part will be may be an estimate; its `selected_count`
        follows the rows while they are frozen, and is theirs in the end.

        Rules of segments are pinned as they are; who they select is asked again when each slice is frozen.
        """
        ...

    async def among(
        self, account_id: Id, campaign: Campaign, rules: Sequence[Rule], keys: Sequence[str]
    ) -> dict[str, Id]:
        """Who of these addresses, by canonical key, belongs to the campaign's audience now."""
        ...

    async def due_rechecks(self, limit: int) -> list[tuple[Id, Id, Id]]:
        """Runs whose audience is to be read again, as (account, campaign, run); paused ones wait."""
        ...

    async def reread(self, recheck: Rechecked) -> bool:
        """Lets the audience of a run be read again from the beginning, as it is now.

        Whoever has a delivery in the run gets no other. False when it is not due any more.
        """
        ...

    async def end(self, campaign_id: Id, reason: str) -> None:
        """Ends the campaign's runs because its time is over: complete where every delivery is final, else stopped."""
        ...

    async def get(self, account_id: Id, run_id: Id) -> Run | None:
        """One run of the account, by the id of any of its parts."""
        ...

    async def page(self, account_id: Id, campaign_id: Id | None, after: Id | None, limit: int) -> list[Run]:
        """A page ordered by id."""
        ...

    async def counts(self, part_id: Id) -> list[StateCount]:
        """The deliveries of one part of a run, whose id is that of its run when it has no other.

        Counted from the rows, never from a counter; of a removed one, as they were counted when it was removed.
        """
        ...

    async def count_sent(self, account_id: Id, campaign_ids: Sequence[Id]) -> dict[tuple[Id, ChannelName], int]:
        """How many messages of each of these campaigns left, in all its runs but tests; zero is left out."""
        ...

    async def move_active(self, campaign_id: Id, target: RunState, reason: str | None = None) -> int:
        """Moves the campaign's runs to `target` where the table of transitions allows; returns how many."""
        ...

    async def fail(self, run_id: Id, reason: str) -> None:
        """Fails one run that cannot be sent; its other runs go on."""
        ...

    async def has_active(self, campaign_id: Id) -> bool:
        """Whether the campaign has a run, tests aside, that is not over."""
        ...

    async def close_intake(self, campaign_id: Id) -> None:
        """Lets the campaign's runs take no more calls: each is complete once what it has is final."""
        ...

    async def source(self, run_id: Id) -> RunSource | None:
        """What is the same for every recipient of the run."""
        ...

    async def take_slice(self, first: int, limit: int, most_waiting: int | None = None) -> Slice | None:
        """Writes the next slice of one run that is not fully frozen: deliveries, batches and cursor, together.

        The first slice of a run has at most `first` recipients so that sending begins at once. A run of which more
        than `most_waiting` batches wait to be claimed is left for later; None when there is no other to freeze. Safe
        to repeat because the cursor moves in the same statement; two callers never take the same run.
        """
        ...

    async def complete(self, run_id: Id) -> bool:
        """Closes the run if every delivery is final, every recipient frozen, and nothing can be added any more.

        With the last run of a running broadcast its campaign is closed too. Safe to repeat because it is a predicate
        over the rows.
        """
        ...

    async def unfinished(self, limit: int) -> list[tuple[Id, RunState]]:
        """Runs that may be due to be closed (sending and no longer open, stopped or failed), oldest first."""
        ...

    async def close_stopped(self, run_id: Id) -> bool:
        """Marks a stopped or failed run finished once nothing of it is open."""
        ...
