"""What is the same for every recipient of a run, compiled once per worker and kept while the run lasts.

Runs are immutable in all that a plan depends on, so a cached plan is never stale. Next: `rendering.plan`.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from clarion.application.messages import plan_of_run
from clarion.application.ports import Database, Transaction
from clarion.application.ports.channel import Channel
from clarion.domain.campaign import Category
from clarion.domain.errors import Invalid
from clarion.domain.ids import Id
from clarion.domain.pace import Limits
from clarion.domain.sender import Sender
from clarion.rendering.context import NO_CONTEXT, LookedOver, look_over
from clarion.rendering.links import Links
from clarion.rendering.plan import EmailPlan
from clarion.rendering.templates import RenderFault

_KEPT: Final = 64
"""Runs whose plans one worker keeps."""


SENDER_KEPT_S: Final = 1.0
"""How long a sender is not read again: calls make many small batches, and each would wait for it."""
_Found = tuple[Sender, bytes | None, Limits]


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
    """A run's compiled plan, what its start said for everyone, the channel it goes out on and what limits it there."""

    plan: EmailPlan
    context: LookedOver
    channel: Channel
    category: Category
    sender: Sender
    limits: Limits


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
        self._senders: dict[Id, tuple[_Found, float]] = {}

    async def route(self, account_id: Id, run_id: Id, sender_id: Id) -> Route | None:
        """The plan and channel of a run; None when the run, its sender or its content is gone or broken.

        The sender is read again after a second, so that a changed password or limit soon takes effect.
        """
        compiled, found, source = self._kept.get(run_id), self._sender(sender_id), None
        if compiled is None or found is None:
            async with self._database.reading() as tx:
                found = found or await self._read_sender(tx, account_id, sender_id)
                source = None if compiled else await tx.runs.source(run_id)
        if found is None:
            return None
        sender, sealed, limits = found
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
        channel = self._channels.of(sender, sealed)
        return Route(compiled.plan, compiled.context, channel, compiled.category, sender, limits)

    def _sender(self, sender_id: Id) -> _Found | None:
        found, until = self._senders.get(sender_id, (None, 0.0))
        return found if time.monotonic() < until else None

    async def _read_sender(self, tx: Transaction, account_id: Id, sender_id: Id) -> _Found | None:
        until = time.monotonic() + SENDER_KEPT_S
        stored = await tx.senders.get_with_password(account_id, sender_id)
        if stored is None:
            return None
        found = (*stored, await tx.pace.limits(sender_id))
        if len(self._senders) >= _KEPT:
            self._senders.clear()
        self._senders[sender_id] = (found, until)
        return found
