"""One more run of a campaign: over its audience, over another one, over a part of it, or as a test to its sender.

`lifecycle.start` is the one start of a campaign's life and refuses a second one; what is here may be called again and
again, as callers do who fire a campaign whenever they need it. Where to read next: `lifecycle`, `pipeline.snapshot`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from clarion.application.activation import refuse_unready, rules_of
from clarion.application.campaign_rules import extras_problems
from clarion.application.ports import Transaction
from clarion.application.ports.runs import Opening
from clarion.application.tested_parts import tested_parts
from clarion.domain.campaign import AudienceCount, Campaign, CampaignKind, CampaignState, Run
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem
from clarion.domain.ids import Id, new_id
from clarion.domain.segment import Rule
from clarion.rendering.addresses import AddressFault, parse_email

ONLY_LIMIT: Final = 10_000
"""Addresses that one call may name of an audience."""
CONTEXT_LIMIT: Final = 200 * 1024
"""Bytes of what a call says for everyone, or of one recipient, as JSON."""
_STARTABLE: Final = frozenset(
    {CampaignState.DRAFT, CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.COMPLETED}
)
_TESTABLE: Final = _STARTABLE | {CampaignState.PAUSED, CampaignState.STOPPED}


@dataclass(frozen=True, slots=True)
class StartedRun:
    """What a call set going. `unmatched` are the addresses it named that are not of the audience: nobody gets them."""

    run: Run
    audience: AudienceCount
    unmatched: tuple[str, ...]


async def start_run(
    tx: Transaction,
    *,
    account_id: Id,
    campaign_id: Id,
    only: Sequence[str] | None = None,
    context: Mapping[str, Any] | None = None,
    is_test: bool = False,
    test_addresses: Mapping[ChannelName, str] | None = None,
    groups: Sequence[Id] | None = None,
    segments: Sequence[Id] | None = None,
) -> StartedRun:
    """Opens one more run of a campaign and lets the campaign be running.

    `only` are canonical keys of email addresses: of the audience, just those; none of them in it makes a run without
    recipients. `groups` or `segments`, when given, are the audience instead of the campaign's own. `context` is what
    templates see as `context`, for everyone. A test needs `only`: it renders with those people's data, asks nobody's
    consent and leaves the campaign's state as it is. Its emails go to the sender's address alone, its text messages to
    the number among `test_addresses`, its push messages to the device whose id is there; a channel without is left out.

    Runs in the caller's transaction.

    Raises:
        NotFound: the campaign is unknown or another account's.
        Conflict: with a code for the state or the missing part that keeps it from starting.
        Invalid: a test without `only` or without an address, more than 10,000 addresses, a context that is too large or
            cannot be stored, or a group or segment that is not here.
    """
    _check_call(only, context, is_test=is_test)
    campaign = await tx.campaigns.get(account_id, campaign_id, lock=True)
    if campaign is None:
        raise NotFound("campaign")
    _refuse_state(campaign, is_test=is_test)
    refuse_unready(campaign, await tx.campaigns.now())
    aimed = await _aimed(tx, account_id, campaign, groups, segments)
    rules = await rules_of(tx, account_id, aimed.segment_ids)
    chosen, unmatched = await _narrowed(tx, account_id, aimed, rules, only)
    opening = Opening(
        run_id=new_id(),
        campaign=chosen,
        rules=rules if only is None else (),
        context=context,
        test_addresses=await tested_parts(tx, account_id, campaign, test_addresses or {}) if is_test else None,
        rechecks=only is None and groups is None and segments is None and not is_test,
    )
    audience = await tx.runs.open(account_id, opening)
    if audience.selected == 0 and only is None:
        raise Conflict("CAMPAIGN_HAS_NO_LEADS", "No contact is selected")
    if not is_test:
        await tx.campaigns.mark_started(account_id, campaign_id, audience.selected)
    await tx.announce_work()
    run = await tx.runs.get(account_id, opening.run_id)
    if run is None:
        raise NotFound("run")
    return StartedRun(run, audience, unmatched)


def email_keys(addresses: Sequence[str], field: str) -> list[str]:
    """The canonical keys of email addresses in any spelling, for `only`.

    Raises:
        Invalid: naming each that is no address (100 at most).
    """
    read = [(number, parse_email(address)) for number, address in enumerate(addresses)]
    problems = [
        Problem(f"{field}[{number}]", address.rule, address.message)
        for number, address in read
        if isinstance(address, AddressFault)
    ]
    if problems:
        raise Invalid.of(problems[:100])
    return [address.key for _, address in read if not isinstance(address, AddressFault)]


def _check_call(only: Sequence[str] | None, context: Mapping[str, Any] | None, *, is_test: bool) -> None:
    problems = list(extras_problems(context or {}, "context", CONTEXT_LIMIT))
    if is_test and not only:
        problems.append(Problem("addresses", "required", "a test needs the addresses whose data it is rendered with"))
    if only is not None and len(only) > ONLY_LIMIT:
        problems.append(Problem("addresses", "maxItems", f"at most {ONLY_LIMIT} addresses"))
    if problems:
        raise Invalid.of(problems)


def _refuse_state(campaign: Campaign, *, is_test: bool) -> None:
    if campaign.kind is CampaignKind.SEQUENCE:
        raise Conflict("CAMPAIGN_NOT_BOUNDED", "A sequence has no audience to start over")
    if campaign.kind is CampaignKind.TRIGGERED and campaign.state is not CampaignState.RUNNING and not is_test:
        raise Conflict("CAMPAIGN_NOT_RUNNING", f"The campaign is {campaign.state}; it takes calls while it is running")
    if campaign.state in (_TESTABLE if is_test else _STARTABLE):
        return
    if campaign.state is CampaignState.PAUSED:
        raise Conflict("CAMPAIGN_PAUSED", "The campaign is paused; resume it first")
    raise Conflict("CAMPAIGN_NOT_STARTABLE", f"The campaign is {campaign.state}")


async def _aimed(
    tx: Transaction, account_id: Id, campaign: Campaign, groups: Sequence[Id] | None, segments: Sequence[Id] | None
) -> Campaign:
    """The campaign over another audience, when one is given. Raises `Invalid` for a part of it that is not here."""
    if groups is None and segments is None:
        return campaign
    await check_audience(tx, account_id, groups or (), segments or (), "audience.")
    return replace(campaign, group_ids=tuple(groups or ()), segment_ids=tuple(segments or ()), contact_ids=())


async def check_audience(
    tx: Transaction, account_id: Id, groups: Sequence[Id], segments: Sequence[Id], at: str
) -> None:
    """Holds the parts of an audience that a call names; `at` is where they stand in it.

    Raises:
        Invalid: naming each that is unknown or another account's.
    """
    here = await tx.groups.existing(account_id, list(groups)) if groups else set()
    held = {segment.id for segment in await tx.segments.hold(account_id, segments)} if segments else set()
    unknown = [
        Problem(f"{at}{kind}s[{number}]", "exists", f"there is no such {kind}")
        for kind, asked, found in (("group", groups, here), ("segment", segments, held))
        for number, id_ in enumerate(asked)
        if id_ not in found
    ]
    if unknown:
        raise Invalid.of(unknown)


async def _narrowed(
    tx: Transaction, account_id: Id, campaign: Campaign, rules: Sequence[Rule], only: Sequence[str] | None
) -> tuple[Campaign, tuple[str, ...]]:
    """The campaign over just these people of its audience, and the keys that belong to none of them."""
    if only is None:
        return campaign, ()
    keys = tuple(dict.fromkeys(only))
    found = await tx.runs.among(account_id, campaign, rules, keys)
    chosen = replace(campaign, group_ids=(), segment_ids=(), contact_ids=tuple(sorted(found.values())))
    return chosen, tuple(key for key in keys if key not in found)
