"""What a caller may say about a campaign, and the rules it is checked by before anything is stored.

`laid_over` gives the campaign with the draft over it or every problem at once. Where to read next: `campaigns`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec import UNSET, UnsetType

from clarion.application.contact_rules import Refusal, read_language
from clarion.application.messages import check_content
from clarion.application.ports import Transaction
from clarion.domain.campaign import Campaign, Category
from clarion.domain.content import EmailContent
from clarion.domain.errors import Invalid, Problem
from clarion.domain.ids import Id, new_id, parse_id
from clarion.rendering.links import Links

NAME_LIMIT: Final = 200
DESCRIPTION_LIMIT: Final = 2000
GROUPS_LIMIT: Final = 100
CONTACTS_LIMIT: Final = 10_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignDraft:
    """What a caller says about a campaign: UNSET leaves a field as it is, None clears it.

    `groups` are names or ids, `contacts` ids. `start_at` in the future schedules the campaign when it is saved.
    """

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    category: Category | UnsetType = UNSET
    groups: list[str] | UnsetType = UNSET
    contacts: list[str] | UnsetType = UNSET
    sender_id: str | UnsetType | None = UNSET
    email: EmailContent | UnsetType | None = UNSET
    start_at: datetime | UnsetType | None = UNSET
    end_at: datetime | UnsetType | None = UNSET
    include_conversation_history: bool | UnsetType = UNSET
    auto_cancel_on_message_received: bool | UnsetType = UNSET
    outreach_language: str | UnsetType | None = UNSET


async def laid_over(
    tx: Transaction, account_id: Id, campaign: Campaign, draft: CampaignDraft, links: Links
) -> Campaign:
    """The campaign with the draft laid over it.

    Raises:
        Invalid: with everything that is wrong.
    """
    problems = list(_plain_problems(campaign, draft))
    group_ids, group_problems = await _groups(tx, account_id, campaign, draft)
    contact_ids, contact_problems = await _contacts(tx, account_id, campaign, draft)
    sender_id, sender_problems = await _sender(tx, account_id, campaign, draft)
    problems += [*group_problems, *contact_problems, *sender_problems]
    if isinstance(draft.email, EmailContent):
        problems += check_content(draft.email, draft.category or campaign.category, links)
    problems += await _window_problems(tx, campaign, draft)
    if problems:
        raise Invalid.of(problems)
    said = {name: value for name in _PLAIN_FIELDS if (value := getattr(draft, name)) is not UNSET}
    email = campaign.email if draft.email is UNSET else draft.email
    changed = email != campaign.email
    revision_id = (new_id() if email else None) if changed else campaign.revision_id
    return dataclasses.replace(
        campaign,
        **said,
        group_ids=group_ids,
        contact_ids=contact_ids,
        sender_id=sender_id,
        email=email,
        revision_id=revision_id,
    )


_PLAIN_FIELDS: Final = (
    "name",
    "description",
    "category",
    "start_at",
    "end_at",
    "include_conversation_history",
    "auto_cancel_on_message_received",
    "outreach_language",
)


def _plain_problems(campaign: Campaign, draft: CampaignDraft) -> Iterator[Problem]:
    name = campaign.name if draft.name is UNSET else draft.name
    if not name.strip():
        yield Problem("name", "required", "a campaign needs a name")
    elif len(name) > NAME_LIMIT:
        yield Problem("name", "maxLength", f"at most {NAME_LIMIT} characters")
    elif _CONTROL.search(name):
        yield Problem("name", "characters", "control characters and line breaks are not allowed")
    if draft.description and len(draft.description) > DESCRIPTION_LIMIT:
        yield Problem("description", "maxLength", f"at most {DESCRIPTION_LIMIT} characters")
    language = draft.outreach_language
    if isinstance(language, str) and isinstance(refusal := read_language(language), Refusal):
        yield Problem("outreachLanguage", refusal.rule, refusal.message)


async def _window_problems(tx: Transaction, campaign: Campaign, draft: CampaignDraft) -> list[Problem]:
    start = campaign.start_at if draft.start_at is UNSET else draft.start_at
    end = campaign.end_at if draft.end_at is UNSET else draft.end_at
    now = await tx.campaigns.now()
    problems = []
    if isinstance(draft.start_at, datetime) and draft.start_at <= now:
        problems.append(Problem("startAt", "future", "must be in the future; leave it out to start by hand"))
    if end and end <= max(now, start or now):
        problems.append(Problem("endAt", "afterStart", "must be after the start and in the future"))
    return problems


async def _groups(
    tx: Transaction, account_id: Id, campaign: Campaign, draft: CampaignDraft
) -> tuple[tuple[Id, ...], list[Problem]]:
    if draft.groups is UNSET:
        return campaign.group_ids, []
    if len(draft.groups) > GROUPS_LIMIT:
        return (), [Problem("audience.groups", "maxItems", f"at most {GROUPS_LIMIT} groups")]
    found = await tx.campaigns.resolve_groups(account_id, draft.groups)
    problems = [
        Problem(f"audience.groups[{index}]", "exists", f"there is no group {text[:100]!r}")
        for index, text in enumerate(draft.groups)
        if text not in found
    ]
    return tuple(dict.fromkeys(found.values())), problems


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


async def _sender(
    tx: Transaction, account_id: Id, campaign: Campaign, draft: CampaignDraft
) -> tuple[Id | None, list[Problem]]:
    if draft.sender_id is UNSET:
        return campaign.sender_id, []
    if draft.sender_id is None:
        return None, []
    sender_id = parse_id(draft.sender_id)
    if sender_id is None or await tx.senders.get(account_id, sender_id) is None:
        return None, [Problem("senderId", "exists", "there is no such sender")]
    return sender_id, []
