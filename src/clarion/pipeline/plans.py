"""What is the same for every recipient of a run, compiled once per worker and kept while the run lasts.

Runs are immutable in all that a plan depends on, so a cached plan is never stale. Next: `rendering.plan`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, NamedTuple

from clarion.application.messages import plan_of_run
from clarion.application.ports import Database
from clarion.application.ports.batches import ClaimedBatch
from clarion.application.ports.channel import Channel
from clarion.domain.campaign import Category
from clarion.domain.errors import Invalid
from clarion.domain.ids import Id
from clarion.domain.pace import Limits
from clarion.domain.sender import Sender
from clarion.pipeline.ways import Channels, Ways
from clarion.rendering.context import NO_CONTEXT, LookedOver, look_over
from clarion.rendering.links import Links
from clarion.rendering.message import Plan
from clarion.rendering.templates import RenderFault

_KEPT: Final = 64
"""Runs whose plans one worker keeps."""


@dataclass(frozen=True, slots=True)
class Route:
    """A run's compiled plan, what its start said for everyone, the channel it goes out on and what limits it there."""

    plan: Plan
    context: LookedOver
    channel: Channel[Any]
    category: Category
    sender: Sender
    limits: Limits


class NoRoute(Enum):
    """Why a batch does not go now."""

    BROKEN = auto()
    """The run, its sender or its content is gone or broken: it never will."""
    WAITING = auto()
    """The batch was given back, to be claimed later."""


class _Compiled(NamedTuple):
    plan: Plan
    context: LookedOver
    category: Category


class Plans:
    """Compiled plans by run, and the way each batch goes out."""

    def __init__(self, database: Database, channels: Channels, links: Links) -> None:
        self._database = database
        self._links = links
        self._ways = Ways(database)
        self._kept: OrderedDict[Id, _Compiled] = OrderedDict()
        self.channels = channels
        """The open ways out."""

    async def route(self, batch: ClaimedBatch) -> Route | NoRoute:
        """The plan of a batch and the channel it goes out on, or why it does not go."""
        found = await self._ways.read(batch.account_id, batch.sender_id)
        compiled = await self._plan(batch.run_id, found[0].sender) if found else None
        if compiled is None:
            return NoRoute.BROKEN
        chosen = await self._ways.choose(batch, found)
        if chosen is None:
            return NoRoute.WAITING
        channel = self.channels.of(chosen.sender, chosen.secrets_sealed)
        return Route(compiled.plan, compiled.context, channel, compiled.category, chosen.sender, chosen.limits)

    async def _plan(self, run_id: Id, named: Sender) -> _Compiled | None:
        """The plan of a run; what it says of its sender is that of the one the campaign names."""
        if compiled := self._kept.get(run_id):
            return compiled
        async with self._database.reading() as tx:
            source = await tx.runs.source(run_id)
        if source is None:
            return None
        try:
            plan = plan_of_run(source, named, self._links)
            context = look_over(source.context) if source.context and plan.reads_context else NO_CONTEXT
        except (Invalid, RenderFault):
            return None
        compiled = self._kept[run_id] = _Compiled(plan, context, source.category)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return compiled
