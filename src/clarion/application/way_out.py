"""Whether a campaign's ways out answer, asked before somebody starts it, so that nothing is stored when one does not.

The question goes over the network, so it comes before the transaction of the start; its answer is looked at as the last
step of that transaction, so that every other reason not to start is told first. Campaigns that start by the clock are
not asked: nobody waits for the answer, and their messages are tried again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from clarion.application.ports import Database
from clarion.application.ports.channel import Prober
from clarion.domain.channel import ChannelName
from clarion.domain.errors import UpstreamFailed
from clarion.domain.ids import Id
from clarion.domain.outcome import Outcome, Reason, Verdict
from clarion.domain.sender import Sender


@dataclass(frozen=True, slots=True)
class WayOut:
    """What the ways out said; `refusal` is None when all answer, and when there is none to ask."""

    refusal: str | None = None

    def confirm(self) -> None:
        """Called last in the transaction of a start, which is undone with it.

        Raises:
            UpstreamFailed: a way out does not answer.
        """
        if self.refusal is not None:
            raise UpstreamFailed(self.refusal)


async def ask_way_out(database: Database, prober: Prober, *, account_id: Id, campaign_id: Id) -> WayOut:
    """Asks the senders of all of a campaign's parts at once whether they answer. No transaction is open meanwhile.

    A campaign that is unknown or has no sender is let pass: its start tells what is wrong.

    Raises:
        Unavailable: no configured key opens the seal on a sender's secrets.
    """
    async with database.reading() as tx:
        campaign = await tx.campaigns.get(account_id, campaign_id)
        chosen = [part.sender_id for part in campaign.parts] if campaign else []
        found = [known for one in chosen if (known := await tx.senders.get_with_secrets(account_id, one))]
    outcomes = await asyncio.gather(*(prober.probe(*known) for known in found))
    dead = [
        f"The sender {sender.name} does not answer ({outcome.reason}): {outcome.reply}"
        for (sender, _), outcome in zip(found, outcomes, strict=True)
        if not _answers(sender, outcome)
    ]
    return WayOut("; ".join(dead) or None)


def _answers(sender: Sender, outcome: Outcome) -> bool:
    """A relay that says "not now" turns connections away; a provider that does so only has many messages of ours."""
    is_busy = outcome.reason is Reason.THROTTLED and sender.channel is not ChannelName.EMAIL
    return is_busy or outcome.verdict is Verdict.SENT
