"""Storage of calls that bring their recipients: what a whole group of them is stored with, statement by statement.

Implemented by the store of the same name. Where to read next: `application.intake`; `executions` for one at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from clarion.application.ports.executions import Earlier
from clarion.domain.campaign import CampaignKind, CampaignState, Category, Lane
from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id


@dataclass(slots=True)
class OpenRun:
    """The run of a triggered campaign that takes calls now; locked, so its numbers are the caller's to give out.

    One for each part of the campaign. A part for push knows the `app` and the `platform` of the devices it serves.
    """

    id: Id
    lane: Lane
    next_seq: int
    next_batch: int
    channel: ChannelName = ChannelName.EMAIL
    app: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledCampaign:
    """A campaign as a call sees it. `runs` are the parts of the one that is open, none while none is.

    With `picks_first` a recipient is written to on the first channel, in their order, that reaches them. `is_over` once
    its end has passed.
    """

    id: Id
    account_id: Id
    kind: CampaignKind
    category: Category
    state: CampaignState
    creates_contacts: bool
    high_throughput: bool
    is_over: bool
    runs: tuple[OpenRun, ...]
    picks_first: bool = False

    @property
    def is_email_alone(self) -> bool:
        """Whether nothing but email addresses need to be known of recipients."""
        return all(run.channel is ChannelName.EMAIL for run in self.runs)


class Wanted(NamedTuple):
    """One recipient to look up, by id or by a canonical identity (all None: nobody); the key of an address given."""

    account_id: Id
    campaign_id: Id
    contact_id: Id | None
    namespace: str | None
    value: str | None
    address_key: str | None
    is_marketing: bool


class Found(NamedTuple):
    """What the database knows of a recipient. `contact_id` is None when nobody holds the identity.

    `suppressed_by` is why the address (the one given, else the contact's own) may not be written to.
    """

    contact_id: Id | None
    email: str | None
    consent_email: bool | None
    status: str | None
    suppressed_by: str | None


NOBODY = Found(None, None, None, None, None)


class Sought(NamedTuple):
    """One recipient whose number and devices are to be looked up; the keys of addresses that a call gave."""

    account_id: Id
    campaign_id: Id
    contact_id: Id | None
    sms_key: str | None
    push_key: str | None
    is_marketing: bool


class FoundDevice(NamedTuple):
    """A device of a recipient that a push message may go to. `address` is that of a delivery to it."""

    id: Id | None
    app: str | None
    platform: str | None
    address: str
    suppressed_by: str | None


class Reached(NamedTuple):
    """What the database knows of a recipient beyond their email address.

    `sms_suppressed_by` and `push_suppressed_by` are about the addresses that the call gave, else about the number.
    """

    phone: str | None
    consent_sms: bool | None
    sms_suppressed_by: str | None
    consent_push: bool | None
    push_suppressed_by: str | None
    devices: tuple[FoundDevice, ...]


NOWHERE: Final = Reached(None, None, None, None, None, ())


class NewContact(NamedTuple):
    """A contact to be made, with the one identity that a call gave."""

    id: Id
    account_id: Id
    namespace: str
    value: str
    shown: str
    """The value as the caller wrote it, for an address that is shown and sent to."""


class NewExecution(NamedTuple):
    """A call that is being stored."""

    id: Id
    account_id: Id
    campaign_id: Id
    request_id: str | None
    body_hash: bytes
    run_id: Id
    first_seq: int
    last_seq: int
    created_by: str
    parts: dict[str, Any] | None
    """Of a campaign in several parts: what `domain.execution` needs to find the deliveries."""


class NewDelivery(NamedTuple):
    """A recipient of a call. `given` is what the call said of them, as JSON."""

    run_id: Id
    seq: int
    contact_id: Id | None
    address: str | None
    state: str
    reason: str | None
    given: msgspec.Raw
    device_id: Id | None = None


class NewBatch(NamedTuple):
    """Deliveries of a group that are claimed together, with those of the batch before while nobody has claimed it."""

    run_id: Id
    no: int
    lane: Lane
    first_seq: int
    last_seq: int


class Advance(NamedTuple):
    """Where the numbers of a run stand after a group, and by how many recipients it grew."""

    run_id: Id
    next_seq: int
    added: int


class Writing(NamedTuple):
    """Everything a group of calls stores."""

    executions: Sequence[NewExecution]
    deliveries: Sequence[NewDelivery]
    batches: Sequence[NewBatch]
    advances: Sequence[Advance]


class Intake(Protocol):
    """What a group of calls is stored with: a handful of statements, however many calls there are."""

    async def lock_open(self, campaign_ids: Collection[Id]) -> dict[Id, CalledCampaign]:
        """The campaigns of a group. Open runs are locked until the transaction ends, in the order of their ids.

        While a run is locked its campaign cannot be paused, stopped or edited.
        """
        ...

    async def earlier(self, calls: Sequence[tuple[Id, str]]) -> dict[tuple[Id, str], Earlier]:
        """The executions of these (campaign, request id), as far as they are stored."""
        ...

    async def find(self, wanted: Sequence[Wanted]) -> list[Found]:
        """What is known of each recipient, in the order asked."""
        ...

    async def reach(self, sought: Sequence[Sought]) -> list[Reached]:
        """What is known of each recipient beyond their email address, in the order asked."""
        ...

    async def create(self, contacts: Sequence[NewContact]) -> None:
        """Makes contacts; one that somebody else made meanwhile is left to them."""
        ...

    async def write(self, writing: Writing) -> dict[Id, datetime]:
        """Stores a group and wakes the workers once it commits; returns when each execution was created.

        Raises:
            Unavailable: another call with one of the request ids was stored meanwhile; the group is to be repeated.
        """
        ...

    async def open_run(self, account_id: Id, campaign_id: Id, run_id: Id) -> bool:
        """Opens a run that takes calls, with the campaign's parts, unless there is one.

        False when the campaign takes none (any more).

        Runs in the caller's transaction, which then holds the campaign.
        """
        ...
