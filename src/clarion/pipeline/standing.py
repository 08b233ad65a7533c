"""Standing by: connections that are kept because news comes over them, whether anything is sent or not.

A message centre tells receipts and replies only over a session of ours, hours after the messages went or with none
gone at all. Every worker for text messages keeps its own. Never sends anything. Where to read next:
`adapters/channels/smpp`.
"""

from __future__ import annotations

from typing import Final

from clarion.application.ports import Database
from clarion.pipeline.ways import Channels

_SENDERS: Final = 500
"""Senders one process stands by for."""


async def stand_by(database: Database, channels: Channels) -> None:
    """Sees to it that there is a connection for every sender that needs one, as it is configured now.

    None is opened while the database is held because it was restored: a copy must not take the news of the original.
    Safe to repeat because what is connected stays so.
    """
    async with database.reading() as tx:
        if await tx.home.held() is not None:
            return
        found = await tx.senders.staying(_SENDERS)
    channels.stand(found)
