"""An execution: one call that sets deliveries of a campaign going, now or at a time, and what became of it.

A call is known by its request id: the same one with the same body is answered as the first time, and nothing more is
sent. Where to read next: `application.executions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One call. Its recipients are the deliveries `first_seq` to `last_seq` of the run; an audience's, all of it."""

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
