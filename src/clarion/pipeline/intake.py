"""Recipients that come with a call: concurrent calls are stored together, and each is answered after the commit.

While one group is being committed the next one gathers, so a commit is shared by as many calls as came meanwhile and a
single call waits for nobody. Nothing is remembered outside the database: a call that was answered is stored, and one
that was not may be repeated with its request id. Where to read next: `application.intake`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from clarion.application.calls import KnownCall, TriggerCall, read_call
from clarion.application.intake import Answer, accept
from clarion.application.ports import Database
from clarion.domain.errors import ClarionError, Unavailable
from clarion.domain.execution import Execution
from clarion.domain.ids import Id, new_id
from clarion.failpoints import failpoint

GROUP_RECIPIENTS: Final = 500
"""Recipients of one group; a single call is never larger."""
GROUP_BYTES: Final = 8 * 1024 * 1024
"""What the calls of one group may say of their recipients, unless one call alone says more."""
WAITING_RECIPIENTS: Final = 20_000
WAITING_BYTES: Final = 64 * 1024 * 1024
"""What may wait to be stored; beyond that callers are told to come again."""
_TRIES: Final = 3
"""How often a call is put into another group because its campaign had no open run."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A call that waits for its group, and where its caller waits for the answer."""

    known: KnownCall
    answered: asyncio.Future[Execution] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    tries: int = 0

    def answer(self, answer: Execution | BaseException) -> None:
        """Answers the caller, unless it has gone away."""
        if self.answered.done():
            return
        if isinstance(answer, Execution):
            self.answered.set_result(answer)
        else:
            self.answered.set_exception(answer)


class Intake:
    """Stores calls in groups. One in a process, used from one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: deque[_Waiting] = deque()
        self._recipients = 0
        self._bytes = 0
        self._storing: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, call: TriggerCall) -> Execution:
        """Stores a call; its deliveries are on disk when this returns, and a worker has been woken.

        A caller that goes away does not take its call back. Safe to repeat with the same request id and body.

        Raises:
            Invalid: a recipient's identity cannot be read, comes twice, or a limit is exceeded.
            NotFound: there is no such campaign, or no such contact.
            Conflict: the campaign is not running, takes no calls, or the request id came before with another body.
            Unavailable: too many calls wait, or the database does not answer; it may or may not be stored.
        """
        known = read_call(call)
        if self._closed or self._recipients > WAITING_RECIPIENTS or self._bytes > WAITING_BYTES:
            raise Unavailable("Too many calls wait to be stored; try again", retry_after_s=1)
        waiting = _Waiting(known)
        self._put(waiting)
        if self._storing is None:
            self._storing = asyncio.create_task(self._store(), name="intake")
        return await waiting.answered

    async def aclose(self) -> None:
        """Stores what was handed in, then takes no more. Safe to repeat."""
        self._closed = True
        if self._storing is not None:
            await self._storing

    def _put(self, waiting: _Waiting) -> None:
        self._queue.append(waiting)
        self._recipients += len(waiting.known.recipients)
        self._bytes += waiting.known.size

    async def _store(self) -> None:
        """Stores group after group until nothing waits."""
        try:
            while self._queue:
                await self._store_together(self._next_group())
        finally:
            self._storing = None

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        recipients = size = 0
        while self._queue:
            known = self._queue[0].known
            recipients += len(known.recipients)
            size += known.size
            if group and (recipients > GROUP_RECIPIENTS or size > GROUP_BYTES):
                break
            group.append(self._queue.popleft())
            self._recipients -= len(known.recipients)
            self._bytes -= known.size
        return group

    async def _store_together(self, group: Sequence[_Waiting]) -> None:
        calls = [waiting.known for waiting in group]
        try:
            failpoint("before_intake_commit")
            answers = await self._database.retrying(lambda tx: accept(tx, calls))
            failpoint("after_intake_commit")
        except ClarionError as error:
            for waiting in group:
                waiting.answer(_again(error))
        except Exception as surprise:  # noqa: BLE001 - told to the one caller it belongs to, logged at the edge
            await self._store_apart(group, surprise)
        else:
            await self._answer(group, answers)

    async def _store_apart(self, group: Sequence[_Waiting], surprise: Exception) -> None:
        """What cannot be stored must not keep its neighbours from being stored: each is tried alone."""
        if len(group) == 1:
            group[0].answer(surprise)
            return
        for waiting in group:
            await self._store_together([waiting])

    async def _answer(self, group: Sequence[_Waiting], answers: Sequence[Answer]) -> None:
        unopened: dict[Id, Id] = {}
        for waiting, answer in zip(group, answers, strict=True):
            if answer is not None:
                waiting.answer(answer)
            elif waiting.tries >= _TRIES:
                waiting.answer(Unavailable("The campaign is being changed; try again", retry_after_s=1))
            else:
                waiting.tries += 1
                unopened[waiting.known.call.campaign_id] = waiting.known.call.account_id
                self._put(waiting)
        for campaign_id, account_id in unopened.items():
            await self._open(account_id, campaign_id)

    async def _open(self, account_id: Id, campaign_id: Id) -> None:
        """Opens the next run of a campaign that takes calls; the calls that wait for it are in the queue again."""
        try:
            async with self._database.transaction() as tx:
                await tx.intake.open_run(account_id, campaign_id, new_id())
        except Unavailable:
            return  # their next group finds out, or tries again


def _again(error: ClarionError) -> ClarionError:
    """An error for one of several callers, who each get one of their own."""
    return Unavailable(str(error), error.retry_after_s) if isinstance(error, Unavailable) else error
