"""The rules a campaign keeps to before anything is looked up or stored: sizes, texts, and what belongs together.

Takes the campaign as it would be with a draft over it and yields every problem. Where to read next: `campaign_draft`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from clarion.application.contact_rules import Refusal, check_text, read_language, read_timezone
from clarion.application.json_objects import encoded
from clarion.domain.campaign import Campaign, CampaignKind, Category
from clarion.domain.content import PushContent, SmsContent
from clarion.domain.errors import Problem
from clarion.rendering.push_plan import content_problems as push_content_problems
from clarion.rendering.push_texts import PushTexts
from clarion.rendering.sms_plan import content_problems, names_of

NAME_LIMIT: Final = 255
DESCRIPTION_LIMIT: Final = 2000
EXTRAS_LIMIT: Final = 256 * 1024
"""Bytes of what dialects keep with a campaign, as JSON."""
RECHECK_LEAST_S: Final = 60
RECHECK_MOST_S: Final = 30 * 24 * 3600
CHANNELS: Final = ("email", "sms", "push")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def plain_problems(campaign: Campaign) -> Iterator[Problem]:
    """What is wrong with the fields of a campaign, each for itself."""
    yield from _name_problems(campaign.name)
    if campaign.description is not None and len(campaign.description) > DESCRIPTION_LIMIT:
        yield Problem("description", "maxLength", f"at most {DESCRIPTION_LIMIT} characters")
    elif campaign.description is not None and isinstance(refusal := check_text(campaign.description), Refusal):
        yield Problem("description", refusal.rule, refusal.message)
    for field, text, read in (
        ("outreachLanguage", campaign.outreach_language, read_language),
        ("timezone", campaign.timezone, read_timezone),
    ):
        if text is not None and isinstance(fault := read(text), Refusal):
            yield Problem(field, fault.rule, fault.message)
    order = campaign.channel_order
    if len(set(order)) != len(order) or not set(order) <= set(CHANNELS):
        yield Problem("channelOrder", "uniqueItems", f"must be channels, each once: {', '.join(CHANNELS)}")
    yield from extras_problems(campaign.extras)


def kind_problems(campaign: Campaign) -> Iterator[Problem]:
    """What does not fit the kind of a campaign."""
    recheck = campaign.recheck_seconds
    if recheck is not None and campaign.kind is not CampaignKind.BROADCAST:
        yield Problem("recheckSeconds", "kind", "only the audience of a broadcast is read again")
    elif recheck is not None and not RECHECK_LEAST_S <= recheck <= RECHECK_MOST_S:
        yield Problem("recheckSeconds", "range", f"must be {RECHECK_LEAST_S} to {RECHECK_MOST_S} seconds")
    is_triggered = campaign.kind is CampaignKind.TRIGGERED
    if campaign.creates_contacts and not is_triggered:
        yield Problem("createsContacts", "kind", "only a triggered campaign makes contacts of its recipients")
    if campaign.high_throughput and not is_triggered:
        yield Problem("highThroughput", "kind", "only a triggered campaign has it")
    elif campaign.high_throughput and campaign.category is not Category.TRANSACTIONAL:
        yield Problem("highThroughput", "category", "only transactional messages have it")
    if campaign.high_throughput and campaign.creates_contacts:
        yield Problem("createsContacts", "highThroughput", "nobody is looked up, so no contact can be made")


def window_problems(campaign: Campaign, start_said: object, now: datetime) -> Iterator[Problem]:
    """What is wrong with the times of a campaign; a start that was said just now lies in the future."""
    if isinstance(start_said, datetime) and start_said <= now:
        yield Problem("startAt", "future", "must be in the future; leave it out to start by hand")
    if campaign.end_at and campaign.end_at <= max(now, campaign.start_at or now):
        yield Problem("endAt", "afterStart", "must be after the start and in the future")


def sms_problems(sms: SmsContent, *, is_context_only: bool = False) -> Iterator[Problem]:
    """What is wrong with a text message; with `is_context_only` nobody is looked up for it."""
    problems = content_problems(sms)
    yield from problems
    if is_context_only and not problems:
        yield from _looked_up("message.sms", names_of(sms))


def push_problems(push: PushContent, *, is_context_only: bool = False) -> Iterator[Problem]:
    """What is wrong with a push message; a silent one may have no words. The same of `is_context_only`."""
    if not push.body and not push.silent:
        yield Problem("message.push.body", "minLength", "must not be empty unless it is silent")
    problems = list(push_content_problems(push))
    yield from problems
    yield from extras_problems(push.extras, "message.push.extras")
    texts = PushTexts.read(push, {}, []) if is_context_only and not problems else None
    if texts is not None:
        yield from _looked_up("message.push", sorted(texts.variables))


def _looked_up(field: str, names: Iterable[str]) -> Iterator[Problem]:
    """What a message of contacts uses that nobody is looked up for."""
    if of_contacts := [name for name in names if name.partition(".")[0] == "contact"]:
        message = f"nobody is looked up for it, and it uses {', '.join(of_contacts[:10])}"
        yield Problem(field, "contextOnly", message)


def extras_problems(extras: Mapping[str, Any], field: str = "extras", limit: int = EXTRAS_LIMIT) -> Iterator[Problem]:
    """What is wrong with an object of the caller's own: too large, or nothing that can be stored."""
    if isinstance(refusal := encoded(extras, limit), Refusal):
        yield Problem(field, refusal.rule, refusal.message)


def _name_problems(name: str) -> Iterator[Problem]:
    if not name.strip():
        yield Problem("name", "required", "a campaign needs a name")
    elif len(name) > NAME_LIMIT:
        yield Problem("name", "maxLength", f"at most {NAME_LIMIT} characters")
    elif _CONTROL.search(name):
        yield Problem("name", "characters", "control characters and line breaks are not allowed")
