"""Announcing batches to the queue between machines: which ones, in which order, and taking that back.

An announcement is a hint: the lease in `batches` decides who sends. Read with `pipeline/announcing.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from clarion.domain.campaign import Lane
from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id


class Announced(NamedTuple):
    """What is said of a batch: its name, the epoch a claim must find, and whose room it needs. Ids, never facts."""

    run_id: Id
    no: int
    epoch: int
    sender_id: Id


class Hearing(NamedTuple):
    """How the queue stands: announcements that nobody has heard yet, and whether it may have lost earlier ones."""

    unheard: int
    is_new: bool


class Announcements(Protocol):
    """The times of announcement kept with batches; a claim of whatever kind clears that of its batch."""

    async def pick(self, lane: Lane, channel: ChannelName, limit: int, per_sender: int) -> tuple[list[Announced], bool]:
        """Marks the next due batches of a lane on one channel as announced, in the order of claims.

        Passes over senders that have `per_sender` announced ones already, and tells whether there are any. What was
        announced long ago counts as never.
        """
        ...

    async def take_back(self, announced: Sequence[Announced]) -> None:
        """Makes batches of this epoch, if nobody holds them, as if they had never been announced."""
        ...

    async def put_off(self, announced: Announced) -> None:
        """Takes one back if it cannot be claimed yet, because its run is paused or it is not due."""
        ...

    async def forget(self, lane: Lane, channel: ChannelName) -> None:
        """Takes back everything announced in a lane on one channel."""
        ...
