"""An execution: one call that sets deliveries of a campaign going, now or at a time, and what became of it.

A call is known by its request id: the same one with the same body is answered as the first time, and nothing more is
sent. Where to read next: `application.executions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from clarion.domain.ids import Id


class ExecutionKind(StrEnum):
    """Whom the call names."""

    RECIPIENTS = "recipients"
    """People, each with data of their own; they join the run that is open for calls."""
    AUDIENCE = "audience"
    """The campaign's audience or another one; it gets a run of its own."""


class ExecutionState(StrEnum):
    """Where a call stands; what became of its deliveries is told by their rows."""

    SCHEDULED = "scheduled"
    TRIGGERED = "triggered"
    DELETED = "deleted"
    FAILED = "failed"
    """Its time came and the campaign could not be started; `problem` says why."""


class Stretch(NamedTuple):
    """Deliveries of a call that follow one another in one part of a run; none when the last is below the first."""

    run_id: Id
    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One call. Its recipients are the deliveries `first_seq` to `last_seq` of the run; an audience's, all of it.

    Of a campaign in several parts, those are in the leading part and `others` has the rest; `recipients` is how many
    came with the call.
    """

    id: Id
    campaign_id: Id
    kind: ExecutionKind
    state: ExecutionState
    request_id: str | None
    run_id: Id | None
    first_seq: int | None
    last_seq: int | None
    execute_at: datetime | None
    problem: str | None
    created_by: str
    created_at: datetime
    recipients: int | None = None
    others: tuple[Stretch, ...] = ()

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """Where the deliveries of its recipients stand, part after part; none for an audience."""
        if self.run_id is None or self.first_seq is None or self.last_seq is None:
            return ()
        return (Stretch(self.run_id, self.first_seq, self.last_seq), *self.others)
