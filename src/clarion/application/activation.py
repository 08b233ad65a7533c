"""The check before a start: every problem at once, whom it would reach, and which variables some people lack.

`activate` is what authors call, and what saving a campaign with a start time calls for them. A start calls
`problems_of` again, because groups and senders may have changed since.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from clarion.application.messages import STRANGER, facts_of, plan_of_campaign
from clarion.application.ports import Transaction
from clarion.domain.campaign import AudienceCount, Campaign, CampaignState
from clarion.domain.content import EmailContent
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem
from clarion.domain.ids import Id
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
    audience = await tx.campaigns.count_audience(account_id, campaign)
    problems = problems_of(campaign, audience)
    if campaign.start_at and campaign.start_at <= await tx.campaigns.now():
        problems.append(Problem("startAt", "future", "the start time has passed"))
    if problems or campaign.email is None:
        raise Invalid.of(problems)
    plan = await _plan(tx, account_id, campaign, campaign.email, links)
    variables = await _variables(tx, account_id, campaign, plan, audience)
    if campaign.start_at:
        await tx.campaigns.move(account_id, campaign_id, frozenset({campaign.state}), CampaignState.SCHEDULED)
        campaign = await tx.campaigns.get(account_id, campaign_id) or campaign
    return Activation(campaign, audience, variables, (*plan.warnings, *_warnings(variables), *_trial(plan)))


def problems_of(campaign: Campaign, audience: AudienceCount) -> list[Problem]:
    """What keeps a campaign from being started, in the order of its fields."""
    problems = []
    if audience.selected == 0:
        problems.append(Problem("audience", "minItems", "no contact is selected: name groups or contacts with members"))
    if campaign.sender_id is None:
        problems.append(Problem("senderId", "required", "choose the sender to send with"))
    if campaign.email is None:
        problems.append(Problem("message.email", "required", "there is no message to send"))
    return problems


async def _plan(tx: Transaction, account_id: Id, campaign: Campaign, email: EmailContent, links: Links) -> EmailPlan:
    account = await tx.accounts.find(account_id)
    sender = await tx.senders.get(account_id, campaign.sender_id) if campaign.sender_id else None
    return plan_of_campaign(
        campaign, email, account_id=account_id, account_name=account.name if account else "", sender=sender, links=links
    )


async def _variables(
    tx: Transaction, account_id: Id, campaign: Campaign, plan: EmailPlan, audience: AudienceCount
) -> tuple[Variable, ...]:
    paths = {name: path for name in plan.variables if (path := _path(name))}
    missing = await tx.campaigns.count_missing(account_id, campaign, list(paths.values()))
    return tuple(
        Variable(name, is_known=True, missing_for=missing.get(paths[name], 0))
        if name in paths
        else Variable(name, name in _PROVIDED, 0 if name in _PROVIDED else audience.selected)
        for name in sorted(plan.variables)
    )


def _path(name: str) -> tuple[str, ...] | None:
    """Where a variable's value is stored: a column, or `attributes` and keys; None for what no contact has."""
    head, *rest = name.split(".")
    if head != "contact" or not rest:
        return None
    if rest[0] == "attributes" and len(rest) > 1:
        return tuple(rest)
    return (_COLUMNS[rest[0]],) if len(rest) == 1 and rest[0] in _COLUMNS else None


def _trial(plan: EmailPlan) -> list[str]:
    """Renders for somebody without any data, so that a message that nobody could get is noticed before the start."""
    seen = plan.preview(STRANGER, facts_of(None), date_header(datetime.now(UTC)))
    return [f"it cannot be rendered for a contact without data: {seen.detail}"] if isinstance(seen, Refusal) else []


def _warnings(variables: tuple[Variable, ...]) -> list[str]:
    said = []
    for variable in variables:
        if not variable.is_known:
            said.append(f"{variable.name} is not a known name; it is empty for everyone")
        elif variable.missing_for:
            said.append(f"{variable.name} is empty for {variable.missing_for} of the audience")
    return said
