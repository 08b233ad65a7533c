"""What a channel stands on beside its sender's settings and secrets: who it is, and where news goes and comes from.

Plain values. Where to read next: `providers`, which hands it to each channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clarion.application.ports.receipts import Inbox, News
from clarion.domain.errors import Unavailable
from clarion.domain.ids import Id


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """`inbox` takes what a provider tells over a connection of ours; `callback_url` is where it may call.

    "" is nowhere. `helo_name` is how we introduce ourselves to a mail server.
    """

    sender_id: Id
    helo_name: str
    inbox: Inbox
    callback_url: str


class NoInbox:
    """The inbox of a process that takes no news: a provider keeps it and tells somebody else."""

    async def put(self, news: Sequence[News]) -> None:
        """Takes nothing."""
        raise Unavailable(f"nobody takes {len(news)} pieces of news here")
