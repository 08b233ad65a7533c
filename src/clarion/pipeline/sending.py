"""Second stage: a claimed batch goes out window by window, intent before effect.

For each window: render it, write the outcomes of the window before together with the intent for this one (one
transaction, `Batches.turn`), then hand exactly what was granted to the channel. No transaction is open while the
network is. A worker drives several batches at once, so the wire never waits for the database. After a crash only the
open windows are uncertain (`recovering`). Next: `settling`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from clarion import telemetry
from clarion.application.ports import Database
from clarion.application.ports.batches import Attempted, ClaimedBatch, Recipient, Refused, Turn, TurnResult
from clarion.application.ports.channel import Window
from clarion.domain.campaign import Lane, RunState
from clarion.domain.delivery import backoff
from clarion.domain.health import NO_WAY
from clarion.domain.ids import Id
from clarion.domain.outcome import REPLY_LIMIT, Outcome, Reason, Verdict
from clarion.failpoints import failpoint
from clarion.pipeline import quarantine
from clarion.pipeline.health import Health
from clarion.pipeline.line import Line
from clarion.pipeline.pacing import Pace
from clarion.pipeline.patience import insisting
from clarion.pipeline.plans import Route
from clarion.pipeline.precedence import STANDS_ASIDE_S, Precedence
from clarion.rendering.context import look_over, overlaid
from clarion.rendering.headers import date_header
from clarion.rendering.message import Refusal, WireMessage
from clarion.rendering.templates import RenderFault

WINDOW_LIMIT: Final = 200
"""Messages of a window at most: how many may be uncertain per batch after a crash."""
RENDERED_AT_ONCE: Final = 16
"""Messages rendered before everything else in this process has its turn: what a call brought waits for no window."""
_FEW: Final = 4
"""So many recipients for whom a message is too expensive do not pause its campaign, even if it has no others."""
_WINDOW_LEAST: Final = 20
_MAKES_ROOM: Final = 4
"""A window of an account that is ahead of another is so many times smaller: between windows the other has its turn."""
WINDOW_S: Final = 0.1
"""A window is sized to take about this long."""
_PATIENCE_S: Final = 5.0
"""How often a window is looked at again while most of it has no answer."""
_STRAGGLERS: Final = 0.1
"""A batch goes on without the last of its windows when no more than this share of one has no answer."""


class Rendered(NamedTuple):
    """One message ready for the wire, with what the intent needs to know of it."""

    seq: int
    attempts: int
    address_key: str
    message: WireMessage


@dataclass(slots=True)
class OpenWindow:
    """A window on the wire and the deliveries it carries, by position."""

    window: Window[WireMessage]
    members: Sequence[Rendered]

    def drain(self) -> list[Attempted]:
        """Takes the outcomes that have come, with the wait before the next try of those worth one."""
        return [attempted(self.members[index], outcome) for index, outcome in self.window.drain()]


def attempted(member: Rendered, outcome: Outcome) -> Attempted:
    """Adds to an outcome how long its delivery waits before the next try, if it gets one."""
    wait = None
    if outcome.verdict is Verdict.RETRY:
        wait = timedelta() if outcome.reason in NO_WAY else backoff(member.attempts + 1, random.random())
    return Attempted(member.seq, outcome, wait, member.address_key)


def _storable(detail: str) -> str:
    """What an engine said of somebody's data, as the ledger can hold it: a refusal must never be what stops a batch."""
    return detail[:REPLY_LIMIT].replace("\0", "").encode("utf-8", "replace").decode()


@dataclass(slots=True)
class Drive:
    """One batch being sent by this worker. Setting `stopping` ends it after the window on the wire.

    `sizes` remembers from batch to batch how many messages of a sender go out in about 100 ms.
    """

    batch: ClaimedBatch
    database: Database
    route: Route
    stopping: asyncio.Event
    sizes: dict[Id, int]
    pace: Pace
    health: Health
    precedence: Precedence
    line: Line
    _wire: list[OpenWindow] = field(default_factory=list)

    async def run(self) -> None:
        """Sends the batch to its end, or until the run is paused or stopped, the lease is lost or `stopping` is set.

        On return nothing of the batch is on the wire and every outcome is recorded. While the database is away it
        waits: nothing new goes out, nothing known is forgotten.
        """
        columns = self.route.plan.columns
        recipients = await insisting(self.database, lambda tx: tx.batches.recipients(self.batch, columns))
        self.pace.begin(recipients)
        at = 0
        try:
            while at < len(recipients) and self._may_go_on:
                window = recipients[at : at + self._window_size()]
                at += len(window)
                if not await self._send(self.pace.sift(window)):
                    break
        except Exception:
            await self._finish()  # what cannot be rendered, say, must not make the window before it uncertain
            raise
        await self._finish()
        await self.pace.set_aside(self.batch, at)

    async def _send(self, recipients: Sequence[Recipient]) -> bool:
        """Writes the intent and puts what was granted on the wire; False when the batch must not go on."""
        if not recipients:
            return True
        failpoint("before_render")
        members, refused = await self._render(recipients)
        if sum(one.reason == Reason.TEMPLATE_TOO_EXPENSIVE for one in refused) > max(len(recipients) / 2, _FEW):
            why = "For most recipients the message takes more computing than one may; the campaign waits"
            await quarantine.pause(self.database, self.batch, Reason.TEMPLATE_TOO_EXPENSIVE, why)
            return False
        members = await self.pace.admit(members)
        turn = Turn(self._drain(), refused, [(member.seq, member.address_key) for member in members])
        failpoint("before_intent")
        result = await self._turn(turn)
        granted = [member for member in members if member.seq in result.granted]
        await self.pace.count_granted(len(members), len(granted))
        if granted:
            failpoint("after_intent")
            await self._put_on_wire(granted)
            failpoint("after_answers")
        return result.holds_lease and result.run_state is RunState.SENDING

    async def _render(self, recipients: Sequence[Recipient]) -> tuple[Sequence[Rendered], list[Refused]]:
        members: list[Rendered] = []
        refused: list[Refused] = []
        route, render = self.route, self.route.plan.render
        date = date_header(datetime.now(UTC))
        patience_s = STANDS_ASIDE_S if self.batch.lane is Lane.BULK else 0.0
        for place, recipient in enumerate(recipients, start=1):
            if place % RENDERED_AT_ONCE == 0:
                patience_s = await self.precedence.give_way(patience_s)
            if recipient.barred:
                refused.append(Refused(recipient.seq, recipient.barred, ""))
                continue
            if recipient.given is None:
                message = render(recipient.seq, recipient.address, recipient.contact, date, route.context)
            else:
                message = self._render_given(recipient, recipient.given, date)
            if isinstance(message, Refusal):
                refused.append(Refused(recipient.seq, message.reason, _storable(message.detail)))
            else:
                key = recipient.address_key or route.plan.key(recipient.address)
                members.append(Rendered(recipient.seq, recipient.attempts, key, message))
        return members, refused

    def _render_given(self, recipient: Recipient, given: dict[str, Any], date: str) -> WireMessage | Refusal:
        """The message of somebody that a call said more of: its words lie over the contact's data and the run's."""
        contact, context = recipient.contact, self.route.context
        if "profile" in given:
            contact = overlaid(contact, given["profile"])
        if "context" in given and self.route.plan.reads_context:
            try:
                context = look_over(overlaid(context.data, given["context"]))
            except RenderFault as fault:
                return Refusal(Reason.RENDER_FAILED, str(fault))
        return self.route.plan.render(recipient.seq, recipient.address, contact, date, context)

    async def _put_on_wire(self, members: Sequence[Rendered]) -> None:
        began = time.monotonic()
        window = Window([member.message for member in members], is_urgent=self.batch.lane is Lane.TRANSACTIONAL)
        self._wire.append(OpenWindow(window, members))
        self.route.channel.send(window)
        stragglers = int(len(members) * _STRAGGLERS)
        late = sum(one.window.open for one in self._wire[:-1])
        while not await window.wait(_PATIENCE_S, left=max(0, stragglers - late)):
            await self._record()
            late = 0  # whoever is silent for so long holds nobody up
        fitting = int(len(members) * WINDOW_S / max(time.monotonic() - began, 0.001))
        self.sizes[self.route.sender.id] = max(_WINDOW_LEAST, min(WINDOW_LIMIT, fitting))

    @property
    def _may_go_on(self) -> bool:
        return not (self.stopping.is_set() or self.pace.is_shut or self.health.is_shut(self.route.sender.id))

    def _window_size(self) -> int:
        rate = self.pace.limits.rate
        paced = WINDOW_LIMIT if rate is None else max(1, int(rate * WINDOW_S))
        fitting = min(paced, self.sizes.get(self.route.sender.id, _WINDOW_LEAST))
        if self.line.is_ahead(self.batch.account_id, time.monotonic()):
            return max(1, fitting // _MAKES_ROOM)
        return fitting

    def _drain(self) -> list[Attempted]:
        drained = [attempt for open_window in self._wire for attempt in open_window.drain()]
        self._wire = [open_window for open_window in self._wire if open_window.window.open]
        return drained

    async def _finish(self) -> None:
        """Waits for every outcome that is still to come and records it."""
        while True:
            await self._record()
            if not self._wire:
                return
            await self._wire[0].window.wait(_PATIENCE_S)

    async def _record(self) -> None:
        """Records the outcomes that have come, however few: a crash must not make them uncertain again."""
        if outcomes := self._drain():
            await self._turn(Turn(outcomes))

    async def _turn(self, turn: Turn) -> TurnResult:
        began = time.monotonic()
        result = await insisting(self.database, lambda tx: tx.batches.turn(self.batch, turn, self.route.sender.id))
        telemetry.turns.observe(time.monotonic() - began)
        for verdict, count in Counter(one.outcome.verdict for one in turn.attempted).items():
            telemetry.messages.labels(self.batch.channel, verdict).inc(count)
        if turn.attempted:
            failpoint("after_outcome")
            await self.health.note(self.batch, self.route.sender, turn.attempted)
            await self.pace.note(turn.attempted)
        return result
