"""The SMPP channel: one account at a centre, up to `max_connections` sessions, messages handed to whichever has room.

Owns when sessions are opened, and how long a message may wait. Once bound it stays bound, for receipts come long after
the messages. Decides nothing about a status (`statuses`) and sends nothing again that may have been taken. Where to
read next: `bind`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Final

from clarion.adapters.channels.backlog import HOPELESS, Backlog
from clarion.adapters.channels.ground import Ground
from clarion.adapters.channels.knocking import Knocking
from clarion.adapters.channels.opening import OpeningFailed
from clarion.adapters.channels.smpp.bind import Bind
from clarion.adapters.channels.smpp.dispatch import Dispatch
from clarion.adapters.channels.smpp.incoming import Desk
from clarion.adapters.channels.smpp.opening import Opener
from clarion.adapters.channels.smpp.receipts import canonical
from clarion.adapters.channels.smpp.slowing import Slowing
from clarion.adapters.channels.smpp.submission import Submissions
from clarion.adapters.channels.smpp.timers import Timers
from clarion.application.ports.channel import Window
from clarion.domain.outcome import Outcome, Reason
from clarion.domain.providers.smpp import SmppBind
from clarion.failpoints import failpoint
from clarion.rendering.sms import WireSms

_FIRST: Final = Outcome.retry(Reason.CONNECTION_FAILED, "no bind yet")
_ENDED: Final = Outcome.retry(Reason.CONNECTION_FAILED, "the centre ended the session before it answered anything")
_STALLED: Final = Outcome.retry(Reason.CONNECTION_FAILED, "not sent: every bind waits for answers")


class SmppChannel:
    """A `Channel` over one account at a centre. Use from one event loop; holds no task or future per message."""

    def __init__(self, account: SmppBind, *, password: str, ground: Ground, timers: Timers | None = None) -> None:
        self.slowing = Slowing(account.window)
        self._account = account
        self._timers = timers or Timers()
        self._opener = Opener(
            account, password, Desk(ground.inbox, ground.sender_id, account.receipt_ids), self._timers
        )
        self._submissions = Submissions(account)
        self._backlog: Backlog[WireSms] = Backlog()
        self._unfinished: deque[tuple[float, Dispatch]] = deque()
        """Messages of which parts were refused for now, and when those are tried again."""
        self._binds: set[Bind] = set()
        self._openings: set[asyncio.Task[None]] = set()
        self._knocking = Knocking(first=self._timers.first_pause, longest=self._timers.longest_pause, last=_FIRST)
        self._staying = Knocking(
            first=self._timers.first_login_pause, longest=self._timers.longest_login_pause, last=_FIRST
        )
        self._ticker: asyncio.TimerHandle | None = None
        self._tick_due = 0.0
        self._held_up: asyncio.TimerHandle | None = None
        self._closing = self._stays = False
        self._empty = asyncio.Event()
        self._finished_before = self._finished_seen = 0
        self._moved_at = 0.0

    # the Channel contract

    def send(self, window: Window[WireSms]) -> None:
        """Queues a window and returns at once; every message of it settles."""
        now = self._now()
        if not self._backlog.size:
            self._moved_at = max(self._moved_at, now)
        self._backlog.put(window, now)
        self._hand_out()
        self._wind(now)

    def stay(self) -> None:
        """Binds now and stays bound, so that receipts and messages from people arrive also while nothing is sent."""
        self._stays = not self._closing
        self._open_more()
        self._wind(self._now())

    async def probe(self) -> Outcome:
        """Connects, secures, binds and unbinds, in a session of its own."""
        return await self._opener.visit()

    async def aclose(self) -> None:
        """Finishes what is on the wire within `Timers.drain`, settles the rest as retry, and unbinds.

        Safe to repeat because a closed channel has nothing left to close. Cancelled, it drops every session.
        """
        self._closing, self._stays = True, False
        self._backlog.close()
        for opening in list(self._openings):
            opening.cancel()
        try:
            async with asyncio.timeout(self._timers.drain):
                while self._binds or self._openings:
                    self._retire_all()
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            pass
        finally:
            for bind in list(self._binds):
                bind.abandon("the channel closed before an answer came")
            while self._unfinished:
                self._unfinished.popleft()[1].settle()
            for timer in (self._ticker, self._held_up):
                if timer is not None:
                    timer.cancel()
            self._ticker = self._held_up = None

    # what the sessions ask for

    def take(self) -> Dispatch | None:
        """The next message for a session: one that is begun before one that is not."""
        if self._unfinished and self._unfinished[0][0] <= self._now():
            dispatch = self._unfinished.popleft()[1]
            dispatch.begin_again()
            return dispatch
        while (handed := self._backlog.take()) is not None:
            window, index = handed
            try:
                return Dispatch(window, index, self._submissions.bodies(window.messages[index]))
            except ValueError as fault:
                window.settle(index, Outcome.failed(Reason.MESSAGE_REJECTED, f"SMPP cannot say it: {fault}"))
        return None

    def name_of(self, given: str) -> str:
        """The centre's id of a message in the form in which receipts are compared with it."""
        return canonical(given, self._account.answer_ids)

    def answered(self, dispatch: Dispatch) -> None:
        """Settles a message, unless some of its parts were taken and the others may still be."""
        now = self._now()
        if dispatch.is_unfinished and now < dispatch.again_until(now, self._timers.remainder):
            self._unfinished.append((now + self._timers.rest, dispatch))
            return
        dispatch.settle()
        if self._closing:
            self._retire_all()

    def hold_up(self) -> None:
        """Hands out more when the pace allows it."""
        if self._held_up is None:
            self._held_up = asyncio.get_running_loop().call_later(max(0.001, self.slowing.wait_s()), self._go_on)

    def ended(self, bind: Bind) -> None:
        """Forgets a session, and opens another if one is needed."""
        self._finished_before += bind.in_flight.finished
        self._binds.discard(bind)
        self._moved_at = self._now()
        self._empty.set()
        if not bind.in_flight.finished:
            self._knocking.failed(_ENDED, self._moved_at)
        self._open_more()

    # sessions as the load needs them

    def _retire_all(self) -> None:
        """Lets every session leave, unless one is still needed for the rest of a message that was begun."""
        if not self._unfinished:
            for bind in list(self._binds):
                bind.retire()

    def _go_on(self) -> None:
        self._held_up = None
        self._hand_out()

    def _hand_out(self) -> None:
        for bind in sorted(self._binds, key=lambda one: len(one.in_flight)):
            bind.pump()
        self._open_more()

    def _open_more(self) -> None:
        waiting, now = self._backlog.size + len(self._unfinished), self._now()
        stays = self._stays and not self._binds and self._staying.may_try(now)
        if not (waiting or stays) or self._closing or not self._knocking.may_try(now):
            return
        room = self._account.max_connections - len(self._binds) - len(self._openings)
        # More sessions do not help against a centre that says we are too fast.
        wanted = -(-waiting // self._account.window) if self.slowing.rate is None else 0
        if self._knocking.is_failing or not self._binds:
            # A centre that just failed, or was not reached yet, is tried by one session first.
            wanted = min(1, max(wanted, not self._binds))
        wanted -= len(self._openings)
        for _ in range(min(room, wanted)):
            opening = asyncio.get_running_loop().create_task(self._open())
            self._openings.add(opening)
            opening.add_done_callback(self._opened)

    async def _open(self) -> None:
        try:
            failpoint("before_connect")
            bind = await self._opener.open(self)
        except OpeningFailed as failure:
            self._note_failure(failure.outcome)
            return
        except Exception as fault:
            # A surprise is reported by the loop, but must cost a pause like any failure: the next try comes at once.
            self._note_failure(Outcome.retry(Reason.CONNECTION_FAILED, f"no bind: {type(fault).__name__}"))
            raise
        failpoint("after_connect")
        self._stays = not self._closing
        self._staying.worked()
        self._moved_at = self._now()
        self._binds.add(bind)
        bind.pump()

    def _opened(self, opening: asyncio.Task[None]) -> None:
        self._openings.discard(opening)
        with suppress(asyncio.CancelledError):
            opening.result()
        self._empty.set()
        self._open_more()
        self._wind(self._now())

    def _note_failure(self, outcome: Outcome) -> None:
        self._knocking.failed(outcome, self._now())
        if outcome.reason in HOPELESS and not self._binds:
            self._staying.failed(outcome, self._now())
            self._backlog.settle_all(outcome)

    # time

    def _wind(self, now: float) -> None:
        if self._ticker is None and (self._binds or self._openings or self._backlog.size or self._stays):
            self._tick_due = now + self._timers.tick
            self._ticker = asyncio.get_running_loop().call_at(self._tick_due, self._tick)

    def _tick(self) -> None:
        self._ticker = None
        now = self._now()
        late_s = max(0.0, now - self._tick_due)
        # Time in which this process stood still is nobody's silence: answers may have come that were not read yet.
        self._moved_at += late_s
        for bind in list(self._binds):
            bind.excuse(late_s)
            bind.check(now)
        self._let_go(now)
        self._hand_out()
        self._wind(now)

    def _let_go(self, now: float) -> None:
        """Settles what has waited too long while nothing moved: held for ever, it would hold up its whole batch."""
        finished = self._finished_before + sum(bind.in_flight.finished for bind in self._binds)
        if finished != self._finished_seen:
            self._finished_seen = finished
            self._moved_at = now
            self._knocking.worked()
        patience, outcome = self._timers.unreachable, self._knocking.last
        if self._binds:
            patience, outcome = self._timers.stalled, _STALLED
        if now - self._moved_at > patience:
            self._backlog.settle_before(now - patience, outcome)
        while self._unfinished and self._unfinished[0][1].again_until(now, 0.0) < now - self._timers.rest:
            self._unfinished.popleft()[1].settle()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
