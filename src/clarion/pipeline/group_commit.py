"""Group commits: what many bring at once is stored in one commit, and each of them is answered after it.

While one group is being committed the next one gathers, so a commit is shared by as many as came meanwhile and a single
one waits for nobody. Never knows what it stores. Where to read next: `intake` and `inbox`, whose groups these are.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

from clarion.domain.errors import ClarionError, Unavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_TRIES: Final = 3
"""How often an item is put into one more group because it could not be decided in the one before."""


class Load(NamedTuple):
    """How much something is: in rows, and in bytes where these are counted."""

    rows: int
    size: int = 0

    def plus(self, other: Load) -> Load:
        """Both together."""
        return Load(self.rows + other.rows, self.size + other.size)

    def exceeds(self, limit: Load) -> bool:
        """Whether it is more than this in one way or the other."""
        return self.rows > limit.rows or self.size > limit.size


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item, Answer]):
    """An item that waits for its group, and where whoever brought it waits for the answer."""

    item: Item
    load: Load
    answered: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    tries: int = 0

    def answer(self, answer: Answer | BaseException) -> None:
        """Answers whoever waits, unless they have gone away."""
        if self.answered.done():
            return
        if isinstance(answer, BaseException):
            self.answered.set_exception(answer)
        else:
            self.answered.set_result(answer)


class GroupCommit(Generic[Item, Answer]):
    """Puts what comes into groups and has each group stored. Use from one event loop.

    `store` commits a group and tells what to answer each item, in their order: a value, an error to raise, or None to
    have it in the next group again. When it raises, nothing of the group may be stored.
    """

    def __init__(
        self,
        store: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | ClarionError | None]]],
        *,
        name: str,
        group: Load,
        waiting: Load,
    ) -> None:
        self._store = store
        self._name = name
        self._group_limit = group
        self._waiting_limit = waiting
        self._queue: deque[_Waiting[Item, Answer]] = deque()
        self._load = Load(0)
        self._storing: asyncio.Task[None] | None = None
        self._closed = False

    async def put(self, item: Item, load: Load) -> Answer:
        """Has an item stored and returns its answer, after the commit. Whoever goes away does not take theirs back.

        An item is never parted; one that is more than a group may be is a group of its own.

        Raises:
            ClarionError: what the item is answered with.
            Unavailable: too much waits, or the database does not answer; the item may or may not be stored.
        """
        if self._closed or self._load.exceeds(self._waiting_limit):
            raise Unavailable("Too much waits to be stored; try again", retry_after_s=1)
        waiting = _Waiting[Item, Answer](item, load)
        self._enqueue(waiting)
        if self._storing is None:
            self._storing = asyncio.create_task(self._store_all(), name=self._name)
        return await waiting.answered

    async def aclose(self) -> None:
        """Stores what was handed in, then takes no more. Safe to repeat."""
        self._closed = True
        if self._storing is not None:
            await self._storing

    def _enqueue(self, waiting: _Waiting[Item, Answer]) -> None:
        self._queue.append(waiting)
        self._load = self._load.plus(waiting.load)

    async def _store_all(self) -> None:
        """Stores group after group until nothing waits."""
        try:
            while self._queue:
                await self._store_together(self._next_group())
        finally:
            self._storing = None

    def _next_group(self) -> list[_Waiting[Item, Answer]]:
        group: list[_Waiting[Item, Answer]] = []
        load = Load(0)
        while self._queue:
            load = load.plus(self._queue[0].load)
            if group and load.exceeds(self._group_limit):
                break
            group.append(self._queue.popleft())
            taken = group[-1].load
            self._load = Load(self._load.rows - taken.rows, self._load.size - taken.size)
        return group

    async def _store_together(self, group: Sequence[_Waiting[Item, Answer]]) -> None:
        try:
            answers = await self._store([waiting.item for waiting in group])
        except ClarionError as error:
            for waiting in group:
                waiting.answer(_for_each(error))
        except Exception as surprise:  # noqa: BLE001 - told to the one it belongs to, logged at the edge
            await self._store_apart(group, surprise)
        else:
            for waiting, answer in zip(group, answers, strict=True):
                self._answer(waiting, answer)

    async def _store_apart(self, group: Sequence[_Waiting[Item, Answer]], surprise: Exception) -> None:
        """What cannot be stored must not keep its neighbours from being stored: each is tried alone."""
        if len(group) == 1:
            group[0].answer(surprise)
            return
        for waiting in group:
            await self._store_together([waiting])

    def _answer(self, waiting: _Waiting[Item, Answer], answer: Answer | ClarionError | None) -> None:
        if answer is not None:
            waiting.answer(answer)
        elif waiting.tries >= _TRIES:
            waiting.answer(Unavailable("What it belongs to is being changed; try again", retry_after_s=1))
        else:
            waiting.tries += 1
            self._enqueue(waiting)


def _for_each(error: ClarionError) -> ClarionError:
    """An error for one of several who wait; whoever adds to theirs, such as when to come again, adds to no other's."""
    return Unavailable(str(error), error.retry_after_s) if isinstance(error, Unavailable) else error
