"""Storage of executions: the ledger of calls, one call at a time.

Implemented by the store of the same name. Where to read next: `application.executions`; `intake` for calls in groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from clarion.domain.execution import Execution
from clarion.domain.ids import Id


class Earlier(NamedTuple):
    """A stored execution, and the digest of the body it came with."""

    execution: Execution
    body_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AudiencePlan:
    """What a call for an audience asks for, as it is stored until its time comes."""

    groups: tuple[Id, ...] | None = None
    segments: tuple[Id, ...] | None = None
    context: Mapping[str, Any] | None = None


class Executions(Protocol):
    """The ledger of calls, one at a time."""

    async def get(self, account_id: Id, execution_id: Id) -> Execution | None:
        """One execution of the account."""
        ...

    async def hold(self, campaign_id: Id, request_id: str) -> Earlier | None:
        """The execution of a request id; no other transaction stores one for it until this one ends."""
        ...

    async def add(self, account_id: Id, execution: Execution, body_hash: bytes, plan: AudiencePlan) -> Execution:
        """Stores an execution; its times are the database's."""
        ...

    async def plan(self, execution_id: Id) -> AudiencePlan:
        """What a stored call for an audience asks for."""
        ...

    async def due(self, limit: int) -> list[tuple[Id, Id]]:
        """Scheduled executions whose time has come, as (account, execution)."""
        ...

    async def take(self, account_id: Id, execution_id: Id) -> Execution | None:
        """Locks an execution that is still scheduled; None when it is not, or somebody else holds it."""
        ...

    async def settle(self, execution: Execution) -> None:
        """Stores the state, the run and the problem of an execution."""
        ...

    async def page(self, account_id: Id, campaign_id: Id | None, after: Id | None, limit: int) -> list[Execution]:
        """A page ordered by id."""
        ...
