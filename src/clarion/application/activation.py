"""The check before a start: every problem at once, whom it would reach, and which variables some people lack.

`activate` is what authors call, and what saving a campaign with a start time calls for them. A start calls
`problems_of` again, because groups and senders may have changed since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from clarion.application.messages import STRANGER, facts_of, plan_of_campaign
from clarion.application.ports import Transaction
from clarion.domain.campaign import AudienceCount, Campaign, CampaignKind, CampaignState
from clarion.domain.content import EmailContent
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem
from clarion.domain.ids import Id
from clarion.domain.segment import Rule
from clarion.rendering.headers import date_header
from clarion.rendering.links import Links
from clarion.rendering.plan import EmailPlan, Refusal

_COLUMNS: Final = {
    "externalId": "external_id",
    "email": "email",
    "phone": "phone",
    "firstName": "first_name",
    "lastName": "last_name",
    "language": "language",
    "timezone": "timezone",
}
_PROVIDED: Final = frozenset(
    {"campaign.name", "campaign.id", "account.name", "account.id", "unsubscribe_url", "view_url"}
)


_CANNOT_START: Final = {
    "kind": ("CAMPAIGN_NOT_BOUNDED", "A sequence has no audience to start over"),
    "senderId": ("CHANNEL_NOT_CONNECTED", "The campaign has no sender"),
    "message.email": ("WORKFLOW_NOT_READY", "The campaign has no message"),
    "endAt": ("WORKFLOW_NOT_READY", "The campaign reads its audience again and has no end"),
}


@dataclass(frozen=True, slots=True)
class Variable:
    """A name the message uses. `missing_for` people have nothing there: it renders empty or as its default."""

    name: str
    is_known: bool
    missing_for: int


@dataclass(frozen=True, slots=True)
class Activation:
    """What an author learns before the start."""

    campaign: Campaign
    audience: AudienceCount
    variables: tuple[Variable, ...]
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
    if problems or campaign.email is None:
        raise Invalid.of(problems)
    plan = await _plan(tx, account_id, campaign, campaign.email, links)
    missing = await tx.campaigns.count_missing(account_id, campaign, rules, _paths(plan))
    variables = _variables(plan, audience, missing)
    if campaign.start_at:
        await tx.campaigns.move(account_id, campaign_id, frozenset({campaign.state}), CampaignState.SCHEDULED)
        campaign = await tx.campaigns.get(account_id, campaign_id) or campaign
    warnings = (*plan.warnings, *_unsent(campaign), *_warnings(variables), *_trial(plan))
    return Activation(campaign, audience, variables, warnings)


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
    if campaign.sender_id is None:
        problems.append(Problem("senderId", "required", "choose the sender to send with"))
    if campaign.email is None:
        problems.append(Problem("message.email", "required", "there is no message to send"))
    if campaign.recheck_seconds and campaign.end_at is None:
        problems.append(Problem("endAt", "required", "an audience that is read again needs an end"))
    return problems


def refuse_unconnected(campaign: Campaign) -> None:
    """Refuses a campaign that says something on channels alone that nothing is connected to.

    Raises:
        Conflict: `CHANNEL_NOT_CONNECTED`.
    """
    if campaign.email is None and (campaign.sms or campaign.push):
        said = " and ".join(name for name, content in (("sms", campaign.sms), ("push", campaign.push)) if content)
        raise Conflict("CHANNEL_NOT_CONNECTED", f"Nothing is connected that sends {said}; the campaign has no email")


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


async def _plan(tx: Transaction, account_id: Id, campaign: Campaign, email: EmailContent, links: Links) -> EmailPlan:
    account = await tx.accounts.find(account_id)
    sender = await tx.senders.get(account_id, campaign.sender_id) if campaign.sender_id else None
    return plan_of_campaign(
        campaign, email, account_id=account_id, account_name=account.name if account else "", sender=sender, links=links
    )


def _paths(plan: EmailPlan) -> list[tuple[str, ...]]:
    return [path for name in plan.variables if (path := _path(name))]


def _variables(
    plan: EmailPlan, audience: AudienceCount, missing: Mapping[tuple[str, ...], int]
) -> tuple[Variable, ...]:
    paths = {name: path for name in plan.variables if (path := _path(name))}
    return tuple(
        Variable(name, is_known=True, missing_for=missing.get(paths[name], 0))
        if name in paths
        else Variable(name, _is_provided(name), 0 if _is_provided(name) else audience.selected)
        for name in sorted(plan.variables)
    )


def _is_provided(name: str) -> bool:
    """Whether a value comes from elsewhere than a contact: from us, or from the call that starts a run."""
    return name in _PROVIDED or name.partition(".")[0] == "context"


def _path(name: str) -> tuple[str, ...] | None:
    """Where a variable's value is stored: a column, or `attributes` and keys; None for what no contact has."""
    head, *rest = name.split(".")
    if head != "contact" or not rest:
        return None
    if rest[0] == "attributes" and len(rest) > 1:
        return tuple(rest)
    return (_COLUMNS[rest[0]],) if len(rest) == 1 and rest[0] in _COLUMNS else None


def _unsent(campaign: Campaign) -> list[str]:
    """Content that stays unsaid because its channel is not connected."""
    contents = (("sms", campaign.sms), ("push", campaign.push))
    return [f"its {name} message is not sent: the channel is not connected" for name, content in contents if content]


def _trial(plan: EmailPlan) -> list[str]:
    """Renders for somebody without any data, so that a message that nobody could get is noticed before the start."""
    seen = plan.preview(STRANGER, facts_of(None), date_header(datetime.now(UTC)))
    return [f"it cannot be rendered for a contact without data: {seen.detail}"] if isinstance(seen, Refusal) else []


def _warnings(variables: tuple[Variable, ...]) -> list[str]:
    return [
        f"{variable.name} is empty for {variable.missing_for} of the audience"
        for variable in variables
        if variable.is_known and variable.missing_for
    ]
