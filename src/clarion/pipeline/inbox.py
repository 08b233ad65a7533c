"""The inbox: news that providers bring is stored before anything follows from it, and before they are told so.

A commit is shared by the news that comes meanwhile, over hooks or over a bind (`group_commit`). What the news does is
done later, by `receipts` and `inbound`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from clarion.application.ports import Database, Transaction
from clarion.application.ports.receipts import Inbound, News, Receipt
from clarion.domain.outcome import REPLY_LIMIT
from clarion.failpoints import failpoint
from clarion.pipeline.group_commit import GroupCommit, Load

GROUP: Final = 2000
"""News of one group; what is handed in at once is never parted."""
WAITING: Final = 20_000
"""News that may wait to be stored; beyond that providers are told to come again."""


class NewsInbox:
    """Implements `application.ports.receipts.Inbox`. One in a process, used from one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._groups = GroupCommit(self._store, name="inbox", group=Load(GROUP), waiting=Load(WAITING))

    async def put(self, news: Sequence[News]) -> None:
        """Stores news; it is on disk when this returns. Whoever goes away does not take theirs back.

        Raises:
            Unavailable: too much waits to be stored, or the database does not answer; it may or may not be stored.
        """
        if news:
            await self._groups.put([_storable(one) for one in news], Load(len(news)))

    async def aclose(self) -> None:
        """Stores what was handed in, then takes no more. Safe to repeat."""
        await self._groups.aclose()

    async def _store(self, group: Sequence[Sequence[News]]) -> Sequence[bool]:
        news = [one for handed_in in group for one in handed_in]
        await self._database.retrying(lambda tx: _keep(tx, news))
        failpoint("after_inbox_commit")
        return [True] * len(group)


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
    event_id, at = _name(news.event_id), _time(news.occurred_at)
    if isinstance(news, Receipt):
        detail = _clean(news.detail, REPLY_LIMIT)
        return news._replace(event_id=event_id, ref=_name(news.ref), detail=detail, occurred_at=at)
    from_, to = _clean(news.from_, _NUMBER_LIMIT), _clean(news.to, _NUMBER_LIMIT)
    return news._replace(event_id=event_id, from_=from_, to=to, text=_clean(news.text, _TEXT_LIMIT), occurred_at=at)


def _time(at: datetime | None) -> datetime | None:
    """In UTC; None for a time whose offset leads out of the calendar."""
    try:
        return at.astimezone(UTC) if at else None
    except OverflowError:
        return None


def _name(text: str) -> str:
    if len(text) <= _NAME_LIMIT:
        return _clean(text, _NAME_LIMIT)
    return _clean(text, _NAME_LIMIT // 2) + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _clean(text: str, limit: int) -> str:
    if len(text) <= limit and text.isprintable():  # surrogates are not
        return text
    return text[:limit].replace("\0", "").encode("utf-8", "replace").decode()
