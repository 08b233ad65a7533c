"""What a caller may say about a campaign, and the campaign with that laid over it.

`laid_over` gives the changed campaign or every problem at once. The rules are in `campaign_rules`; where to read next:
`campaigns`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from msgspec import UNSET, UnsetType

from clarion.application.campaign_rules import (
    DESCRIPTION_LIMIT,
    NAME_LIMIT,
    kind_problems,
    plain_problems,
    push_problems,
    sms_problems,
    window_problems,
)
from clarion.application.contact_rules import check_text
from clarion.application.messages import check_content
from clarion.application.ports import Transaction
from clarion.domain.campaign import Campaign, CampaignKind, Category, ChannelPolicy
from clarion.domain.channel import ChannelName
from clarion.domain.content import EmailContent, PushContent, SmsContent
from clarion.domain.errors import Invalid, Problem
from clarion.domain.ids import Id, new_id, parse_id
from clarion.rendering.links import Links

__all__ = ["CONTACTS_LIMIT", "DESCRIPTION_LIMIT", "GROUPS_LIMIT", "NAME_LIMIT", "SEGMENTS_LIMIT", "CampaignDraft"]

GROUPS_LIMIT: Final = 100
SEGMENTS_LIMIT: Final = 20
CONTACTS_LIMIT: Final = 10_000
PUSH_SENDERS_LIMIT: Final = 8
"""Push senders of one campaign: one for each app and platform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignDraft:
    """What a caller says about a campaign: UNSET leaves a field as it is, None clears it.

    `groups` and `segments` are names or ids, `contacts` ids. `start_at` in the future schedules the campaign when it is
    saved. `extras` replaces what was said before, whole.
    """

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    kind: CampaignKind | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    groups: list[str] | UnsetType = UNSET
    segments: list[str] | UnsetType = UNSET
    contacts: list[str] | UnsetType = UNSET
    sender_id: str | UnsetType | None = UNSET
    email: EmailContent | UnsetType | None = UNSET
    sms: SmsContent | UnsetType | None = UNSET
    push: PushContent | UnsetType | None = UNSET
    sms_sender_id: str | UnsetType | None = UNSET
    push_sender_ids: list[str] | UnsetType = UNSET
    channel_policy: ChannelPolicy | UnsetType = UNSET
    channel_order: tuple[str, ...] | UnsetType = UNSET
    start_at: datetime | UnsetType | None = UNSET
    end_at: datetime | UnsetType | None = UNSET
    timezone: str | UnsetType | None = UNSET
    recheck_seconds: int | UnsetType | None = UNSET
    creates_contacts: bool | UnsetType = UNSET
    high_throughput: bool | UnsetType = UNSET
    include_conversation_history: bool | UnsetType = UNSET
    auto_cancel_on_message_received: bool | UnsetType = UNSET
    outreach_language: str | UnsetType | None = UNSET
    extras: dict[str, Any] | UnsetType = UNSET


async def laid_over(
    tx: Transaction, account_id: Id, campaign: Campaign, draft: CampaignDraft, links: Links
) -> Campaign:
    """The campaign with the draft laid over it; a new revision when any content changed.

    Raises:
        Invalid: with everything that is wrong.
    """
    said = {name: value for name in _PLAIN_FIELDS if (value := getattr(draft, name)) is not UNSET}
    changed = dataclasses.replace(campaign, **said)
    group_ids, group_problems = await _groups(tx, account_id, campaign, draft)
    segment_ids, segment_problems = await _segments(tx, account_id, campaign, draft)
    contact_ids, contact_problems = await _contacts(tx, account_id, campaign, draft)
    senders, sender_problems = await _senders(tx, account_id, draft)
    problems = [*plain_problems(changed), *kind_problems(changed)]
    problems += [*group_problems, *segment_problems, *contact_problems, *sender_problems]
    problems += _content_problems(changed, draft, links)
    problems += window_problems(changed, draft.start_at, await tx.campaigns.now())
    if problems:
        raise Invalid.of(problems)
    return dataclasses.replace(
        changed,
        group_ids=group_ids,
        segment_ids=segment_ids,
        contact_ids=contact_ids,
        **senders,
        revision_id=_revision(campaign, changed),
    )


_PLAIN_FIELDS: Final = (
    "name",
    "description",
    "kind",
    "category",
    "email",
    "sms",
    "push",
    "channel_policy",
    "channel_order",
    "start_at",
    "end_at",
    "timezone",
    "recheck_seconds",
    "creates_contacts",
    "high_throughput",
    "include_conversation_history",
    "auto_cancel_on_message_received",
    "outreach_language",
    "extras",
)


def _content_problems(campaign: Campaign, draft: CampaignDraft, links: Links) -> list[Problem]:
    """What is wrong with the content that was said; what was stored before has been checked before."""
    problems: list[Problem] = []
    if campaign.email and (draft.email or draft.high_throughput is True):
        problems += check_content(campaign.email, campaign.category, links, is_context_only=campaign.high_throughput)
    if campaign.sms and (draft.sms or draft.high_throughput is True):
        problems += sms_problems(campaign.sms, is_context_only=campaign.high_throughput)
    if campaign.push and (draft.push or draft.high_throughput is True):
        problems += push_problems(campaign.push, is_context_only=campaign.high_throughput)
    return problems


def _revision(before: Campaign, campaign: Campaign) -> Id | None:
    content = (campaign.email, campaign.sms, campaign.push)
    if content == (before.email, before.sms, before.push):
        return before.revision_id
    return new_id() if any(content) else None


async def _groups(
    tx: Transaction, account_id: Id, campaign: Campaign, draft: CampaignDraft
) -> tuple[tuple[Id, ...], list[Problem]]:
    if draft.groups is UNSET:
        return campaign.group_ids, []
    if len(draft.groups) > GROUPS_LIMIT:
        return (), [Problem("audience.groups", "maxItems", f"at most {GROUPS_LIMIT} groups")]
    found = await tx.campaigns.resolve_groups(account_id, storable(draft.groups))
    return tuple(dict.fromkeys(found.values())), list(_unknown("group", draft.groups, found))


async def _segments(
    tx: Transaction, account_id: Id, campaign: Campaign, draft: CampaignDraft
) -> tuple[tuple[Id, ...], list[Problem]]:
    if draft.segments is UNSET:
        return campaign.segment_ids, []
    if len(draft.segments) > SEGMENTS_LIMIT:
        return (), [Problem("audience.segments", "maxItems", f"at most {SEGMENTS_LIMIT} segments")]
    found = await tx.campaigns.resolve_segments(account_id, storable(draft.segments))
    return tuple(dict.fromkeys(found.values())), list(_unknown("segment", draft.segments, found))


async def _contacts(
    tx: Transaction, account_id: Id, campaign: Campaign, draft: CampaignDraft
) -> tuple[tuple[Id, ...], list[Problem]]:
    if draft.contacts is UNSET:
        return campaign.contact_ids, []
    if len(draft.contacts) > CONTACTS_LIMIT:
        return (), [Problem("audience.contacts", "maxItems", f"at most {CONTACTS_LIMIT} contacts; use a group")]
    ids = [parse_id(text) for text in draft.contacts]
    known = await tx.campaigns.known_contacts(account_id, [contact_id for contact_id in ids if contact_id])
    problems = [
        Problem(f"audience.contacts[{index}]", "exists", "there is no such contact")
        for index, contact_id in enumerate(ids)
        if contact_id not in known
    ]
    return tuple(sorted(known)), problems


async def _senders(tx: Transaction, account_id: Id, draft: CampaignDraft) -> tuple[dict[str, Any], list[Problem]]:
    """The senders that the draft names, as fields of the campaign; each must be here, of its channel, and stay."""
    push = [] if draft.push_sender_ids is UNSET else draft.push_sender_ids[:PUSH_SENDERS_LIMIT]
    texts = [text for text in (draft.sender_id, draft.sms_sender_id, *push) if isinstance(text, str)]
    held = await tx.senders.hold(account_id, [sender_id for text in texts if (sender_id := parse_id(text))])
    named: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, said, field, channel in (
        ("sender_id", draft.sender_id, "senderId", ChannelName.EMAIL),
        ("sms_sender_id", draft.sms_sender_id, "smsSenderId", ChannelName.SMS),
    ):
        if said is not UNSET:
            named[name] = None if said is None else _sender(held, said, field, channel)
    if draft.push_sender_ids is not UNSET:
        if len(draft.push_sender_ids) > PUSH_SENDERS_LIMIT:
            problems.append(Problem("pushSenderIds", "maxItems", f"at most {PUSH_SENDERS_LIMIT} senders"))
        found = [_sender(held, said, f"pushSenderIds[{at}]", ChannelName.PUSH) for at, said in enumerate(push)]
        problems += [one for one in found if isinstance(one, Problem)]
        named["push_sender_ids"] = tuple(dict.fromkeys(found))
    return named, [*problems, *(one for one in named.values() if isinstance(one, Problem))]


def _sender(held: Mapping[Id, ChannelName], said: str, field: str, channel: ChannelName) -> Id | Problem:
    sender_id = parse_id(said)
    if sender_id is None or sender_id not in held:
        return Problem(field, "exists", "there is no such sender")
    if held[sender_id] is not channel:
        return Problem(field, "channel", f"it sends {held[sender_id]}; choose a sender of {channel}")
    return sender_id


def storable(names: Sequence[str]) -> list[str]:
    """Those of the names that the database can hold at all; no other can be the name of anything."""
    return [name for name in names if check_text(name) is None]


def _unknown(kind: str, said: Sequence[str], found: Mapping[str, Id]) -> Iterator[Problem]:
    for index, text in enumerate(said):
        if text not in found:
            yield Problem(f"audience.{kind}s[{index}]", "exists", f"there is no {kind} {text[:100]!r}")
