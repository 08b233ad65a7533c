"""What has had its time: runs whose deliveries are no longer kept, and what else grows with every call.

Each step is short and safe to repeat. Implemented by the store of the same name; the order of the steps is
`pipeline.retaining`.
"""

from __future__ import annotations

from datetime import date
from typing import Protocol

from clarion.domain.ids import Id


class Retention(Protocol):
    """Removing what its account keeps no longer. `days` is how long accounts keep that say nothing themselves."""

    async def cover(self) -> list[date]:
        """Makes the partitions of this month and the next ones, as far as they are missing; returns their months."""
        ...

    async def expired(self, days: int, limit: int) -> list[Id]:
        """Finished runs whose deliveries their account keeps no longer."""
        ...

    async def remove(self, run_id: Id) -> bool:
        """Counts a finished run's deliveries for good and shows them no longer, both or neither; False: not now.

        Safe to repeat because a run is removed once.
        """
        ...

    async def drop_partition(self) -> str | None:
        """Drops one partition of which every run was removed, if there is one that can be locked at once."""
        ...

    async def leftover(self, days: int, limit: int) -> list[Id]:
        """Removed runs whose rows are deleted one by one, because their partition is needed for long."""
        ...

    async def delete_piece(self, run_id: Id, limit: int) -> int:
        """Deletes up to `limit` deliveries of a removed run, with their attempts; returns how many it were."""
        ...

    async def forget(self, days: int, limit: int) -> int:
        """Deletes calls, notices, refused rows and inbound messages past their account's time, `limit` of each."""
        ...

    async def forget_news(self, limit: int) -> int:
        """Deletes names of messages that no receipt comes for any more, and lost receipts, up to `limit` of each."""
        ...
