"""The schema's history against a real server."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from tests.support.database import opened

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.adapters.postgres.migrations import (
    SchemaError,
    _script,
    check_version,
    known_versions,
    migrate,
    read_version,
)
from clarion.application import runs
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Unavailable
from clarion.domain.ids import new_id
from clarion.domain.providers.provider import Security
from clarion.domain.providers.smtp import SmtpRelay


async def test_an_empty_database_gets_every_version(empty_database_url: str) -> None:
    assert await read_version(empty_database_url) is None
    assert tuple(await migrate(empty_database_url)) == known_versions()
    await check_version(empty_database_url)


async def test_a_second_migration_adds_nothing(database_url: str) -> None:
    assert await migrate(database_url) == []


async def test_migrations_at_the_same_time_take_turns(empty_database_url: str) -> None:
    added = await asyncio.gather(*(migrate(empty_database_url) for _ in range(4)))
    assert sorted(map(len, added)) == [0, 0, 0, len(known_versions())]


async def test_a_database_without_schema_asks_for_the_migrate_command(empty_database_url: str) -> None:
    with pytest.raises(SchemaError, match="clarion migrate"):
        await check_version(empty_database_url)


async def test_a_newer_database_is_refused_by_check_and_by_migrate(
    database: PostgresDatabase, database_url: str
) -> None:
    await database.pool.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaError, match="newer"):
        await check_version(database_url)
    with pytest.raises(SchemaError, match="newer"):
        await migrate(database_url)


async def test_a_migration_that_fails_leaves_nothing(
    empty_database_url: str,
) -> None:
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("CREATE TABLE run ()")  # in the way of the first version
    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate(empty_database_url)
    assert await connection.fetchval("SELECT to_regclass('account')") is None
    assert await read_version(empty_database_url) is None
    await connection.close()


_BEFORE = """
INSERT INTO account (id, name) VALUES ($1, 'Acme');
INSERT INTO sender (id, account_id, name, host, port, security, username, password_sealed, from_address,
                    max_connections, rate_per_second)
VALUES ($1, $1, 'Relay', 'smtp.relay.example', 587, 'starttls', 'me', 'sealed', 'news@sender.example', 7, 20);
INSERT INTO campaign (id, account_id, name, category, sender_id) VALUES ($1, $1, 'Spring', 'marketing', $1);
INSERT INTO message_revision (id, account_id, campaign_id, email) VALUES ($1, $1, $1, '{"subject": "s", "html": "h"}');
INSERT INTO run (id, account_id, campaign_id, ordinal, state, category, lane, revision_id, sender_id, group_ids,
                 contact_ids, selected_count, snapshot_done, next_seq, deadline_at)
VALUES ($1, $1, $1, 1, 'completed', 'marketing', 'bulk', $1, $1, '{}', '{}', 3, true, 4, now());
INSERT INTO delivery (run_id, seq, contact_id, address, state)
SELECT $1, n, decode(lpad(n::text, 24, '0'), 'hex'), 'p' || n || '@load.example', 'sent'
FROM generate_series(1, 3) AS n;
INSERT INTO delivery_attempt (run_id, seq, no, verdict) VALUES ($1, 2, 1, 'retry');
"""


async def test_an_update_keeps_the_senders_and_deliveries_of_the_oldest_release(empty_database_url: str) -> None:
    id_ = new_id()
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(_script(None, "0002"))
    await connection.execute(_BEFORE.replace("$1", f"'\\x{id_.hex()}'"))
    assert await migrate(empty_database_url) == [version for version in known_versions() if version > "0002"]
    async with opened(empty_database_url) as database, database.reading() as tx:
        sender = await tx.senders.get(id_, id_)
        assert sender is not None
        assert sender.provider == SmtpRelay(
            host="smtp.relay.example", port=587, security=Security.STARTTLS, username="me", max_connections=7
        )
        assert (sender.from_address, sender.rate_per_second, sender.sms) == ("news@sender.example", 20, None)
        assert await tx.senders.sealed_secrets(id_) == b"sealed"
        report = await runs.report_run(tx, account_id=id_, run_id=id_)
        assert [(one.state, one.count) for one in report.counts] == [("sent", 3)]
        assert [part.channel for part in report.run.parts] == [ChannelName.EMAIL]
        assert await tx.connection.fetchval("SELECT count(*) FROM delivery_attempt WHERE run_id = $1", id_) == 1
    # A person has one delivery of a run, before the update and after it.
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(
            "INSERT INTO delivery (run_id, seq, contact_id, address, state) "
            "SELECT run_id, 9, contact_id, address, 'pending' FROM delivery WHERE run_id = $1 AND seq = 1",
            id_,
        )
    await connection.close()


async def test_an_absent_server_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await migrate("postgresql://nobody@127.0.0.1:1/none")
