"""A database that was restored from a backup: held until somebody has seen what it would send, and lets it go.

What went out after the backup was made is not in it, so sending on would write to those people twice. Nobody but an
operator can decide that. The fence is in the database; where to read next: `application.ports.home`.
"""

from __future__ import annotations

from typing import Final

from clarion.application import lifecycle
from clarion.application.ports import Transaction
from clarion.domain.campaign import CampaignState
from clarion.domain.errors import Conflict

REASON: Final = "restored"
"""Why a campaign is a draft again, or a run stopped, after a release that pauses."""


async def release(tx: Transaction) -> None:
    """Lets everything go on as it was when the backup was made. Runs in the caller's transaction.

    Raises:
        Conflict: `NOT_HELD`.
    """
    if not await tx.home.let_go():
        raise Conflict("NOT_HELD", "The database is not held; there is nothing to release")
    await tx.announce_work()


async def release_paused(tx: Transaction) -> int:
    """Releases with every running campaign paused, to be resumed one by one; returns how many it paused.

    Campaigns whose time to start has passed are drafts again. What nobody could resume, a test or the rest of a stopped
    campaign's calls, is stopped. Runs in the caller's transaction. Raises as `release` does.
    """
    running = await tx.home.running()
    for account_id, campaign_id in running:
        await lifecycle.pause(tx, account_id=account_id, campaign_id=campaign_id)
    for planned in await tx.home.planned():
        if planned.is_overdue and not planned.is_call:
            scheduled = frozenset({CampaignState.SCHEDULED})
            await tx.campaigns.move(planned.account_id, planned.campaign_id, scheduled, CampaignState.DRAFT, REASON)
    await tx.home.stop_others(REASON)
    await release(tx)
    return len(running)
