"""News that comes back: receipts of messages that were handed over, and messages that people write to us.

Owns the values that providers' news is read into, and what storing it promises. Never decides what a receipt does to a
delivery; that is `pipeline/receipts`. Where to read next: `adapters/channels`, where each provider's news is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from clarion.domain.delivery import DeliveryId
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason


class ReceiptState(StrEnum):
    """What a provider tells of a message that it was given. The order is the one in which a later word wins."""

    ACCEPTED = "accepted"
    """It has the message and is at it: the proof that it went. Nothing is known of its end."""
    DELIVERED = "delivered"
    """It reached the recipient's device or mailbox."""
    FAILED = "failed"
    """It will not arrive: refused, expired, deleted, undeliverable."""


class Receipt(NamedTuple):
    """One event of one message, or of one part of it.

    `event_id` is the provider's name of the event, or, where it has none, what is the same whenever the same thing is
    told again (its id of the message and the state): the same event twice does what it does once. Of `ref`, the
    provider's id of the message or part, and `delivery_id`, which it echoes, at least one is given; with both, the ref
    tells which part it is. `reason` says why a message failed, `detail` is the provider's own words.
    """

    sender_id: Id
    event_id: str
    state: ReceiptState
    ref: str = ""
    delivery_id: DeliveryId | None = None
    reason: Reason | None = None
    detail: str = ""
    occurred_at: datetime | None = None


class Inbound(NamedTuple):
    """A message that somebody wrote to us, put together when it came in parts. Numbers are E.164 with a plus.

    `event_id` is the provider's id of the message, the same whenever it is told again.
    """

    sender_id: Id
    event_id: str
    from_: str
    to: str
    text: str
    occurred_at: datetime | None = None


News = Receipt | Inbound


class Inbox(Protocol):
    """Where news is handed in. Safe to use from one event loop; concurrent calls share a commit."""

    async def put(self, news: Sequence[News]) -> None:
        """Stores news; it is on disk when this returns, and only then may the provider be told that we have it.

        Safe to repeat because an event is stored once.

        Raises:
            Unavailable: too much waits to be stored, or the database does not answer; it may or may not be stored.
        """
        ...


class Callback(NamedTuple):
    """A provider's request as it came in. `url` is the public address of the hook with the query as it was sent.

    Names of headers are in lower case. `url` is made of our own settings, never of what the request says of its host.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """What a provider wants to hear once its news is stored."""

    status: int = 204
    content_type: str = ""
    body: bytes = b""


class Confirmation(NamedTuple):
    """A provider that sends nothing until somebody opens this address; the people of the account are told of it."""

    url: str


class Forged(Exception):
    """A callback that is not signed as its sender's provider signs, or is too old. Nothing of it is kept."""


class Callbacks(Protocol):
    """What one sender's provider calls us back with. Pure: no clock but the one it was made with, no network."""

    @property
    def answer(self) -> Answer:
        """What the provider is answered when its news is stored."""
        ...

    def read(self, request: Callback) -> Sequence[News | Confirmation]:
        """The news in a callback, none for events that say nothing of a message.

        Raises:
            Forged: the signature is missing, wrong, or too old.
            Malformed: it is signed, and still cannot be read.
        """
        ...


class Applied(NamedTuple):
    """What became of a batch of receipts. `moved` of them changed a delivery, `late` changed nothing any more.

    `waiting` came before our own commit and are tried again; `lost` name a message that nobody knows of.
    """

    moved: int = 0
    late: int = 0
    waiting: int = 0
    lost: int = 0

    @property
    def taken(self) -> int:
        """How many there were."""
        return self.moved + self.late + self.waiting + self.lost


class Receipts(Protocol):
    """Receipts that are stored and wait to be applied."""

    async def keep(self, receipts: Sequence[Receipt]) -> None:
        """Stores receipts and wakes who applies them; an event that is there already is left alone."""
        ...

    async def apply(self, limit: int) -> Applied:
        """Applies the receipts that are due, oldest first, and takes out what is done with.

        Deliveries move only forward, as `domain.delivery.TRANSITIONS` says. Safe to repeat, and beside others that do
        the same, because what was applied is gone and one of them works at a time.
        """
        ...
