"""Campaigns and runs: kinds, states and the one table of transitions for each.

A campaign says what, to whom and when; a run is one execution of it. Nothing here touches storage: use cases ask these
tables, and the SQL guards are tested against them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from clarion.domain.channel import ChannelName
from clarion.domain.content import EmailContent, PushContent, SmsContent
from clarion.domain.ids import Id


class CampaignKind(StrEnum):
    """How recipients come to a campaign."""

    BROADCAST = "broadcast"
    """A bounded audience, once; with a recheck interval, whoever comes to belong to it until the campaign's end."""
    TRIGGERED = "triggered"
    """Recipients come with each call while the campaign is running."""
    SEQUENCE = "sequence"
    """Steps relative to a date of each member of a group; stored and shown, not started."""


class Category(StrEnum):
    """Marketing mail needs consent and an unsubscribe link; transactional mail is what the person asked for."""

    MARKETING = "marketing"
    TRANSACTIONAL = "transactional"


class Lane(StrEnum):
    """A bulk run never delays a transactional send."""

    TRANSACTIONAL = "transactional"
    BULK = "bulk"


class CampaignState(StrEnum):
    """Where a campaign stands."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    ARCHIVED = "archived"


C = CampaignState
CAMPAIGN_TRANSITIONS: Final[dict[CampaignState, frozenset[CampaignState]]] = {
    C.DRAFT: frozenset({C.SCHEDULED, C.RUNNING, C.ARCHIVED}),
    C.SCHEDULED: frozenset({C.DRAFT, C.RUNNING, C.STOPPED, C.FAILED}),
    C.RUNNING: frozenset({C.PAUSED, C.COMPLETED, C.STOPPED, C.FAILED}),
    C.PAUSED: frozenset({C.RUNNING, C.COMPLETED, C.STOPPED, C.FAILED}),
    C.COMPLETED: frozenset({C.DRAFT, C.RUNNING, C.ARCHIVED}),
    C.STOPPED: frozenset({C.DRAFT, C.ARCHIVED}),
    C.FAILED: frozenset({C.ARCHIVED}),
    C.ARCHIVED: frozenset(),
}
"""From each state, the states a campaign may move to."""


class RunState(StrEnum):
    """Where a run stands: `preparing` until its first deliveries exist."""

    PREPARING = "preparing"
    SENDING = "sending"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"


R = RunState
RUN_TRANSITIONS: Final[dict[RunState, frozenset[RunState]]] = {
    R.PREPARING: frozenset({R.SENDING, R.PAUSED, R.COMPLETED, R.STOPPED, R.FAILED}),
    R.SENDING: frozenset({R.PAUSED, R.COMPLETED, R.STOPPED, R.FAILED}),
    R.PAUSED: frozenset({R.SENDING, R.STOPPED, R.FAILED}),
    R.COMPLETED: frozenset(),
    R.STOPPED: frozenset(),
    R.FAILED: frozenset(),
}
"""From each state, the states a run may move to."""


class ChannelPolicy(StrEnum):
    """By which of its channels a campaign writes to somebody."""

    ALL = "all"
    """By every one that they can be reached on."""
    FIRST_AVAILABLE = "first_available"
    """By the first one, in the campaign's order, that they can be reached on."""


class Part(NamedTuple):
    """One way on which a campaign writes: a channel, and the sender that takes its messages."""

    channel: ChannelName
    sender_id: Id


def lane_of(category: Category) -> Lane:
    """Which lane a run of this category sends on."""
    return Lane.TRANSACTIONAL if category is Category.TRANSACTIONAL else Lane.BULK


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A stored campaign with the current revision of its message.

    `sender_id` takes its emails, `sms_sender_id` its text messages, and each of `push_sender_ids` the push messages for
    the devices it serves. `channel_order` names channels, the preferred one first; `channel_policy` says what it means.
    `number` is its name for callers that know whole numbers only (0 until it is stored). `recheck_seconds` keeps the
    audience of a broadcast open until its end. `creates_contacts` and `high_throughput` are of triggered campaigns:
    recipients that are no contacts become some, or are written to without being looked up. `extras` is what a
    dialect's caller said and is shown again, by dialect; nothing else reads it.
    """

    id: Id
    number: int = 0
    name: str
    description: str | None
    kind: CampaignKind
    category: Category
    state: CampaignState
    state_reason: str | None
    group_ids: tuple[Id, ...]
    segment_ids: tuple[Id, ...] = ()
    contact_ids: tuple[Id, ...]
    sender_id: Id | None
    revision_id: Id | None
    email: EmailContent | None
    sms: SmsContent | None = None
    push: PushContent | None = None
    sms_sender_id: Id | None = None
    push_sender_ids: tuple[Id, ...] = ()
    channel_policy: ChannelPolicy = ChannelPolicy.ALL
    channel_order: tuple[str, ...] = ()
    selected_count: int | None
    include_conversation_history: bool
    auto_cancel_on_message_received: bool
    outreach_language: str | None
    timezone: str | None = None
    start_at: datetime | None
    end_at: datetime | None
    recheck_seconds: int | None = None
    creates_contacts: bool = False
    high_throughput: bool = False
    extras: dict[str, Any] = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    rate_limited_until: datetime | None
    degraded_reason: str | None = None

    @property
    def said_on(self) -> tuple[ChannelName, ...]:
        """The channels it says something on: first those of `channel_order`, then the others."""
        said = {ChannelName.EMAIL: self.email, ChannelName.SMS: self.sms, ChannelName.PUSH: self.push}
        order = dict.fromkeys([*map(ChannelName, self.channel_order), *ChannelName])
        return tuple(channel for channel in order if said[channel] is not None)

    def senders_of(self, channel: ChannelName) -> tuple[Id, ...]:
        """The senders that it names for a channel."""
        if channel is ChannelName.PUSH:
            return self.push_sender_ids
        sender_id = self.sender_id if channel is ChannelName.EMAIL else self.sms_sender_id
        return () if sender_id is None else (sender_id,)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The ways on which a start would send: for every channel that something is said on, its senders."""
        return tuple(Part(channel, sender) for channel in self.said_on for sender in self.senders_of(channel))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a campaign. `selected_count` is the frozen audience; the deliveries always add up to it.

    A start makes a run for every one of the campaign's parts; the first of them leads, and callers know them as one
    run: see `whole`. `number` names it in whole numbers. `test_address` is where every message of a test goes instead.
    Until `accepts_until` calls may add recipients, and at `recheck_at` its audience is read again: a run with either in
    the future is not over, whatever its deliveries. From `removed_at` on these are kept no longer, only what they came
    to.
    """

    id: Id
    number: int = 0
    campaign_id: Id
    campaign_name: str
    ordinal: int
    state: RunState
    state_reason: str | None
    category: Category
    selected_count: int
    snapshot_done: bool
    started_at: datetime
    finished_at: datetime | None
    test_address: str | None = None
    accepts_until: datetime | None = None
    recheck_at: datetime | None = None
    rate_limited_until: datetime | None = None
    degraded_reason: str | None = None
    removed_at: datetime | None = None
    channel: ChannelName = ChannelName.EMAIL
    sender_id: Id | None = None
    parts: tuple[Run, ...] = ()


_STANDING: Final = (R.PAUSED, R.PREPARING, R.SENDING, R.FAILED, R.STOPPED, R.COMPLETED)
"""A run stands where the first of these is that any of its parts is in: it is over when all of them are."""


def whole(parts: Sequence[Run]) -> Run:
    """The run that callers know, of its parts, of which the leading one comes first."""
    lead, *others = parts
    if not others:
        return replace(lead, parts=(lead,))
    state = min((part.state for part in parts), key=_STANDING.index)
    finished = [part.finished_at for part in parts if part.finished_at]
    return replace(
        lead,
        state=state,
        state_reason=next((part.state_reason for part in parts if part.state is state and part.state_reason), None),
        selected_count=sum(part.selected_count for part in parts),
        snapshot_done=all(part.snapshot_done for part in parts),
        finished_at=max(finished) if len(finished) == len(parts) else None,
        rate_limited_until=max((part.rate_limited_until for part in parts if part.rate_limited_until), default=None),
        degraded_reason=next((part.degraded_reason for part in parts if part.degraded_reason), None),
        removed_at=min((part.removed_at for part in parts if part.removed_at), default=None),
        parts=tuple(parts),
    )


class PartCount(NamedTuple):
    """Of one part of a campaign: the deliveries it would have, and those of them that may be sent."""

    channel: ChannelName
    selected: int
    eligible: int


@dataclass(frozen=True, slots=True)
class AudienceCount:
    """Whom a campaign would reach now: everyone selected, and of those the ones it may write to on some channel.

    `selected` is exact. With `is_estimate` the rest is worked out from a sample of them.
    """

    selected: int
    eligible: int
    parts: tuple[PartCount, ...] = ()
    is_estimate: bool = False
