"""Announcing: says on the queue between machines which batches are due, a few at a time and in the order of claims.

Only few are announced at once, so that what is fair is decided late and all that was said may be lost. Never leases or
sends anything. Before: `snapshot`, which makes the batches; next: `sending`, which a worker does when it heard of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from clarion import telemetry
from clarion.application.ports import Database
from clarion.application.ports.announcements import Announced, Hearing
from clarion.domain.campaign import Lane
from clarion.domain.channel import ChannelName

AT_ONCE: Final = 32
"""Announcements of a lane that no worker has heard yet, at most."""
PER_SENDER: Final = 16
"""Batches of a sender that are announced and not claimed, at most about: a slow one must not fill the queue."""
FULL_S: Final = 0.02
"""When to look again after as much was announced as there was room for."""
CROWDED_S: Final = 0.1
"""When to look again while a sender has enough announced."""
IDLE_S: Final = 1.0


class Announcer(Protocol):
    """One channel of the queue between machines, as whoever announces sees it. Nothing it says is sure to be heard."""

    channel: ChannelName
    """Whose batches it announces."""

    async def hearing(self, lane: Lane) -> Hearing | None:
        """How the lane's part of the queue stands; None while the queue is away."""
        ...

    async def announce(self, lane: Lane, announced: Sequence[Announced]) -> Sequence[Announced]:
        """Says them, in this order; returns those that were perhaps not said."""
        ...


async def announce(database: Database, announcer: Announcer, lane: Lane) -> float:
    """Announces the next batches of the lane on the announcer's channel; returns in how many seconds to look
    again, if nothing happens before.

    Does nothing while the queue is away: workers then look for themselves. Safe to repeat, and from several schedulers
    at once, because a claim takes each batch once however often it is announced.
    """
    hearing = await announcer.hearing(lane)
    if hearing is None:
        return IDLE_S
    room = AT_ONCE - hearing.unheard
    async with database.reading() as tx:
        if hearing.is_new:
            await tx.announcements.forget(lane, announcer.channel)
        if room <= 0:
            return FULL_S
        picked, is_crowded = await tx.announcements.pick(lane, announcer.channel, room, PER_SENDER)
    unsaid = await announcer.announce(lane, picked) if picked else ()
    if unsaid:
        async with database.reading() as tx:
            await tx.announcements.take_back(unsaid)
    telemetry.batches_announced.labels(lane).inc(len(picked) - len(unsaid))
    if len(picked) >= room:
        return FULL_S
    return CROWDED_S if is_crowded else IDLE_S
