"""An example of a call to a campaign: one recipient with a place for everything the message looks up.

Written from the compiled message, so that it names exactly what is printed. Where to read next: `calls`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from clarion.application.campaigns import get_campaign
from clarion.application.messages import plan_of_part
from clarion.application.ports import Transaction
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Conflict
from clarion.domain.ids import Id
from clarion.rendering.links import Links

_PLACE: Final = "…"


@dataclass(frozen=True, slots=True)
class Sample:
    """One recipient as a call names it, and the names that the message looks up in `context` and in the profile."""

    recipient: dict[str, Any]
    variables: tuple[str, ...]


async def sample_recipient(tx: Transaction, *, account_id: Id, campaign_id: Id, links: Links) -> Sample:
    """Makes an example of a recipient of this campaign.

    Raises:
        NotFound: the campaign is unknown or another account's.
        Conflict: `WORKFLOW_NOT_READY` when it has no message yet.
    """
    campaign = await get_campaign(tx, account_id=account_id, campaign_id=campaign_id)
    if campaign.email is None:
        raise Conflict("WORKFLOW_NOT_READY", "The campaign has no message")
    account = await tx.accounts.find(account_id)
    plan = plan_of_part(
        campaign,
        ChannelName.EMAIL,
        account_id=account_id,
        account_name=account.name if account else "",
        sender=None,
        links=links,
    )
    return _sample(plan.variables)


def _sample(names: Iterable[str]) -> Sample:
    used = sorted(name for name in names if name.startswith(("context.", "contact.")))
    recipient: dict[str, Any] = {"contact": {"email": "somebody@example.com"}}
    context = _places(name.removeprefix("context.") for name in used if name.startswith("context."))
    profile = _places(name.removeprefix("contact.") for name in used if name.startswith("contact."))
    if profile:
        recipient["profile"] = profile
    if context:
        recipient["context"] = context
    return Sample(recipient, tuple(used))


def _places(names: Iterable[str]) -> dict[str, Any]:
    """An object with a place for each dotted name; what has members of its own gets no place besides."""
    found: dict[str, Any] = {}
    for name in names:
        at = found
        *above, last = name.split(".")
        for part in above:
            below = at.get(part)
            at[part] = at = below if isinstance(below, dict) else {}
        at.setdefault(last, _PLACE)
    return found
