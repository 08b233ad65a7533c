"""What a campaign looks like in requests and answers, and the way from one to the other.

Checks shapes and sizes only; what a draft means is for `application/campaign_draft`. The operations are in `campaigns`
and `campaign_verbs`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from clarion.application.campaign_draft import (
    CONTACTS_LIMIT,
    DESCRIPTION_LIMIT,
    GROUPS_LIMIT,
    NAME_LIMIT,
    PUSH_SENDERS_LIMIT,
    SEGMENTS_LIMIT,
    CampaignDraft,
)
from clarion.application.campaign_rules import RECHECK_LEAST_S, RECHECK_MOST_S
from clarion.domain.campaign import Campaign, CampaignKind, CampaignState, Category, ChannelPolicy
from clarion.domain.channel import ChannelName
from clarion.entrypoints.http.api.keys import Moment
from clarion.entrypoints.http.api.message_models import MessageInput, MessageView, contents_of
from clarion.entrypoints.http.api.paging import HexId, hex_or_none
from clarion.entrypoints.http.requests import as_utc

StartAt = Annotated[Moment, Meta(description="The campaign is checked and starts by itself at this time.")]
EndAt = Annotated[Moment, Meta(description="Whoever is not reached by then is not.")]
Named = Annotated[str, Meta(min_length=1, max_length=200)]
Zone = Annotated[
    str,
    Meta(
        max_length=64,
        examples=["Europe/Berlin"],
        description="IANA time zone in which people read its times. `startAt` and `endAt` are absolute moments.",
    ),
]
Recheck = Annotated[
    int,
    Meta(
        ge=RECHECK_LEAST_S,
        le=RECHECK_MOST_S,
        description="Reads the audience again at this interval until `endAt`; nobody is written to twice.",
    ),
]
CreatesContacts = Annotated[bool, Meta(description="Recipients of calls that are no contacts become some.")]
HighThroughput = Annotated[
    bool, Meta(description="Recipients of calls are written to without being looked up: only `context` is known.")
]


class AudienceInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """To whom: everyone in these groups and segments, and these contacts, each once."""

    groups: Annotated[list[Named], Meta(max_length=GROUPS_LIMIT, description="Names or ids.")] = []
    segments: Annotated[list[Named], Meta(max_length=SEGMENTS_LIMIT, description="Names or ids.")] = []
    contacts: Annotated[list[HexId], Meta(max_length=CONTACTS_LIMIT)] = []


class CampaignPatch(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Changes to a draft. What is left out stays as it is; null clears a field."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT)] | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=DESCRIPTION_LIMIT)] | UnsetType | None = UNSET
    kind: CampaignKind | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    audience: AudienceInput | UnsetType = UNSET
    sender_id: Annotated[HexId, Meta(description="The sender of its emails.")] | UnsetType | None = UNSET
    message: MessageInput | UnsetType = UNSET
    sms_sender_id: Annotated[HexId, Meta(description="The sender of its text messages.")] | UnsetType | None = UNSET
    push_sender_ids: (
        Annotated[
            list[HexId],
            Meta(max_length=PUSH_SENDERS_LIMIT, description="Senders of its push messages: one a platform and app."),
        ]
        | UnsetType
    ) = UNSET
    channel_policy: (
        Annotated[ChannelPolicy, Meta(description="By every channel that somebody can be reached on, or the first.")]
        | UnsetType
    ) = UNSET
    channel_order: (
        Annotated[
            list[ChannelName], Meta(max_length=len(ChannelName), description="Preferred first; the others follow.")
        ]
        | UnsetType
    ) = UNSET
    start_at: StartAt | UnsetType | None = UNSET
    end_at: EndAt | UnsetType | None = UNSET
    timezone: Zone | UnsetType | None = UNSET
    recheck_seconds: Recheck | UnsetType | None = UNSET
    creates_contacts: CreatesContacts | UnsetType = UNSET
    high_throughput: HighThroughput | UnsetType = UNSET
    include_conversation_history: bool | UnsetType = UNSET
    auto_cancel_on_message_received: bool | UnsetType = UNSET
    """Whoever writes to us by SMS gets no more of this campaign."""
    outreach_language: Annotated[str, Meta(max_length=35, examples=["en"])] | UnsetType | None = UNSET

    def draft(self) -> CampaignDraft:
        """The same for the use case."""
        audience = self.audience
        return CampaignDraft(
            name=self.name,
            description=self.description,
            kind=self.kind,
            category=self.category,
            groups=UNSET if audience is UNSET else audience.groups,
            segments=UNSET if audience is UNSET else audience.segments,
            contacts=UNSET if audience is UNSET else audience.contacts,
            sender_id=self.sender_id,
            sms_sender_id=self.sms_sender_id,
            push_sender_ids=self.push_sender_ids,
            channel_policy=self.channel_policy,
            channel_order=UNSET if self.channel_order is UNSET else tuple(self.channel_order),
            start_at=as_utc("startAt", self.start_at) if isinstance(self.start_at, datetime) else self.start_at,
            end_at=as_utc("endAt", self.end_at) if isinstance(self.end_at, datetime) else self.end_at,
            timezone=self.timezone,
            recheck_seconds=self.recheck_seconds,
            creates_contacts=self.creates_contacts,
            high_throughput=self.high_throughput,
            include_conversation_history=self.include_conversation_history,
            auto_cancel_on_message_received=self.auto_cancel_on_message_received,
            outreach_language=self.outreach_language,
            **contents_of(self.message),
        )


class CampaignInput(CampaignPatch, kw_only=True):
    """A new campaign."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT, examples=["Spring letter"])]
    category: Annotated[Category, Meta(description="Marketing needs consent and carries an unsubscribe link.")]


class AudienceView(msgspec.Struct, rename="camel"):
    """To whom a campaign goes: groups, segments and contacts by id."""

    groups: list[HexId]
    segments: list[HexId]
    contacts: list[HexId]


class CampaignSummary(msgspec.Struct, rename="camel", kw_only=True):
    """A campaign as a start answers it."""

    id: HexId
    name: str
    description: str | None
    status: CampaignState
    selected_lead_count: int
    """The frozen audience; 0 before the start."""
    include_conversation_history: bool
    auto_cancel_on_message_received: bool
    outreach_language: str | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    rate_limited_until: datetime | None
    """Until when a limit of its sender or its account holds it; null when none does."""


class CampaignView(CampaignSummary, rename="camel", kw_only=True):
    """A campaign with everything its author wrote."""

    number: int
    """The campaign's name for callers that know whole numbers only."""
    degraded_reason: str | None
    """Why its sender is left alone for now, having failed as a whole; null when it works."""
    status_reason: str | None
    """Why it is in this state, where somebody or something ended or held it."""
    kind: CampaignKind
    category: Category
    audience: AudienceView
    sender_id: HexId | None
    """The sender of its emails."""
    sms_sender_id: HexId | None
    push_sender_ids: list[HexId]
    message: MessageView
    channel_policy: ChannelPolicy
    channel_order: list[str]
    start_at: datetime | None
    end_at: datetime | None
    timezone: str | None
    recheck_seconds: int | None
    creates_contacts: bool
    high_throughput: bool

    @classmethod
    def of(cls, campaign: Campaign) -> CampaignView:
        """The campaign as callers see it."""
        return cls(
            **summary_fields(campaign),
            number=campaign.number,
            degraded_reason=campaign.degraded_reason,
            status_reason=campaign.state_reason,
            kind=campaign.kind,
            category=campaign.category,
            audience=AudienceView(
                _hex_all(campaign.group_ids), _hex_all(campaign.segment_ids), _hex_all(campaign.contact_ids)
            ),
            sender_id=hex_or_none(campaign.sender_id),
            sms_sender_id=hex_or_none(campaign.sms_sender_id),
            push_sender_ids=_hex_all(campaign.push_sender_ids),
            message=MessageView.of(campaign),
            channel_policy=campaign.channel_policy,
            channel_order=list(campaign.channel_order),
            start_at=campaign.start_at,
            end_at=campaign.end_at,
            timezone=campaign.timezone,
            recheck_seconds=campaign.recheck_seconds,
            creates_contacts=campaign.creates_contacts,
            high_throughput=campaign.high_throughput,
        )


def summary_fields(campaign: Campaign) -> dict[str, Any]:
    """The fields that a start answers."""
    return {
        "id": campaign.id.hex(),
        "name": campaign.name,
        "description": campaign.description,
        "status": campaign.state,
        "selected_lead_count": campaign.selected_count or 0,
        "include_conversation_history": campaign.include_conversation_history,
        "auto_cancel_on_message_received": campaign.auto_cancel_on_message_received,
        "outreach_language": campaign.outreach_language,
        "created_at": campaign.created_at,
        "updated_at": campaign.updated_at,
        "started_at": campaign.started_at,
        "rate_limited_until": campaign.rate_limited_until,
    }


def _hex_all(ids: tuple[bytes, ...]) -> list[str]:
    return [id_.hex() for id_ in ids]
