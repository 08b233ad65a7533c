"""News that comes back: receipts of messages that were handed over, and messages that people write to us.

Owns the values that providers' news is read into, and what storing it promises. Never decides what a receipt does to a
delivery; that is `pipeline/receipts`. Where to read next: `adapters/channels`, where each provider's news is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from clarion.domain.channel import ChannelName
from clarion.domain.delivery import DeliveryId, DeliveryState
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason
from clarion.domain.receipt import ReceiptState

FIRST_WAIT: Final = timedelta(seconds=0.5)
"""A receipt may be faster than the commit that says what it is about. Few are, when all of them wait this long."""

__all__ = [
    "Answer",
    "Callback",
    "Callbacks",
    "Confirmation",
    "Due",
    "Forged",
    "Inbound",
    "Inbox",
    "Move",
    "News",
    "Receipt",
    "ReceiptState",
    "Receipts",
]


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
    """What one sender's provider calls us back with. Only `prepare` uses the network."""

    @property
    def answer(self) -> Answer:
        """What the provider is answered when its news is stored."""
        ...

    async def prepare(self, request: Callback) -> None:
        """Fetches what checking the signature of this request needs and is not here yet: mostly nothing.

        Raises:
            Forged: the request names a place to fetch it from that is not the provider's.
            Unavailable: it cannot be had just now.
        """
        ...

    def read(self, request: Callback) -> Sequence[News | Confirmation]:
        """The news in a callback, none for events that say nothing of a message.

        Raises:
            Forged: the signature is missing, wrong, or too old.
            Malformed: it is signed, and still cannot be read.
        """
        ...


class Due(NamedTuple):
    """A stored receipt that is due, and the delivery it is about as it stands.

    `run_id`, `seq` and `state` are None while no such delivery is known, or when it is not its sender's account's.
    `part` and `parts` are those of the message the ref names; a message in one part has part 1 of 1.
    """

    sender_id: Id
    event_id: str
    ref: str | None
    told: ReceiptState
    reason: Reason | None
    detail: str
    age: timedelta
    part: int
    parts: int
    run_id: Id | None
    seq: int | None
    state: DeliveryState | None
    attempts: int


class Move(NamedTuple):
    """A delivery that a receipt moves, if it still stands where it stood. An empty `reply` leaves the stored one."""

    run_id: Id
    seq: int
    before: DeliveryState
    after: DeliveryState
    reason: Reason | None
    reply: str


class Receipts(Protocol):
    """Receipts that are stored and wait to be applied. What stands below `alone` belongs into its transaction."""

    async def keep(self, receipts: Sequence[Receipt]) -> None:
        """Stores receipts; an event that waits already is left alone."""
        ...

    async def has_due(self) -> bool:
        """Whether there is a receipt to apply: asked often, and cheap."""
        ...

    async def alone(self) -> bool:
        """Makes this transaction the only one that applies receipts; False when there is another.

        The parts of one message must not be counted by two who do not see each other.
        """
        ...

    async def due(self, limit: int) -> list[Due]:
        """Reads the receipts that are due, oldest first."""
        ...

    async def note_parts(self, told: Sequence[Due]) -> list[tuple[Id, int, int, ReceiptState | None]]:
        """Writes down what was told of parts, and reads all parts of the messages these belong to.

        Gives run, number, part and what was ever told of it, where a weaker word never replaces a stronger one.
        """
        ...

    async def move(self, moves: Sequence[Move]) -> set[tuple[Id, int]]:
        """Moves deliveries; gives run and number of those that still stood where they were to be moved from."""
        ...

    async def recipients(self, moves: Sequence[Move]) -> list[tuple[Id, ChannelName, Id, int, str]]:
        """Whose deliveries these are: account, channel, run, number and the address they went to."""
        ...

    async def take_out(self, done: Sequence[Due]) -> None:
        """Deletes receipts that are done with."""
        ...

    async def put_off(self, waiting: Sequence[tuple[Due, timedelta | None]]) -> None:
        """Lets receipts wait so long; None: for ever, they are kept to be looked at."""
        ...
