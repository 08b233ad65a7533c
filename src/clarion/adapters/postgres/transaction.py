"""One transaction (or session) and the stores reached through it: the way every store is used.

Holds no SQL of its own but the barrier and the bell. Where to read next: the store of each noun beside this module.
"""

from __future__ import annotations

from functools import cached_property

from clarion.adapters.postgres.accounts import AccountStore, KeyStore
from clarion.adapters.postgres.announcements import AnnouncementStore
from clarion.adapters.postgres.batches import BatchStore
from clarion.adapters.postgres.broadcasts import BroadcastStore
from clarion.adapters.postgres.campaigns import CampaignStore
from clarion.adapters.postgres.connection import Connection
from clarion.adapters.postgres.contact_fields import ContactFieldStore
from clarion.adapters.postgres.contacts import ContactStore
from clarion.adapters.postgres.deliveries import DeliveryStore
from clarion.adapters.postgres.devices import DeviceStore
from clarion.adapters.postgres.executions import ExecutionStore
from clarion.adapters.postgres.groups import GroupStore
from clarion.adapters.postgres.health import SenderHealthStore
from clarion.adapters.postgres.home import HomeStore
from clarion.adapters.postgres.identities import IdentityStore
from clarion.adapters.postgres.imports import ImportStore
from clarion.adapters.postgres.inbound import InboundStore
from clarion.adapters.postgres.intake import IntakeStore
from clarion.adapters.postgres.locks import account_key
from clarion.adapters.postgres.names import NameStore
from clarion.adapters.postgres.notes import NoteStore
from clarion.adapters.postgres.notices import NoticeStore
from clarion.adapters.postgres.pace import PaceStore
from clarion.adapters.postgres.quarantine import QuarantineStore
from clarion.adapters.postgres.receipts import ReceiptStore
from clarion.adapters.postgres.replies import ReplyStore
from clarion.adapters.postgres.retention import RetentionStore
from clarion.adapters.postgres.runs import RunStore
from clarion.adapters.postgres.samples import SampleStore
from clarion.adapters.postgres.segments import SegmentStore
from clarion.adapters.postgres.senders import SenderStore
from clarion.adapters.postgres.sequences import CampaignEventStore, SequenceStore
from clarion.adapters.postgres.start_calls import StartCallStore
from clarion.adapters.postgres.suppressions import SuppressionStore

_BARRIER = "SELECT pg_advisory_xact_lock($1)"
_ANNOUNCE = "SELECT pg_notify('clarion_work', '')"


class PostgresTransaction:
    """A connection and the stores that run on it. Lives as long as the block it was opened in."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def announce_work(self) -> None:
        """Wakes the workers once this transaction commits."""
        await self.connection.execute(_ANNOUNCE)

    async def barrier(self, account_id: bytes) -> None:
        """Waits until every turn of the account that began before has ended. Use it outside a transaction.

        Raises RuntimeError inside one: the lock would be held until its end and stop the account's sending meanwhile.
        """
        if self.connection.is_in_transaction():
            raise RuntimeError("a barrier stands outside of transactions; open it with reading()")
        await self.connection.execute(_BARRIER, account_key(account_id))

    @cached_property
    def accounts(self) -> AccountStore:
        """Accounts."""
        return AccountStore(self.connection)

    @cached_property
    def keys(self) -> KeyStore:
        """API keys."""
        return KeyStore(self.connection)

    @cached_property
    def contacts(self) -> ContactStore:
        """Contacts."""
        return ContactStore(self.connection)

    @cached_property
    def identities(self) -> IdentityStore:
        """Who is called what."""
        return IdentityStore(self.connection)

    @cached_property
    def contact_fields(self) -> ContactFieldStore:
        """Typed contact fields."""
        return ContactFieldStore(self.connection)

    @cached_property
    def health(self) -> SenderHealthStore:
        """The health of senders, and the ways batches went."""
        return SenderHealthStore(self.connection)

    @cached_property
    def notes(self) -> NoteStore:
        """Notes about contacts."""
        return NoteStore(self.connection)

    @cached_property
    def notices(self) -> NoticeStore:
        """What the people of an account should hear of."""
        return NoticeStore(self.connection)

    @cached_property
    def devices(self) -> DeviceStore:
        """The devices of contacts."""
        return DeviceStore(self.connection)

    @cached_property
    def groups(self) -> GroupStore:
        """Groups and their members."""
        return GroupStore(self.connection)

    @cached_property
    def samples(self) -> SampleStore:
        """Some of an audience."""
        return SampleStore(self.connection)

    @cached_property
    def segments(self) -> SegmentStore:
        """Segments, and the contacts that rules select."""
        return SegmentStore(self.connection)

    @cached_property
    def imports(self) -> ImportStore:
        """Contact imports."""
        return ImportStore(self.connection)

    @cached_property
    def suppressions(self) -> SuppressionStore:
        """Suppressions."""
        return SuppressionStore(self.connection)

    @cached_property
    def senders(self) -> SenderStore:
        """Senders."""
        return SenderStore(self.connection)

    @cached_property
    def pace(self) -> PaceStore:
        """Pace: limits, and how far each is used."""
        return PaceStore(self.connection)

    @cached_property
    def campaigns(self) -> CampaignStore:
        """Campaigns and their revisions."""
        return CampaignStore(self.connection)

    @cached_property
    def sequences(self) -> SequenceStore:
        """Sequences, for reading."""
        return SequenceStore(self.connection)

    @cached_property
    def campaign_events(self) -> CampaignEventStore:
        """The steps of sequences."""
        return CampaignEventStore(self.connection)

    @cached_property
    def broadcasts(self) -> BroadcastStore:
        """Broadcasts and messages, for reading."""
        return BroadcastStore(self.connection)

    @cached_property
    def names(self) -> NameStore:
        """Names whose capitals do not matter."""
        return NameStore(self.connection)

    @cached_property
    def runs(self) -> RunStore:
        """Runs."""
        return RunStore(self.connection)

    @cached_property
    def deliveries(self) -> DeliveryStore:
        """Deliveries and their attempts."""
        return DeliveryStore(self.connection)

    @cached_property
    def quarantine(self) -> QuarantineStore:
        """Batches that fail again and again."""
        return QuarantineStore(self.connection)

    @cached_property
    def home(self) -> HomeStore:
        """Where the database is."""
        return HomeStore(self.connection)

    @cached_property
    def retention(self) -> RetentionStore:
        """What has had its time."""
        return RetentionStore(self.connection)

    @cached_property
    def batches(self) -> BatchStore:
        """Batches and their leases."""
        return BatchStore(self.connection)

    @cached_property
    def intake(self) -> IntakeStore:
        """Calls that bring their recipients."""
        return IntakeStore(self.connection)

    @cached_property
    def executions(self) -> ExecutionStore:
        """Calls that set deliveries going."""
        return ExecutionStore(self.connection)

    @cached_property
    def start_calls(self) -> StartCallStore:
        """Starts by a call, and whether one is the same as another."""
        return StartCallStore(self.connection)

    @cached_property
    def announcements(self) -> AnnouncementStore:
        """Which batches were announced to the queue between machines."""
        return AnnouncementStore(self.connection)

    @cached_property
    def replies(self) -> ReplyStore:
        """Replies kept for an Idempotency-Key."""
        return ReplyStore(self.connection)

    @cached_property
    def receipts(self) -> ReceiptStore:
        """What providers told of messages, until it is applied."""
        return ReceiptStore(self.connection)

    @cached_property
    def inbound(self) -> InboundStore:
        """What people wrote to us."""
        return InboundStore(self.connection)
