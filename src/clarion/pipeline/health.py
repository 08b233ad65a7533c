"""Health: what the outcomes of a window say of the way it went out, rather than of its recipients.

One `Health` a worker. Where to read next: `sending`, which tells it of every outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clarion.application.ports import Database
from clarion.application.ports.batches import Attempted
from clarion.domain.sender import Sender


@dataclass(frozen=True, slots=True)
class Health:
    """What this worker knows of the senders it uses."""

    database: Database

    async def note(self, sender: Sender, attempted: Sequence[Attempted]) -> None:
        """Takes in what became of messages that went out by this sender."""
