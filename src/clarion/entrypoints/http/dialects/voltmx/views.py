"""Campaigns as this API shows them: what their author said, the state in its words, and counters from the runs.

A campaign that was made elsewhere is shown by what it is. Unset dates are `""`, empty channels `[]`, the id a number.
Where to read next: `campaigns`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final

import msgspec

from clarion.application.ports import Transaction
from clarion.application.runs import count_sent
from clarion.domain.campaign import Campaign, CampaignState
from clarion.domain.channel import ChannelName
from clarion.domain.content import EmailContent
from clarion.domain.ids import Id
from clarion.domain.segment import Segment
from clarion.entrypoints.http.dialects.voltmx.messages import CHANNEL_ARRAYS, MAILS, PRIORITIES, PUSH, SMS
from clarion.entrypoints.http.dialects.voltmx.moments import label_of, noted, read_date, read_zone, written
from clarion.entrypoints.http.dialects.voltmx.wishes import EXTRAS, server_zone
from clarion.rendering.addresses import Mailbox, parse_mailbox

STATES: Final = {
    CampaignState.DRAFT: "Draft",
    CampaignState.SCHEDULED: "Pending",
    CampaignState.RUNNING: "Running",
    CampaignState.PAUSED: "Paused",
    CampaignState.COMPLETED: "Completed",
    CampaignState.STOPPED: "Terminated",
    CampaignState.FAILED: "Terminated",
}
"""In the words of this API. What is archived is gone for its callers."""
_WORDS: Final = {"email": "Email", "sms": "SMS", "push": "PUSH"}
_COUNTERS: Final[Mapping[str, tuple[str, ...]]] = {
    PUSH: ("subscribers", "pushesSent", "pushesOpened"),
    MAILS: ("mailsSent", "mailsOpened"),
    SMS: ("smsSent", "smsOpened"),
    "campaignVoiceSms": ("smsSent", "smsOpened"),
    "campaignPasses": ("passSent", "passOpened"),
}
_COUNTED: Final = (
    (MAILS, ChannelName.EMAIL, "mailsSent"),
    (SMS, ChannelName.SMS, "smsSent"),
    (PUSH, ChannelName.PUSH, "pushesSent"),
)


class SegmentName(msgspec.Struct):
    """A segment by id and name."""

    id: int
    name: str


class CampaignSegment(msgspec.Struct):
    """One segment of a campaign."""

    segment: SegmentName


class CampaignView(msgspec.Struct, rename="camel"):
    """A campaign."""

    id: int
    name: str
    campaign_type: str
    zone: str
    start_date_str: str
    end_date_str: str
    terminated_date_str: str
    paused_date_str: str
    last_modified_by: str
    last_modified_date_str: str
    created_by: str
    created_date_str: str
    campaign_segments: list[CampaignSegment]
    campaign_messages: list[dict[str, Any]]
    campaign_mails: list[dict[str, Any]]
    campaign_sms: list[dict[str, Any]]
    campaign_voice_sms: list[dict[str, Any]]
    campaign_passes: list[dict[str, Any]]
    campaign_channel_priorities: list[dict[str, Any]]
    status: str


@dataclass(frozen=True, slots=True)
class _Around:
    """What a page of campaigns is shown with."""

    zone: tzinfo
    segments: Mapping[Id, Segment]
    sent: Mapping[tuple[Id, ChannelName], int]


async def views_of(tx: Transaction, account_id: Id, campaigns: Sequence[Campaign]) -> list[CampaignView]:
    """A page of campaigns as callers see them, read in three statements whatever their number."""
    segment_ids = {segment_id for campaign in campaigns for segment_id in campaign.segment_ids}
    around = _Around(
        await server_zone(tx, account_id),
        {segment.id: segment for segment in await tx.segments.hold(account_id, sorted(segment_ids))},
        await count_sent(tx, account_id=account_id, campaign_ids=[campaign.id for campaign in campaigns]),
    )
    return [_view(campaign, around) for campaign in campaigns]


def _view(campaign: Campaign, around: _Around) -> CampaignView:
    said = said_of(campaign)
    zone = read_zone(str(said.get("zone", ""))) if said.get("zone") else None
    local = zone or around.zone
    arrays = _arrays(campaign, said, around.sent)
    is_stopped = campaign.state in (CampaignState.STOPPED, CampaignState.FAILED)
    is_paused = campaign.state is CampaignState.PAUSED
    start, end = _start(campaign, said, local), campaign.end_at
    return CampaignView(
        id=campaign.number,
        name=campaign.name,
        campaign_type=str(said.get("campaignType", "")),
        zone=str(said.get("zone") or label_of(start or campaign.created_at, local)),
        start_date_str=written(start, local),
        end_date_str=written(end, local),
        terminated_date_str=written(campaign.updated_at if is_stopped else None, local),
        paused_date_str=written(campaign.updated_at if is_paused else None, local),
        last_modified_by=str(said.get("lastModifiedBy", "")),
        last_modified_date_str=noted(campaign.updated_at, around.zone),
        created_by=str(said.get("createdBy", "")),
        created_date_str=noted(campaign.created_at, around.zone),
        campaign_segments=[
            CampaignSegment(SegmentName(segment.number, segment.name))
            for segment in map(around.segments.get, campaign.segment_ids)
            if segment
        ],
        campaign_messages=arrays[PUSH],
        campaign_mails=arrays[MAILS],
        campaign_sms=arrays[SMS],
        campaign_voice_sms=arrays["campaignVoiceSms"],
        campaign_passes=arrays["campaignPasses"],
        campaign_channel_priorities=_priorities(campaign, said),
        status=STATES.get(campaign.state, "Terminated"),
    )


def said_of(campaign: Campaign) -> dict[str, Any]:
    """What this API's callers said of a campaign; empty for one that was made elsewhere."""
    said = campaign.extras.get(EXTRAS)
    return said if isinstance(said, dict) else {}


def _start(campaign: Campaign, said: Mapping[str, Any], zone: tzinfo) -> datetime | None:
    """When it begins or began: an early start moves the date to the moment of the start."""
    planned = campaign.start_at or read_date(str(said.get("startDateStr", "")), zone)
    is_ahead = campaign.state in (CampaignState.DRAFT, CampaignState.SCHEDULED)
    begun = None if is_ahead else campaign.started_at
    return min((moment for moment in (planned, begun) if moment), default=None)


def _arrays(
    campaign: Campaign, said: Mapping[str, Any], sent: Mapping[tuple[Id, ChannelName], int]
) -> dict[str, list[dict[str, Any]]]:
    arrays: dict[str, list[dict[str, Any]]] = {
        name: [{**item, **dict.fromkeys(_COUNTERS[name], 0)} for item in said.get(name, [])] for name in CHANNEL_ARRAYS
    }
    if not said and campaign.email:
        arrays[MAILS] = [_mail_of(campaign.email)]
    for name, channel, counter in _COUNTED:
        for item in arrays[name]:
            item[counter] = sent.get((campaign.id, channel), 0)
    for item in arrays[PUSH]:
        item["platformSpecificProps"] = item.get("platformSpecificProps") or ""
    return arrays


def _mail_of(email: EmailContent) -> dict[str, Any]:
    parsed = parse_mailbox(email.from_) if email.from_ else None
    name, address = (parsed.name, parsed.address.mailbox) if isinstance(parsed, Mailbox) else ("", "")
    counters = dict.fromkeys(_COUNTERS[MAILS], 0)
    shown = {"subject": email.subject, "contentType": "text/html", "senderEmail": address, "senderName": name}
    return {**shown, "content": email.html, **counters}


def _priorities(campaign: Campaign, said: Mapping[str, Any]) -> list[dict[str, Any]]:
    if said:
        return list(said.get(PRIORITIES, []))
    return [{"messageChannel": _WORDS[channel]} for channel in campaign.channel_order]
