"""Reading broadcasts and the messages of an account as lists show them: newest first.

Nothing is written here. Where to read next: `application.broadcasts`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from clarion.domain.broadcast import Broadcast
from clarion.domain.channel import ChannelName
from clarion.domain.delivery import DeliveryState
from clarion.domain.ids import Id


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastsAsked:
    """Which broadcasts: those whose caller's words are kept under `said_in`, all given conditions met."""

    said_in: str
    only: Id | None = None
    number: int | None = None
    created_from: datetime | None = None
    created_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesAsked:
    """Which messages, all given conditions met; no `states` are all. `said_in` is where callers' words are kept."""

    said_in: tuple[str, ...]
    run_number: int | None = None
    seq: int | None = None
    contact_id: Id | None = None
    campaign_number: int | None = None
    states: Collection[DeliveryState] | None = None
    created_from: datetime | None = None
    created_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message of one run to one contact, whatever became of it.

    `text` is its template, `said` what the caller said whose broadcast it was; neither is what was printed for them.
    """

    run_id: Id
    seq: int
    run_number: int
    campaign_number: int
    contact_id: Id | None
    channel: ChannelName
    address: str | None
    state: DeliveryState
    text: str
    said: dict[str, Any] | None
    created_at: datetime
    changed_at: datetime


class Broadcasts(Protocol):
    """Broadcasts and messages of all accounts; every method is given the account and sees nothing else."""

    async def newest(self, account_id: Id, before: Id | None, limit: int, asked: BroadcastsAsked) -> list[Broadcast]:
        """Broadcasts that were started, with ids below `before`, newest first."""
        ...

    async def messages(
        self, account_id: Id, before: tuple[Id, int] | None, limit: int, asked: MessagesAsked
    ) -> list[Sent]:
        """Messages below a place (run and number in it), newest first."""
        ...
