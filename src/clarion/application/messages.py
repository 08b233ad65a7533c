"""From a stored message to a compiled plan: the one place where a run's facts, its sender and its links meet.

Used before a start (checks, preview, message tests) and by the send path. Where to read next: `rendering.plan`.
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
from clarion.rendering.plan import compile_email
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
    facts = RunFacts(
        account_id=source.account_id,
        account_name=source.account_name,
        campaign_id=source.campaign_id,
        campaign_name=source.campaign_name,
        run_id=source.run_id,
        category=source.category,
        from_address=sender.from_address,
    )
    return _compiled(source, source.channel, facts, sender, links)


def plan_of_part(
    campaign: Campaign, channel: ChannelName, *, account_id: Id, account_name: str, sender: Sender | None, links: Links
) -> Plan:
    """Compiles what a campaign says on a channel, as this sender would send it, before it has a run.

    Its links belong to no delivery and lead nowhere.

    Raises:
        Invalid: the message cannot go by this sender, a push message that is too large for it, say.
    """
    facts = RunFacts(
        account_id=account_id,
        account_name=account_name,
        campaign_id=campaign.id,
        campaign_name=campaign.name,
        run_id=_NOWHERE,
        category=campaign.category,
        from_address=(sender.from_address if sender else None) or _PLACEHOLDER_FROM,
    )
    return _compiled(campaign, channel, facts, sender, links)


def _compiled(
    said: RunSource | Campaign, channel: ChannelName, facts: RunFacts, sender: Sender | None, links: Links
) -> Plan:
    if channel is ChannelName.SMS and said.sms:
        return compile_sms(said.sms, facts=facts, sender=sender, links=links)
    if channel is ChannelName.PUSH and said.push:
        return compile_push(said.push, facts=facts, sender=sender, links=links)
    if said.email is None:
        raise Invalid(Problem(f"message.{channel}", "required", "there is no message to send"))
    from_address = said.email.from_ or facts.from_address
    facts = replace(facts, from_address=from_address, reply_to=said.email.reply_to)
    return compile_email(said.email, facts=facts, links=links)


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
