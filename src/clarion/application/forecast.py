"""What a campaign's messages will be: what they look up and who lacks it, their segments and price, whether they fit.

Compiles every part as its sender will send it, and asks the audience. Stores nothing. Where to read next: `messages`
for the plans, `sms_estimate` for text messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from clarion.application.messages import STRANGER, facts_of, plan_of_part
from clarion.application.ports import Transaction
from clarion.application.sms_estimate import SmsEstimate, estimate_sms
from clarion.domain.campaign import AudienceCount, Campaign, Part
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Invalid
from clarion.domain.ids import Id
from clarion.domain.segment import Rule
from clarion.domain.sender import Sender
from clarion.rendering.headers import date_header
from clarion.rendering.links import Links
from clarion.rendering.message import Plan, Refusal
from clarion.rendering.plan import EmailPlan
from clarion.rendering.push_plan import PushPlan, oversize
from clarion.rendering.sms_plan import SmsPlan
from clarion.rendering.variables import COLUMNS

_PROVIDED: Final = frozenset(
    {"campaign.name", "campaign.id", "account.name", "account.id", "unsubscribe_url", "view_url"}
)
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A name the message uses. `missing_for` people have nothing there: it renders empty or as its default."""

    name: str
    is_known: bool
    missing_for: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an author learns of the messages. `sms` is about the text messages, when there are any."""

    variables: tuple[Variable, ...]
    sms: SmsEstimate | None
    warnings: tuple[str, ...]


async def forecast(
    tx: Transaction, *, account_id: Id, campaign: Campaign, rules: Sequence[Rule], audience: AudienceCount, links: Links
) -> Forecast:
    """Looks at what every part of a campaign would send; `rules` are those of its segments, `audience` its count.

    Raises:
        Invalid: a message that cannot go by its sender, whoever gets it or with the longest data there is.
    """
    compiled = await _compiled(tx, account_id, campaign, links)
    plans = [plan for _, plan in compiled]
    names = frozenset().union(*(plan.variables for plan in plans))
    paths = {name: path for name in names if (path := _path(name))}
    missing = await tx.campaigns.count_missing(account_id, campaign, rules, [*paths.values()])
    variables = _variables(names, paths, audience, missing)
    await _check_sizes(tx, account_id, campaign, rules, plans)
    sms, warnings = None, [warning for plan in plans for warning in (*plan.warnings, *_trial(plan))]
    for sender, plan in compiled:
        if isinstance(plan, SmsPlan):
            count = sum(part.eligible for part in audience.parts if part.channel is ChannelName.SMS)
            sms = await estimate_sms(
                tx, account_id=account_id, campaign=campaign, rules=rules, plan=plan, sender=sender, recipients=count
            )
            warnings += sms.warnings
    return Forecast(variables, sms, tuple(dict.fromkeys([*warnings, *_empty(variables)])))


async def _compiled(
    tx: Transaction, account_id: Id, campaign: Campaign, links: Links
) -> list[tuple[Sender | None, Plan]]:
    account = await tx.accounts.find(account_id)
    name = account.name if account else ""

    async def compiled(part: Part) -> tuple[Sender | None, Plan]:
        sender = await tx.senders.get(account_id, part.sender_id)
        plan = plan_of_part(
            campaign, part.channel, account_id=account_id, account_name=name, sender=sender, links=links
        )
        return sender, plan

    return [await compiled(part) for part in campaign.parts]


async def _check_sizes(
    tx: Transaction, account_id: Id, campaign: Campaign, rules: Sequence[Rule], plans: Sequence[Plan]
) -> None:
    """Whether push messages fit with the longest data there is; people beyond that are skipped when it is sent."""
    pushing = [plan for plan in plans if isinstance(plan, PushPlan)]
    names = frozenset().union(*(plan.variables for plan in pushing))
    paths = sorted({_whole_path(name) for name in names} - {()})
    person = _put_together(await tx.campaigns.longest(account_id, campaign, rules, paths) if paths else {})
    if problems := [problem for plan in pushing if (problem := oversize(plan, person))]:
        raise Invalid.of(problems)


def _put_together(longest: Mapping[Path, str]) -> dict[str, Any]:
    """A contact as templates see one, of the longest values of several."""
    person: dict[str, Any] = facts_of(None)
    columns = {column: name for name, column in COLUMNS.items()}
    for path, value in sorted(longest.items()):
        if path[0] != "attributes":
            person[columns[path[0]]] = value
        elif len(path) == 1:
            person["attributes"] = msgspec.json.decode(value)
        else:
            _put(person["attributes"], path[1:], value)
    return person


def _put(attributes: dict[str, Any], path: Path, value: str) -> None:
    for key in path[:-1]:
        inner = attributes.get(key)
        attributes[key] = attributes = inner if isinstance(inner, dict) else {}
    attributes[path[-1]] = value


def _variables(
    names: frozenset[str], paths: Mapping[str, Path], audience: AudienceCount, missing: Mapping[Path, int]
) -> tuple[Variable, ...]:
    return tuple(
        Variable(name, is_known=True, missing_for=missing.get(paths[name], 0))
        if name in paths
        else Variable(name, _is_provided(name), 0 if _is_provided(name) else audience.selected)
        for name in sorted(names)
    )


def _is_provided(name: str) -> bool:
    """Whether a value comes from elsewhere than a contact: from us, or from the call that starts a run."""
    return name in _PROVIDED or name.partition(".")[0] == "context"


def _path(name: str) -> Path | None:
    """Where a variable's value is stored: a column, or `attributes` and keys; None for what no contact has."""
    head, *rest = name.split(".")
    if head != "contact" or not rest:
        return None
    if rest[0] == "attributes":
        return tuple(rest) if len(rest) > 1 else None
    return (COLUMNS[rest[0]],) if len(rest) == 1 and rest[0] in COLUMNS else None


def _whole_path(name: str) -> Path:
    """As `_path`, for the sake of sizes: all attributes are looked up together too. Empty for what no contact has."""
    return ("attributes",) if name == "contact.attributes" else _path(name) or ()


def _trial(plan: Plan) -> list[str]:
    """Renders for somebody without any data, so that a message that nobody could get is noticed before the start."""
    if not isinstance(plan, EmailPlan):
        return []
    seen = plan.preview(STRANGER, facts_of(None), date_header(datetime.now(UTC)))
    return [f"it cannot be rendered for a contact without data: {seen.detail}"] if isinstance(seen, Refusal) else []


def _empty(variables: tuple[Variable, ...]) -> list[str]:
    return [
        f"{variable.name} is empty for {variable.missing_for} of the audience"
        for variable in variables
        if variable.is_known and variable.missing_for
    ]
