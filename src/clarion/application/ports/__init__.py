"""What the core needs of the outside, as Protocols: storage here and in the module of each noun, ways out in `channel`.

Adapters implement them; `bootstrap` ties them together. A store method is one statement over a batch, never one per
recipient, and runs in the transaction it was reached through.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from clarion.application.ports.access import Accounts, Keys
from clarion.application.ports.announcements import Announcements
from clarion.application.ports.batches import Batches
from clarion.application.ports.broadcasts import Broadcasts
from clarion.application.ports.campaigns import Campaigns
from clarion.application.ports.contact_fields import ContactFields
from clarion.application.ports.contacts import Contacts, Groups
from clarion.application.ports.deliveries import Deliveries
from clarion.application.ports.devices import Devices
from clarion.application.ports.executions import Executions
from clarion.application.ports.health import SenderHealth
from clarion.application.ports.home import Home
from clarion.application.ports.identities import Identities
from clarion.application.ports.imports import Imports
from clarion.application.ports.inbound import InboundMessages
from clarion.application.ports.intake import Intake
from clarion.application.ports.names import Names
from clarion.application.ports.notes import Notes
from clarion.application.ports.notices import Notices
from clarion.application.ports.pace import Paces
from clarion.application.ports.quarantine import Quarantine
from clarion.application.ports.receipts import Receipts
from clarion.application.ports.replies import Replies
from clarion.application.ports.retention import Retention
from clarion.application.ports.runs import Runs
from clarion.application.ports.samples import Samples
from clarion.application.ports.segments import Segments
from clarion.application.ports.senders import Senders
from clarion.application.ports.sequences import CampaignEvents, Sequences
from clarion.application.ports.start_calls import StartCalls
from clarion.application.ports.suppressions import Suppressions

T = TypeVar("T")


class Transaction(Protocol):
    """One database transaction and the stores reached through it. Commits on leaving its block, else rolls back."""

    @property
    def accounts(self) -> Accounts:
        """Accounts."""
        ...

    @property
    def keys(self) -> Keys:
        """API keys."""
        ...

    @property
    def contacts(self) -> Contacts:
        """Contacts."""
        ...

    @property
    def identities(self) -> Identities:
        """Who is called what."""
        ...

    @property
    def contact_fields(self) -> ContactFields:
        """Typed contact fields."""
        ...

    @property
    def health(self) -> SenderHealth:
        """The health of senders, and the ways batches went."""
        ...

    @property
    def notes(self) -> Notes:
        """Notes about contacts."""
        ...

    @property
    def notices(self) -> Notices:
        """What the people of an account should hear of."""
        ...

    @property
    def devices(self) -> Devices:
        """The devices of contacts."""
        ...

    @property
    def groups(self) -> Groups:
        """Groups and their members."""
        ...

    @property
    def samples(self) -> Samples:
        """Some of an audience."""
        ...

    @property
    def segments(self) -> Segments:
        """Segments, and the contacts that rules select."""
        ...

    @property
    def imports(self) -> Imports:
        """Contact imports."""
        ...

    @property
    def suppressions(self) -> Suppressions:
        """Addresses we must not write to."""
        ...

    @property
    def senders(self) -> Senders:
        """Senders."""
        ...

    @property
    def pace(self) -> Paces:
        """Pace: limits, and how far each is used."""
        ...

    @property
    def campaigns(self) -> Campaigns:
        """Campaigns and their revisions."""
        ...

    @property
    def sequences(self) -> Sequences:
        """Sequences, for reading."""
        ...

    @property
    def campaign_events(self) -> CampaignEvents:
        """The steps of sequences."""
        ...

    @property
    def broadcasts(self) -> Broadcasts:
        """Broadcasts and messages, for reading."""
        ...

    @property
    def names(self) -> Names:
        """Names whose capitals do not matter."""
        ...

    @property
    def runs(self) -> Runs:
        """Runs."""
        ...

    @property
    def deliveries(self) -> Deliveries:
        """Deliveries, for reading."""
        ...

    @property
    def quarantine(self) -> Quarantine:
        """Batches that fail again and again."""
        ...

    @property
    def home(self) -> Home:
        """Where the database is."""
        ...

    @property
    def retention(self) -> Retention:
        """What has had its time."""
        ...

    @property
    def batches(self) -> Batches:
        """Batches and their leases."""
        ...

    @property
    def announcements(self) -> Announcements:
        """Which batches were announced to the queue between machines."""
        ...

    @property
    def replies(self) -> Replies:
        """Replies kept for an Idempotency-Key."""
        ...

    @property
    def start_calls(self) -> StartCalls:
        """Starts by a call, and whether one is the same as another."""
        ...

    @property
    def intake(self) -> Intake:
        """Calls that bring their recipients, a group at a time."""
        ...

    @property
    def executions(self) -> Executions:
        """Calls that set deliveries going, one at a time."""
        ...

    @property
    def receipts(self) -> Receipts:
        """What providers told of messages, until it is applied."""
        ...

    @property
    def inbound(self) -> InboundMessages:
        """What people wrote to us."""
        ...

    async def announce_work(self) -> None:
        """Wakes the workers once this transaction commits; losing the call costs a second of waiting, never work."""
        ...

    async def barrier(self, account_id: bytes) -> None:
        """Returns once every send intent of the account that began before this call has been committed or dropped.

        Called after a pause, stop or unsubscribe is committed and before it is answered, so that the answer is a
        promise: no intent that ignores the change will be written from then on.
        """
        ...


class Database(Protocol):
    """Where transactions come from. Raises `Unavailable` when the database does not answer in time."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Opens a transaction; leaving the block normally commits it."""
        ...

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        """Opens a session for reads without a transaction: each statement sees the latest commit."""
        ...

    async def retrying(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Runs `work` in a transaction of its own, again when it collided with another one; it must be repeatable."""
        ...
