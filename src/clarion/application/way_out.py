"""Whether a campaign's way out answers, asked before somebody starts it, so that nothing is stored when it does not.

The question goes over the network, so it comes before the transaction of the start; its answer is looked at as the last
step of that transaction, so that every other reason not to start is told first. Campaigns that start by the clock are
not asked: nobody waits for the answer, and their messages are tried again.
"""

from __future__ import annotations

from dataclasses import dataclass

from clarion.application.ports import Database
from clarion.application.ports.channel import Prober
from clarion.domain.errors import UpstreamFailed
from clarion.domain.ids import Id
from clarion.domain.outcome import Verdict


@dataclass(frozen=True, slots=True)
class WayOut:
    """What the way out said; `refusal` is None when it answers, and when there is none to ask."""

    refusal: str | None = None

    def confirm(self) -> None:
        """Called last in the transaction of a start, which is undone with it.

        Raises:
            UpstreamFailed: the way out does not answer.
        """
        if self.refusal is not None:
            raise UpstreamFailed(self.refusal)


async def ask_way_out(database: Database, prober: Prober, *, account_id: Id, campaign_id: Id) -> WayOut:
    """Asks the sender of a campaign's email whether it answers. No transaction is open meanwhile.

    A campaign that is unknown or has no sender is let pass: its start tells what is wrong.

    Raises:
        Unavailable: no configured key opens the seal on the sender's secrets.
    """
    async with database.reading() as tx:
        campaign = await tx.campaigns.get(account_id, campaign_id)
        chosen = campaign.sender_id if campaign and campaign.email else None
        found = await tx.senders.get_with_secrets(account_id, chosen) if chosen else None
    if found is None:
        return WayOut()
    outcome = await prober.probe(*found)
    if outcome.verdict is Verdict.SENT:
        return WayOut()
    return WayOut(f"The sender's relay does not answer ({outcome.reason}): {outcome.reply}")
