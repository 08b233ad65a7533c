"""What is the same for every recipient of a run, compiled once per worker and kept while the run lasts.

Runs are immutable in all that a plan depends on, so a cached plan is never stale. Next: `rendering.plan`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from clarion.application.messages import plan_of_run
from clarion.application.ports import Database
from clarion.application.ports.channel import Channel
from clarion.domain.campaign import Category
from clarion.domain.errors import Invalid
from clarion.domain.ids import Id
from clarion.domain.sender import Sender
from clarion.rendering.context import NO_CONTEXT, LookedOver, look_over
from clarion.rendering.links import Links
from clarion.rendering.plan import EmailPlan
from clarion.rendering.templates import RenderFault

_KEPT: Final = 64
"""Runs whose plans one worker keeps."""


class Channels(Protocol):
    """The open ways out, one per sender."""

    def of(self, sender: Sender, sealed_password: bytes | None) -> Channel:
        """The channel of this sender as it is configured now; opened at first use, replaced when it changed."""
        ...

    async def aclose(self) -> None:
        """Lets what is on the wire finish and closes every connection."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """A run's compiled plan, what its start said for everyone, and the channel it goes out on."""

    plan: EmailPlan
    context: LookedOver
    channel: Channel
    category: Category
    sender: Sender


class _Compiled(NamedTuple):
    plan: EmailPlan
    context: LookedOver
    category: Category


class Plans:
    """Compiled plans by run, and the channel each goes out on."""

    def __init__(self, database: Database, channels: Channels, links: Links) -> None:
        self._database = database
        self._channels = channels
        self._links = links
        self._kept: OrderedDict[Id, _Compiled] = OrderedDict()

    async def route(self, account_id: Id, run_id: Id, sender_id: Id) -> Route | None:
        """The plan and channel of a run; None when the run, its sender or its content is gone or broken.

        The sender is read each time, so that a changed password or limit takes effect with the next batch.
        """
        async with self._database.reading() as tx:
            found = await tx.senders.get_with_password(account_id, sender_id)
            if found is None:
                return None
            sender, sealed = found
            compiled = self._kept.get(run_id)
            source = None if compiled else await tx.runs.source(run_id)
        if source is not None:
            try:
                plan = plan_of_run(source, sender, self._links)
                context = look_over(source.context) if source.context and plan.reads_context else NO_CONTEXT
            except (Invalid, RenderFault):
                return None
            compiled = _Compiled(plan, context, source.category)
            self._kept[run_id] = compiled
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        if compiled is None:
            return None
        return Route(compiled.plan, compiled.context, self._channels.of(sender, sealed), compiled.category, sender)
