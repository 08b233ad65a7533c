"""Broadcasts: a text said to groups and contacts at once, through the account's first sender on each channel.

Whoever has a number gets a text message when the account has a sender of those, everybody else an email.

Each is a campaign with one run, so everything that holds for a campaign holds for it: consent, suppression, pace and
the ledger. It is accepted also where it cannot be sent; then it has failed, and a notice says why. Where to read next:
`lifecycle`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clarion.application.campaign_draft import CampaignDraft
from clarion.application.campaigns import create_campaign
from clarion.application.lifecycle import start
from clarion.application.notices import give_notice
from clarion.application.ports import Transaction
from clarion.application.ports.broadcasts import BroadcastsAsked, MessagesAsked, Sent
from clarion.application.senders import first_senders
from clarion.domain.broadcast import NO_SENDER, NOBODY_SELECTED, Broadcast
from clarion.domain.campaign import Campaign, CampaignKind, CampaignState, Category, ChannelPolicy
from clarion.domain.channel import ChannelName
from clarion.domain.content import SMS_LIMIT, EmailContent, SmsContent
from clarion.domain.errors import NotFound
from clarion.domain.ids import Id
from clarion.rendering.links import Links
from clarion.rendering.text_as_html import text_as_html
from clarion.rendering.translation.writing import literal

NAME_LIMIT: Final = 60
NOTICE: Final = "broadcast_failed"
_REASONS: Final = {NO_SENDER: "the account has no sender", NOBODY_SELECTED: "nobody was selected"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastDraft:
    """What to say and to whom.

    `texts` are templates of plain text by language; a contact whose language is among them gets that one, everybody
    else the one of `fallback`. `said` is kept under the word `said_in` and shown again. `channels` are those on which
    it may go, the preferred one first.
    """

    texts: Mapping[str, str]
    fallback: str
    group_ids: Sequence[Id]
    contact_ids: Sequence[Id]
    said_in: str
    said: dict[str, Any]
    channels: tuple[ChannelName, ...] = (ChannelName.SMS, ChannelName.EMAIL)


async def send_broadcast(tx: Transaction, *, account_id: Id, draft: BroadcastDraft, links: Links) -> Broadcast:
    """Stores a broadcast and starts it. Runs in the caller's transaction.

    Its category is marketing: whoever refused or unsubscribed is left out, and everybody can unsubscribe.

    Raises:
        Invalid: the text is too long or cannot be read, or a group or contact is not here.
    """
    account = await tx.accounts.find(account_id)
    if account is None:
        raise NotFound("account")
    senders = await first_senders(tx, account_id=account_id)
    ways = {channel: senders[channel].id.hex() for channel in draft.channels if channel in senders}
    text = in_languages(draft.texts, draft.fallback)
    campaign = await create_campaign(
        tx,
        account_id=account_id,
        draft=CampaignDraft(
            name=name_of(draft.texts[draft.fallback]),
            kind=CampaignKind.BROADCAST,
            category=Category.MARKETING,
            groups=[group_id.hex() for group_id in draft.group_ids],
            contacts=[contact_id.hex() for contact_id in draft.contact_ids],
            sender_id=ways.get(ChannelName.EMAIL),
            sms_sender_id=ways.get(ChannelName.SMS),
            channel_policy=ChannelPolicy.FIRST_AVAILABLE,
            channel_order=draft.channels,
            email=EmailContent(subject=literal(_line(account.name)), html=_letter(draft), text=text),
            sms=SmsContent(text=text) if len(text) <= SMS_LIMIT else None,
            extras={draft.said_in: draft.said},
        ),
        links=links,
    )
    obstacle = await _obstacle(tx, account_id, campaign)
    if obstacle:
        await _give_up(tx, account_id, campaign, obstacle)
    else:
        await start(tx, account_id=account_id, campaign_id=campaign.id)
    asked = BroadcastsAsked(said_in=draft.said_in, only=campaign.id)
    return (await tx.broadcasts.newest(account_id, None, 1, asked))[0]


async def list_broadcasts(
    tx: Transaction, *, account_id: Id, before: Id | None, limit: int, asked: BroadcastsAsked
) -> list[Broadcast]:
    """Reads up to `limit` broadcasts with ids below `before`, newest first."""
    return await tx.broadcasts.newest(account_id, before, limit, asked)


async def list_messages(
    tx: Transaction, *, account_id: Id, before: tuple[Id, int] | None, limit: int, asked: MessagesAsked
) -> list[Sent]:
    """Reads up to `limit` messages of all runs but tests, the newest run first, within it the last recipient first."""
    return await tx.broadcasts.messages(account_id, before, limit, asked)


def in_languages(texts: Mapping[str, str], fallback: str) -> str:
    """One template that says each contact the text of its language, else that of `fallback`."""
    others = [language for language in texts if language != fallback]
    if not others:
        return texts[fallback]
    branches = [
        f'{{% {"elif" if place else "if"} contact.language == "{language}" %}}{texts[language]}'
        for place, language in enumerate(others)
    ]
    return "".join([*branches, "{% else %}", texts[fallback], "{% endif %}"])


def name_of(text: str) -> str:
    """A name for a campaign that was only said: the beginning of its text."""
    line = _line(text)
    return line if len(line) <= NAME_LIMIT else f"{line[: NAME_LIMIT - 1].rstrip()}…"


def _line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip() or "Broadcast"


def _letter(draft: BroadcastDraft) -> str:
    return in_languages(
        {language: f"<p>{text_as_html(text)}</p>" for language, text in draft.texts.items()}, draft.fallback
    )


async def _obstacle(tx: Transaction, account_id: Id, campaign: Campaign) -> str | None:
    if not campaign.parts:
        return NO_SENDER
    audience = await tx.campaigns.count_audience(account_id, campaign, ())
    return None if audience.selected else NOBODY_SELECTED


async def _give_up(tx: Transaction, account_id: Id, campaign: Campaign, reason: str) -> None:
    """Fails a draft as one fails whose time has come and that cannot start."""
    for source, target in (
        (CampaignState.DRAFT, CampaignState.SCHEDULED),
        (CampaignState.SCHEDULED, CampaignState.FAILED),
    ):
        await tx.campaigns.move(account_id, campaign.id, frozenset({source}), target, reason)
    message = f"'{campaign.name}' was not sent: {_REASONS[reason]}"
    await give_notice(tx, account_id=account_id, campaign_id=campaign.id, kind=NOTICE, message=message)
