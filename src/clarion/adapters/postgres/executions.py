"""Stores executions, one call at a time: reading them, and those that start an audience now or at their time.

Calls that bring their recipients are stored in groups, by `intake`. Where to read next: `application.executions`.
"""

from __future__ import annotations

from typing import Any, Final

import asyncpg

from clarion.adapters.postgres.connection import Connection
from clarion.adapters.postgres.locks import request_key
from clarion.application.ports.executions import AudiencePlan, Earlier
from clarion.domain.execution import Execution, ExecutionKind, ExecutionState, Stretch
from clarion.domain.ids import Id

EXECUTION: Final = """e.id, e.campaign_id, e.kind, e.state, e.request_id, e.run_id, e.first_seq, e.last_seq,
    e.execute_at, e.problem, e.created_by, e.created_at, e.parts"""
"""The columns of `execution_of`."""

# index: execution_pkey.
_GET: Final = f"SELECT {EXECUTION} FROM execution AS e WHERE e.id = $2 AND e.account_id = $1"
_TAKE: Final = f"{_GET} AND e.state = 'scheduled' FOR UPDATE SKIP LOCKED"
_PLAN: Final = "SELECT plan FROM execution WHERE id = $1"
_SETTLE: Final = "UPDATE execution SET state = $2, run_id = $3, problem = $4, answered_at = now() WHERE id = $1"

# index: execution_once.
_HOLD: Final = "SELECT pg_advisory_xact_lock($1)"
_BY_REQUEST: Final = f"""
SELECT {EXECUTION}, e.body_hash FROM execution AS e WHERE e.campaign_id = $1 AND e.request_id = $2
"""

_ADD: Final = f"""
INSERT INTO execution AS e (id, account_id, campaign_id, kind, state, request_id, body_hash, run_id, plan, execute_at,
                            created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING {EXECUTION}
"""

# index: execution_due.
_DUE: Final = """
SELECT account_id, id FROM execution WHERE state = 'scheduled' AND execute_at <= now() ORDER BY execute_at LIMIT $1
"""

# index: execution_by_account.
_PAGE: Final = f"""
SELECT {EXECUTION} FROM execution AS e
WHERE e.account_id = $1 AND e.id > $2 AND ($3::bytea IS NULL OR e.campaign_id = $3) ORDER BY e.id LIMIT $4
"""


class ExecutionStore:
    """Implements `application.ports.executions.Executions` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, account_id: Id, execution_id: Id) -> Execution | None:
        """One execution of the account."""
        row = await self._connection.fetchrow(_GET, account_id, execution_id)
        return execution_of(row) if row else None

    async def hold(self, campaign_id: Id, request_id: str) -> Earlier | None:
        """The execution of a request id; another call for an audience with the same one waits until this one ends."""
        await self._connection.execute(_HOLD, request_key(campaign_id, request_id))
        row = await self._connection.fetchrow(_BY_REQUEST, campaign_id, request_id)
        return Earlier(execution_of(row), row["body_hash"]) if row else None

    async def add(self, account_id: Id, execution: Execution, body_hash: bytes, plan: AudiencePlan) -> Execution:
        """Stores an execution; its times are the database's. Undone when its request id was stored meanwhile."""
        try:
            row = await self._connection.fetchrow(
                _ADD,
                execution.id,
                account_id,
                execution.campaign_id,
                execution.kind,
                execution.state,
                execution.request_id,
                body_hash,
                execution.run_id,
                _plan_as_json(plan),
                execution.execute_at,
                execution.created_by,
            )
        except asyncpg.UniqueViolationError as error:
            raise asyncpg.SerializationError("a request id was stored meanwhile") from error
        if row is None:
            raise AssertionError("an insert returns its row")
        return execution_of(row)

    async def plan(self, execution_id: Id) -> AudiencePlan:
        """What a stored call for an audience asks for."""
        stored = await self._connection.fetchval(_PLAN, execution_id) or {}
        groups, segments = _ids(stored.get("groups")), _ids(stored.get("segments"))
        return AudiencePlan(groups=groups, segments=segments, context=stored.get("context"))

    async def due(self, limit: int) -> list[tuple[Id, Id]]:
        """Scheduled executions whose time has come."""
        return [(Id(account_id), Id(id_)) for account_id, id_ in await self._connection.fetch(_DUE, limit)]

    async def take(self, account_id: Id, execution_id: Id) -> Execution | None:
        """Locks an execution that is still scheduled; None when it is not, or somebody else holds it."""
        row = await self._connection.fetchrow(_TAKE, account_id, execution_id)
        return execution_of(row) if row else None

    async def settle(self, execution: Execution) -> None:
        """Stores the state, the run and the problem of an execution."""
        await self._connection.execute(_SETTLE, execution.id, execution.state, execution.run_id, execution.problem)

    async def page(self, account_id: Id, campaign_id: Id | None, after: Id | None, limit: int) -> list[Execution]:
        """A page ordered by id."""
        rows = await self._connection.fetch(_PAGE, account_id, after or b"", campaign_id, limit)
        return [execution_of(row) for row in rows]


def execution_of(row: asyncpg.Record) -> Execution:
    """A row with the columns of `EXECUTION`."""
    first, last, parts = row["first_seq"], row["last_seq"], row["parts"]
    recipients = None if first is None else last - first + 1
    return Execution(
        id=Id(row["id"]),
        campaign_id=Id(row["campaign_id"]),
        kind=ExecutionKind(row["kind"]),
        state=ExecutionState(row["state"]),
        request_id=row["request_id"],
        run_id=row["run_id"],
        first_seq=row["first_seq"],
        last_seq=row["last_seq"],
        execute_at=row["execute_at"],
        problem=row["problem"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        recipients=parts["recipients"] if parts else recipients,
        others=stretches_of(parts) if parts else (),
    )


def stretches_of(parts: dict[str, Any]) -> tuple[Stretch, ...]:
    """The deliveries of a call in further parts, as they are stored."""
    return tuple(Stretch(Id(bytes.fromhex(run_id)), first, last) for run_id, first, last in parts["others"])


def _plan_as_json(plan: AudiencePlan) -> dict[str, object]:
    said: dict[str, object] = {}
    if plan.groups is not None:
        said["groups"] = [id_.hex() for id_ in plan.groups]
    if plan.segments is not None:
        said["segments"] = [id_.hex() for id_ in plan.segments]
    if plan.context is not None:
        said["context"] = plan.context
    return said


def _ids(texts: list[str] | None) -> tuple[Id, ...] | None:
    return None if texts is None else tuple(Id(bytes.fromhex(text)) for text in texts)
