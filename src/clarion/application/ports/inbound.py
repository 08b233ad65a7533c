"""Storage of inbound messages, and of what follows from them.

Implemented by the store of the same name. Where to read next: `pipeline/inbound`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from clarion.application.ports.receipts import Inbound
from clarion.domain.ids import Id
from clarion.domain.inbound import InboundMessage
from clarion.domain.keywords import Keyword


class Unread(NamedTuple):
    """A stored message of which nothing has followed yet. `contact_id` is whoever has its number now."""

    id: Id
    account_id: Id
    address: str
    text: str
    languages: list[str]
    contact_id: Id | None


class InboundAsked(NamedTuple):
    """Which messages, all given conditions met; both ends of the span are in it."""

    id: Id | None = None
    received_from: datetime | None = None
    received_until: datetime | None = None


class InboundMessages(Protocol):
    """What people wrote to us."""

    async def keep(self, messages: Sequence[Inbound]) -> None:
        """Stores messages; an event that was stored before is left alone, and so is one of a sender that is gone."""
        ...

    async def has_unread(self) -> bool:
        """Whether there is a message of which nothing has followed yet: asked often, and cheap."""
        ...

    async def unread(self, limit: int) -> list[Unread]:
        """Locks messages of which nothing has followed yet, oldest first; waits for whoever reads them now."""
        ...

    async def mark_read(self, read: Sequence[tuple[Id, Id | None, Keyword | None]]) -> None:
        """Writes down whose each message is and what it asks for, and when these contacts were last seen."""
        ...

    async def cancel_waiting(self, contact_ids: Sequence[Id], reason: str) -> int:
        """Cancels what waits for these contacts in campaigns that end for whoever answers; gives how many it were."""
        ...

    async def list_after(
        self, account_id: Id, after: Id | None, limit: int, contact_id: Id | None = None
    ) -> list[InboundMessage]:
        """Reads messages with ids above `after`, the newest last."""
        ...

    async def list_before(
        self, account_id: Id, before: Id | None, limit: int, asked: InboundAsked
    ) -> list[InboundMessage]:
        """Reads messages with ids below `before` of which what follows has followed, the newest first."""
        ...

    async def erase(self, contact_id: Id) -> None:
        """Forgets what a contact wrote."""
        ...
