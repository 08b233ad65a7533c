"""F18: the scheduler is killed in the middle of merging an import: all its contacts appear once, or none do yet."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.crash.ground import environment
from tests.crash.report import Report
from tests.crash.supervisor import Supervisor
from tests.support.database import Databases, opened
from tests.support.patience import PATIENCE_S

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import access, imports
from clarion.domain.contact_import import ImportFormat
from clarion.domain.ids import Id

ROWS = 7_000
"""Two slices of a merge."""
POINTS = ("before_merge:kill", "after_merge_slice:kill", "before_merge_commit:kill", "after_merge:kill")

_CONTACTS = "SELECT count(*) FROM contact"
_MEMBERS = "SELECT count(*) FROM group_member"
_STATE = "SELECT state FROM contact_import WHERE id = $1"


async def killed_at(words: str, databases: Databases) -> Report:
    """One import whose merge dies at the point, and is done by the next scheduler."""
    url = await databases.create_migrated()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="clarion-crash-") as name:
        folder = Path(name)
        alive = Supervisor(environment(url, folder), folder / "processes.log")
        async with opened(url) as database, alive as supervisor:
            import_id = await _received(database)
            await supervisor.died(supervisor.start("scheduler", armed=words))
            seen = await _asked(database, _CONTACTS)
            wanted = ROWS if words.startswith("after_merge:") else 0
            if seen != wanted:
                report.problems.append(f"F18 {words}: {seen} contacts appear, not {wanted}")
            supervisor.start("scheduler")
            await _completed(database, import_id)
            found = [await _asked(database, statement) for statement in (_CONTACTS, _MEMBERS)]
            if found != [ROWS, ROWS]:
                report.problems.append(f"F18 {words}: {found} contacts and members at the end")
    await databases.drop(url)
    return report


async def _received(database: PostgresDatabase) -> Id:
    """An import whose body is whole and waits to be merged."""
    body = b"email,externalId\n" + b"".join(b"p%d@x.example,e%d\n" % (n, n) for n in range(ROWS))
    async with database.transaction() as tx:
        account, _, _ = await access.create_account(tx, name="Imports")
        opened_import = await imports.open_import(
            tx, account_id=account.id, format_=ImportFormat.CSV, group_name="everyone"
        )
        await imports.append_chunk(tx, import_id=opened_import.id, no=0, body=body)
        await imports.finish_receiving(tx, account_id=account.id, import_id=opened_import.id)
    return opened_import.id


async def _completed(database: PostgresDatabase, import_id: Id) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await _asked(database, _STATE, import_id) != "completed":
            await asyncio.sleep(0.05)


async def _asked(database: PostgresDatabase, statement: str, *values: object) -> object:
    async with database.reading() as tx:
        return await tx.connection.fetchval(statement, *values)
