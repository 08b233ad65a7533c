"""The inbox: news that providers bring is stored before anything follows from it, and before they are told so.

While one group is being committed the next one gathers, so a commit is shared by all the news that came meanwhile, over
hooks or over a bind. What the news does is done later, by `receipts` and `inbound`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from clarion.application.ports import Database, Transaction
from clarion.application.ports.receipts import Inbound, News, Receipt
from clarion.domain.errors import ClarionError, Unavailable
from clarion.domain.outcome import REPLY_LIMIT
from clarion.failpoints import failpoint

GROUP: Final = 2000
"""News of one group; what is handed in at once is never parted."""
WAITING: Final = 20_000
"""News that may wait to be stored; beyond that providers are told to come again."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """News that waits for its group, and where whoever brought it waits for the end."""

    news: Sequence[News]
    stored: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def answer(self, problem: BaseException | None) -> None:
        """Answers whoever waits, unless they have gone away."""
        if self.stored.done():
            return
        if problem is None:
            self.stored.set_result(None)
        else:
            self.stored.set_exception(problem)


class NewsInbox:
    """Implements `application.ports.receipts.Inbox`. One in a process, used from one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: deque[_Waiting] = deque()
        self._count = 0
        self._storing: asyncio.Task[None] | None = None
        self._closed = False

    async def put(self, news: Sequence[News]) -> None:
        """Stores news; it is on disk when this returns. Whoever goes away does not take theirs back.

        Raises:
            Unavailable: too much waits to be stored, or the database does not answer; it may or may not be stored.
        """
        if not news:
            return
        if self._closed or self._count > WAITING:
            raise Unavailable("Too much news waits to be stored; try again", retry_after_s=1)
        waiting = _Waiting([_storable(one) for one in news])
        self._queue.append(waiting)
        self._count += len(news)
        if self._storing is None:
            self._storing = asyncio.create_task(self._store(), name="inbox")
        await waiting.stored

    async def aclose(self) -> None:
        """Stores what was handed in, then takes no more. Safe to repeat."""
        self._closed = True
        if self._storing is not None:
            await self._storing

    async def _store(self) -> None:
        """Stores group after group until nothing waits."""
        try:
            while self._queue:
                await self._store_together(self._next_group())
        finally:
            self._storing = None

    def _next_group(self) -> list[_Waiting]:
        group, count = [self._queue.popleft()], 0
        count = len(group[0].news)
        while self._queue and count + len(self._queue[0].news) <= GROUP:
            group.append(self._queue.popleft())
            count += len(group[-1].news)
        self._count -= count
        return group

    async def _store_together(self, group: Sequence[_Waiting]) -> None:
        news = [one for waiting in group for one in waiting.news]
        try:
            await self._database.retrying(lambda tx: _keep(tx, news))
            failpoint("after_inbox_commit")
        except ClarionError as error:
            for waiting in group:
                waiting.answer(Unavailable(str(error)) if isinstance(error, Unavailable) else error)
        except Exception as surprise:  # noqa: BLE001 - told to the one it belongs to, logged at the edge
            await self._store_apart(group, surprise)
        else:
            for waiting in group:
                waiting.answer(None)

    async def _store_apart(self, group: Sequence[_Waiting], surprise: Exception) -> None:
        """What cannot be stored must not keep its neighbours from being stored: each is tried alone."""
        if len(group) == 1:
            group[0].answer(surprise)
            return
        for waiting in group:
            await self._store_together([waiting])


async def _keep(tx: Transaction, news: Sequence[News]) -> None:
    receipts = [one for one in news if isinstance(one, Receipt)]
    if receipts:
        await tx.receipts.keep(receipts)
    written = [one for one in news if isinstance(one, Inbound)]
    if written:
        await tx.inbound.keep(written)
    failpoint("before_inbox_commit")


_TEXT_LIMIT: Final = 10_000
"""Characters of an inbound message that are kept: more than any phone puts together."""
_NAME_LIMIT: Final = 200
"""Characters of a provider's name of an event; of a longer one its beginning and its digest are kept."""
_NUMBER_LIMIT: Final = 100


def _storable(news: News) -> News:
    """What a provider said, as a database can hold it: its words must never be what stops a group."""
    event_id = _name(news.event_id)
    if isinstance(news, Receipt):
        return news._replace(event_id=event_id, ref=_name(news.ref), detail=_clean(news.detail, REPLY_LIMIT))
    from_, to = _clean(news.from_, _NUMBER_LIMIT), _clean(news.to, _NUMBER_LIMIT)
    return news._replace(event_id=event_id, from_=from_, to=to, text=_clean(news.text, _TEXT_LIMIT))


def _name(text: str) -> str:
    if len(text) <= _NAME_LIMIT:
        return _clean(text, _NAME_LIMIT)
    return _clean(text, _NAME_LIMIT // 2) + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _clean(text: str, limit: int) -> str:
    if len(text) <= limit and text.isprintable():  # surrogates are not
        return text
    return text[:limit].replace("\0", "").encode("utf-8", "replace").decode()
