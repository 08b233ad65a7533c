"""Calls that start an audience: at their time, once, and never that of another account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.support import calls
from tests.support.stage import Stage

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application.executions import Audience, get_execution, trigger_audience
from clarion.domain.errors import NotFound
from clarion.domain.execution import Execution
from clarion.pipeline import due

ANN, BEN = "ann@load.example", "ben@load.example"


async def test_a_scheduled_audience_starts_when_its_time_has_come(database: PostgresDatabase) -> None:
    made = await calls.build(database, [ANN])
    execution = await scheduled(made)
    assert await due.execute_due(database) == 0
    await made.execute("UPDATE execution SET execute_at = now()")
    assert await due.execute_due(database) == 1
    async with database.reading() as tx:
        now = await get_execution(tx, account_id=made.account_id, execution_id=execution.id)
    assert (now.state, now.run_id) == ("triggered", await made.run_id())
    assert await due.execute_due(database) == 0


async def test_a_scheduled_audience_that_cannot_start_fails_with_the_reason(database: PostgresDatabase) -> None:
    made = await calls.build(database, [ANN])
    execution = await scheduled(made)
    await made.execute("UPDATE execution SET execute_at = now()")
    await made.execute("UPDATE campaign SET state = 'stopped'")
    await due.execute_due(database)
    async with database.reading() as tx:
        now = await get_execution(tx, account_id=made.account_id, execution_id=execution.id)
    assert now.state == "failed"
    assert (now.problem or "").startswith("CAMPAIGN_NOT_RUNNING")


async def scheduled(made: Stage) -> Execution:
    """An audience of the stage's group, in an hour."""
    async with made.database.transaction() as tx:
        return await trigger_audience(
            tx,
            account_id=made.account_id,
            campaign_id=made.campaign_id,
            audience=Audience(groups=(made.group_id,)),
            execute_at=datetime.now(UTC) + timedelta(hours=1),
        )


async def test_a_request_id_of_another_account_is_as_unknown_as_its_campaign(database: PostgresDatabase) -> None:
    made, theirs = await calls.build(database, [ANN]), await calls.build(database, [BEN])
    asked = {"campaign_id": theirs.campaign_id, "request_id": "r-1", "body_hash": b"same"}
    async with database.transaction() as tx:
        audience = Audience(groups=(theirs.group_id,))
        await trigger_audience(tx, account_id=theirs.account_id, audience=audience, **asked)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        async with database.transaction() as tx:
            await trigger_audience(tx, account_id=made.account_id, **asked)  # type: ignore[arg-type]
