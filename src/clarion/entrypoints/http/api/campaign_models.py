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
    CampaignDraft,
)
from clarion.domain.campaign import Campaign, CampaignKind, CampaignState, Category
from clarion.domain.content import BODY_LIMIT, SUBJECT_LIMIT, EmailContent
from clarion.entrypoints.http.api.keys import Moment
from clarion.entrypoints.http.api.paging import HexId, hex_or_none
from clarion.entrypoints.http.requests import as_utc

Subject = Annotated[str, Meta(min_length=1, max_length=SUBJECT_LIMIT, examples=["Hello {{ contact.firstName }}"])]
Body = Annotated[str, Meta(max_length=BODY_LIMIT)]
Mailbox = Annotated[str, Meta(min_length=1, max_length=512, examples=["Clarion <news@sender.example>"])]

StartAt = Annotated[Moment, Meta(description="The campaign is checked and starts by itself at this time.")]
EndAt = Annotated[Moment, Meta(description="Whoever is not reached by then is not.")]


class EmailInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An email: Jinja templates over `contact`, `campaign`, `account`, `unsubscribe_url` and `view_url`."""

    subject: Subject
    html: Annotated[Body, Meta(min_length=1, examples=["<p>Hello {{ contact.firstName | default('there') }}</p>"])]
    text: Annotated[Body, Meta(description="Derived from `html` when left out.")] | None = None
    from_: Annotated[Mailbox, Meta(description="Instead of the sender's address.")] | None = msgspec.field(
        default=None, name="from"
    )
    reply_to: Mailbox | None = None

    def content(self) -> EmailContent:
        """The same for the use case."""
        return EmailContent(
            subject=self.subject, html=self.html, text=self.text, from_=self.from_, reply_to=self.reply_to
        )


class MessageInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What to say, per channel."""

    email: EmailInput | None = None


class AudienceInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """To whom: everyone in these groups and these contacts, each once."""

    groups: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=200)]],
        Meta(max_length=GROUPS_LIMIT, description="Names or ids."),
    ] = []
    contacts: Annotated[list[HexId], Meta(max_length=CONTACTS_LIMIT)] = []


class CampaignPatch(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Changes to a draft. What is left out stays as it is; null clears a field."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT)] | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=DESCRIPTION_LIMIT)] | UnsetType | None = UNSET
    category: Category | UnsetType = UNSET
    audience: AudienceInput | UnsetType = UNSET
    sender_id: HexId | UnsetType | None = UNSET
    message: MessageInput | UnsetType = UNSET
    start_at: StartAt | UnsetType | None = UNSET
    end_at: EndAt | UnsetType | None = UNSET
    include_conversation_history: bool | UnsetType = UNSET
    auto_cancel_on_message_received: bool | UnsetType = UNSET
    outreach_language: Annotated[str, Meta(max_length=35, examples=["en"])] | UnsetType | None = UNSET

    def draft(self) -> CampaignDraft:
        """The same for the use case."""
        audience, message = self.audience, self.message
        return CampaignDraft(
            name=self.name,
            description=self.description,
            category=self.category,
            groups=UNSET if audience is UNSET else audience.groups,
            contacts=UNSET if audience is UNSET else audience.contacts,
            sender_id=self.sender_id,
            email=UNSET if message is UNSET else message.email.content() if message.email else None,
            start_at=as_utc("startAt", self.start_at) if isinstance(self.start_at, datetime) else self.start_at,
            end_at=as_utc("endAt", self.end_at) if isinstance(self.end_at, datetime) else self.end_at,
            include_conversation_history=self.include_conversation_history,
            auto_cancel_on_message_received=self.auto_cancel_on_message_received,
            outreach_language=self.outreach_language,
        )


class CampaignInput(CampaignPatch, kw_only=True):
    """A new campaign."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT, examples=["Spring letter"])]
    category: Annotated[Category, Meta(description="Marketing needs consent and carries an unsubscribe link.")]


class EmailView(msgspec.Struct, rename="camel"):
    """An email as it was written."""

    subject: str
    html: str
    text: str | None
    from_: str | None = msgspec.field(name="from")
    reply_to: str | None


class MessageView(msgspec.Struct, rename="camel"):
    """What a campaign says, per channel."""

    email: EmailView | None


class AudienceView(msgspec.Struct, rename="camel"):
    """To whom a campaign goes: groups and contacts by id."""

    groups: list[HexId]
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


class CampaignView(CampaignSummary, rename="camel", kw_only=True):
    """A campaign with everything its author wrote."""

    status_reason: str | None
    kind: CampaignKind
    category: Category
    audience: AudienceView
    sender_id: HexId | None
    message: MessageView
    start_at: datetime | None
    end_at: datetime | None

    @classmethod
    def of(cls, campaign: Campaign) -> CampaignView:
        """The campaign as callers see it."""
        return cls(
            **summary_fields(campaign),
            status_reason=campaign.state_reason,
            kind=campaign.kind,
            category=campaign.category,
            audience=AudienceView(_hex_all(campaign.group_ids), _hex_all(campaign.contact_ids)),
            sender_id=hex_or_none(campaign.sender_id),
            message=MessageView(_email_view(campaign.email)),
            start_at=campaign.start_at,
            end_at=campaign.end_at,
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


def _email_view(email: EmailContent | None) -> EmailView | None:
    if email is None:
        return None
    return EmailView(email.subject, email.html, email.text, email.from_, email.reply_to)
