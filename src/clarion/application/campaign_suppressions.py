"""Addresses that one campaign must not write to, because whoever has them said so of this campaign alone.

They hold whatever the campaign's category, and beside the suppressions of the account. What is added here is seen by
the next send intent of every run of the campaign. Where to read next: `suppressions`.
"""

from __future__ import annotations

from clarion.application.campaigns import get_campaign
from clarion.application.ports import Transaction
from clarion.application.suppressions import checked_key, key_of_any
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Invalid, NotFound, Problem
from clarion.domain.ids import Id
from clarion.domain.suppression import CampaignSuppression


async def suppress_for_campaign(
    tx: Transaction, *, account_id: Id, campaign_id: Id, channel: ChannelName, address: str
) -> bool:
    """Keeps one campaign from writing to an address and tells whether that is new. Safe to repeat: the key is unique.

    Call `tx.barrier` after the commit and before the answer: from then on no intent to write to it will be made.

    Raises:
        NotFound: the campaign is unknown or another account's.
        Invalid: the address is none.
    """
    await get_campaign(tx, account_id=account_id, campaign_id=campaign_id)
    key = checked_key(channel, address, "address")
    if isinstance(key, Problem):
        raise Invalid(key)
    return await tx.suppressions.add_for_campaign(account_id, campaign_id, channel, key)


async def find_campaign_suppression(
    tx: Transaction, *, account_id: Id, campaign_id: Id, channel: ChannelName, address: str
) -> CampaignSuppression:
    """Reads what is stored for an address, in any spelling.

    Raises:
        NotFound: the campaign may write to it.
    """
    key = key_of_any(channel, address)
    found = None if key is None else await tx.suppressions.find_for_campaign(account_id, campaign_id, channel, key)
    if found is None:
        raise NotFound("suppression")
    return found


async def list_campaign_suppressions(
    tx: Transaction,
    *,
    account_id: Id,
    campaign_id: Id,
    after: tuple[ChannelName, str] | None,
    limit: int,
) -> list[CampaignSuppression]:
    """Reads up to `limit` of a campaign above a cursor of (channel, addressKey).

    Raises:
        NotFound: the campaign is unknown or another account's.
    """
    await get_campaign(tx, account_id=account_id, campaign_id=campaign_id)
    return await tx.suppressions.list_for_campaign(account_id, campaign_id, after, limit)


async def lift_campaign_suppression(
    tx: Transaction, *, account_id: Id, campaign_id: Id, channel: ChannelName, address: str
) -> None:
    """Lets a campaign write to an address again.

    Raises:
        NotFound: it already might.
    """
    key = key_of_any(channel, address)
    if key is None or not await tx.suppressions.remove_for_campaign(account_id, campaign_id, channel, key):
        raise NotFound("suppression")
