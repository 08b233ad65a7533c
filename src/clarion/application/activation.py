"""The check before a start: every problem at once, whom it would reach, and what its messages will be.

`activate` is what authors call, and what saving a campaign with a start time calls for them. A start calls
`problems_of` again, because groups and senders may have changed since. Where to read next: `forecast`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from clarion.application.forecast import Forecast, forecast
from clarion.application.ports import Transaction
from clarion.domain.campaign import AudienceCount, Campaign, CampaignKind, CampaignState
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem
from clarion.domain.ids import Id
from clarion.domain.segment import Rule
from clarion.rendering.links import Links

SENDER_FIELDS: Final = {
    ChannelName.EMAIL: "senderId",
    ChannelName.SMS: "smsSenderId",
    ChannelName.PUSH: "pushSenderIds",
}
"""Where a campaign names who sends on a channel."""
_CANNOT_START: Final = {
    "kind": ("CAMPAIGN_NOT_BOUNDED", "A sequence has no audience to start over"),
    **dict.fromkeys(SENDER_FIELDS.values(), ("CHANNEL_NOT_CONNECTED", "The campaign has no sender")),
    "message.email": ("WORKFLOW_NOT_READY", "The campaign has no message"),
    "endAt": ("WORKFLOW_NOT_READY", "The campaign reads its audience again and has no end"),
}


@dataclass(frozen=True, slots=True)
class Activation:
    """What an author learns before the start: whom it reaches on which channel, and what they will get."""

    campaign: Campaign
    audience: AudienceCount
    forecast: Forecast
    warnings: tuple[str, ...]


async def activate(tx: Transaction, *, account_id: Id, campaign_id: Id, links: Links) -> Activation:
    """Checks a draft; one with a start time becomes scheduled. Runs in the caller's transaction.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `CAMPAIGN_NOT_DRAFT` when it is no draft any more.
        Invalid: with every problem that would keep it from starting.
    """
    campaign = await tx.campaigns.get(account_id, campaign_id, lock=True)
    if campaign is None:
        raise NotFound("campaign")
    if campaign.state is not CampaignState.DRAFT:
        raise Conflict("CAMPAIGN_NOT_DRAFT", f"The campaign is {campaign.state}; only a draft can be activated")
    refuse_unconnected(campaign)
    rules = await rules_of(tx, account_id, campaign.segment_ids)
    audience = await tx.campaigns.count_audience(account_id, campaign, rules)
    problems = problems_of(campaign, audience)
    if campaign.start_at and campaign.start_at <= await tx.campaigns.now():
        problems.append(Problem("startAt", "future", "the start time has passed"))
    if problems:
        raise Invalid.of(problems)
    ahead = await forecast(tx, account_id=account_id, campaign=campaign, rules=rules, audience=audience, links=links)
    if campaign.start_at:
        await tx.campaigns.move(account_id, campaign_id, frozenset({campaign.state}), CampaignState.SCHEDULED)
        campaign = await tx.campaigns.get(account_id, campaign_id) or campaign
    return Activation(campaign, audience, ahead, (*_idle(campaign), *ahead.warnings))


async def rules_of(tx: Transaction, account_id: Id, segment_ids: Sequence[Id]) -> list[Rule]:
    """The rules of these segments as they are now; a segment that was deleted selects nobody."""
    return [segment.rule for segment in await tx.segments.hold(account_id, segment_ids)] if segment_ids else []


def problems_of(campaign: Campaign, audience: AudienceCount) -> list[Problem]:
    """What keeps a campaign from being started, in the order of its fields."""
    problems = []
    if campaign.kind is CampaignKind.SEQUENCE:
        problems.append(Problem("kind", "bounded", "a sequence is stored, and cannot be started yet"))
    is_named = campaign.group_ids or campaign.segment_ids or campaign.contact_ids
    may_be_empty = campaign.kind is not CampaignKind.BROADCAST or (campaign.recheck_seconds and is_named)
    if audience.selected == 0 and not may_be_empty:
        message = "no contact is selected: name groups, segments or contacts with members"
        problems.append(Problem("audience", "minItems", message))
    if not campaign.parts:
        problems += [
            Problem(SENDER_FIELDS[channel], "required", "choose the sender to send with")
            for channel in campaign.said_on or (ChannelName.EMAIL,)
            if not campaign.senders_of(channel)
        ]
    if not campaign.said_on:
        problems.append(Problem("message.email", "required", "there is no message to send"))
    if campaign.recheck_seconds and campaign.end_at is None:
        problems.append(Problem("endAt", "required", "an audience that is read again needs an end"))
    return problems


def refuse_unconnected(campaign: Campaign) -> None:
    """Refuses a campaign that says something, and on no channel of these has a sender, by text message or push alone.

    Raises:
        Conflict: `CHANNEL_NOT_CONNECTED`.
    """
    if campaign.said_on and campaign.email is None and not campaign.parts:
        said = " and ".join(campaign.said_on)
        raise Conflict("CHANNEL_NOT_CONNECTED", f"The campaign names no sender that sends {said}")


def refuse_unready(campaign: Campaign, now: datetime) -> None:
    """Refuses to start a campaign that lacks something, whatever its audience.

    Raises:
        Conflict: with the code of what is missing first.
    """
    refuse_unconnected(campaign)
    for problem in problems_of(campaign, AudienceCount(1, 1)):
        raise Conflict(*_CANNOT_START[problem.field])
    if campaign.end_at and campaign.end_at <= now:
        raise Conflict("CAMPAIGN_NOT_STARTABLE", "The end of the campaign has passed")


def _idle(campaign: Campaign) -> list[str]:
    """Content that stays unsaid because nobody sends it, and senders with nothing to send."""
    unsaid = [
        f"its {channel} message is not sent: the channel is not connected, for {SENDER_FIELDS[channel]} is empty"
        for channel in campaign.said_on
        if not campaign.senders_of(channel)
    ]
    unused = [
        f"{SENDER_FIELDS[channel]} is not used: there is no {channel} message"
        for channel in ChannelName
        if campaign.senders_of(channel) and channel not in campaign.said_on
    ]
    return [*unsaid, *unused]
