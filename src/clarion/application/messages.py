"""From a stored message to a compiled plan: the one place where a run's facts, its sender and its links meet.

Used before a start (checks, preview, test sends) and by the send path. Where to read next: `rendering.plan`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from clarion.application.ports.runs import RunSource
from clarion.domain.campaign import Campaign, Category
from clarion.domain.channel import ChannelName
from clarion.domain.contact import Contact
from clarion.domain.content import EmailContent
from clarion.domain.errors import Invalid, Problem
from clarion.domain.ids import Id
from clarion.domain.sender import Sender
from clarion.rendering.facts import RunFacts
from clarion.rendering.links import Links
from clarion.rendering.message import Plan
from clarion.rendering.plan import EmailPlan, compile_email
from clarion.rendering.push_plan import compile_push
from clarion.rendering.sms_plan import compile_sms

_NOWHERE: Final = Id(bytes(12))
_PLACEHOLDER_FROM: Final = "sender@clarion.invalid"

STRANGER: Final = "someone@clarion.invalid"
"""Who a message is rendered for when no contact is named."""


def plan_of_run(source: RunSource, sender: Sender, links: Links) -> Plan:
    """Compiles what is the same for every recipient of a run, on the channel of the run.

    Raises:
        Invalid: the stored content no longer compiles, which a start would have refused.
    """
    facts = _facts_of_run(source, sender)
    if source.channel is ChannelName.SMS and source.sms:
        return compile_sms(source.sms, facts=facts, sender=sender, links=links)
    if source.channel is ChannelName.PUSH and source.push:
        return compile_push(source.push, facts=facts, sender=sender, links=links)
    if source.email is None:
        raise Invalid(Problem(f"message.{source.channel}", "required", "there is no message to send"))
    return compile_email(source.email, facts=facts, links=links)


def _facts_of_run(source: RunSource, sender: Sender) -> RunFacts:
    email = source.email if source.channel is ChannelName.EMAIL else None
    return RunFacts(
        account_id=source.account_id,
        account_name=source.account_name,
        campaign_id=source.campaign_id,
        campaign_name=source.campaign_name,
        run_id=source.run_id,
        category=source.category,
        from_address=(email and email.from_) or sender.from_address,
        reply_to=email.reply_to if email else None,
    )


def plan_of_campaign(
    campaign: Campaign, email: EmailContent, *, account_id: Id, account_name: str, sender: Sender | None, links: Links
) -> EmailPlan:
    """Compiles the email of a campaign that has no run yet; its links belong to no delivery and lead nowhere."""
    from_ = email.from_ or (sender.from_address if sender else None)
    facts = _facts_of_campaign(campaign, account_id, account_name, from_)
    return compile_email(email, facts=replace(facts, reply_to=email.reply_to), links=links)


def plan_of_part(
    campaign: Campaign, channel: ChannelName, *, account_id: Id, account_name: str, sender: Sender | None, links: Links
) -> Plan:
    """Compiles what a campaign says on a channel, as this sender would send it, before it has a run.

    Raises:
        Invalid: the message cannot go by this sender, a push message that is too large for it, say.
    """
    facts = _facts_of_campaign(campaign, account_id, account_name, sender.from_address if sender else None)
    if channel is ChannelName.SMS and campaign.sms:
        return compile_sms(campaign.sms, facts=facts, sender=sender, links=links)
    if channel is ChannelName.PUSH and campaign.push:
        return compile_push(campaign.push, facts=facts, sender=sender, links=links)
    if campaign.email is None:
        raise Invalid(Problem(f"message.{channel}", "required", "there is no message to send"))
    email = campaign.email
    return plan_of_campaign(
        campaign, email, account_id=account_id, account_name=account_name, sender=sender, links=links
    )


def _facts_of_campaign(campaign: Campaign, account_id: Id, account_name: str, from_: str | None) -> RunFacts:
    return RunFacts(
        account_id=account_id,
        account_name=account_name,
        campaign_id=campaign.id,
        campaign_name=campaign.name,
        run_id=_NOWHERE,
        category=campaign.category,
        from_address=from_ or _PLACEHOLDER_FROM,
    )


def check_content(
    email: EmailContent, category: Category, links: Links, *, is_context_only: bool = False
) -> list[Problem]:
    """Everything that is wrong with a message as its author wrote it; an empty list means it compiles.

    With `is_context_only` nobody is looked up for it, so that it may use what a call says and nothing of a contact.
    """
    facts = RunFacts(
        account_id=_NOWHERE,
        account_name="",
        campaign_id=_NOWHERE,
        campaign_name="",
        run_id=_NOWHERE,
        category=category,
        from_address=email.from_ or _PLACEHOLDER_FROM,
        reply_to=email.reply_to,
    )
    try:
        plan = compile_email(email, facts=facts, links=links)
    except Invalid as error:
        return list(error.problems)
    of_contacts = [name for name in sorted(plan.variables) if name.partition(".")[0] == "contact"]
    if is_context_only and of_contacts:
        names = ", ".join(of_contacts[:10])
        return [Problem("message.email", "contextOnly", f"nobody is looked up for it, and it uses {names}")]
    return []


def facts_of(contact: Contact | None) -> dict[str, Any]:
    """A contact as templates see it: plain data under the API's names."""
    if contact is None:
        return {"attributes": {}}
    return {
        "externalId": contact.external_id,
        "email": contact.email,
        "phone": contact.phone,
        "firstName": contact.first_name,
        "lastName": contact.last_name,
        "language": contact.language,
        "timezone": contact.timezone,
        "attributes": contact.attributes,
    }
