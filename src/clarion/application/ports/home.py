"""Where the database is: whether it was restored from a backup and is held since, and what a release would set going.

Implemented by the store of the same name. Where to read next: `application.restored`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from clarion.domain.ids import Id


@dataclass(frozen=True, slots=True)
class Held:
    """Since when nothing is sent, and why."""

    since: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outstanding:
    """The runs of one campaign that were not over when the backup was made, in numbers of deliveries.

    `sending` would go out at a release, `paused` after a resume too. `on_the_wire` had left, or nearly: nobody knows.
    What was to go out may have gone out after the backup was made: `sending` and `on_the_wire` at most.
    """

    account_id: Id
    account: str
    campaign_id: Id
    campaign: str
    state: str
    runs: int
    sending: int
    paused: int
    on_the_wire: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A campaign that starts at a time, or a call that does (`is_call`)."""

    account_id: Id
    account: str
    campaign_id: Id
    campaign: str
    is_call: bool
    at: datetime
    is_overdue: bool


class Home(Protocol):
    """The one row that says where the database is."""

    async def held(self) -> Held | None:
        """Since when the database is held; None: it is not."""
        ...

    async def hold(self, because: str) -> None:
        """Holds the database; from the commit on no batch is claimed. One that is held stays held as it is."""
        ...

    async def let_go(self) -> bool:
        """Lets the sending go on from the commit on; False when it was not held.

        Where the copy got new transaction ids, memberships and unfinished runs are made valid for them.
        """
        ...

    async def outstanding(self) -> list[Outstanding]:
        """What is not over, by account and campaign, counted from the rows."""
        ...

    async def planned(self) -> list[Planned]:
        """What starts by the clock, the earliest first."""
        ...

    async def running(self) -> list[tuple[Id, Id]]:
        """Campaigns that run, as (account, campaign)."""
        ...

    async def stop_others(self, reason: str) -> int:
        """Stops what is being sent of campaigns that do not run themselves, such as tests; returns how many runs."""
        ...
