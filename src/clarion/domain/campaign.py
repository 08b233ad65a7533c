"""Campaigns and runs: kinds, states and the one table of transitions for each.

A campaign says what, to whom and when; a run is one execution of it. Nothing here touches storage: use cases ask these
tables, and the SQL guards are tested against them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

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


def lane_of(category: Category) -> Lane:
    """Which lane a run of this category sends on."""
    return Lane.TRANSACTIONAL if category is Category.TRANSACTIONAL else Lane.BULK


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A stored campaign with the current revision of its message.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a campaign. `selected_count` is the frozen audience; the deliveries always add up to it.

    `number` names it in whole numbers. `test_address` is where every message of a test goes instead. Until
    `accepts_until` calls may add recipients, and at `recheck_at` its audience is read again: a run with either in the
    future is not over, whatever its deliveries. From `removed_at` on these are kept no longer, only what they came to.
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


@dataclass(frozen=True, slots=True)
class AudienceCount:
    """Who a campaign would reach now: everyone selected, and of those the ones it may write to."""

    selected: int
    eligible: int
