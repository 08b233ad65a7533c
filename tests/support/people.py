"""Accounts, contacts and imports for tests, made through the use cases."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import access, contacts, imports
from clarion.application.contacts import ContactDraft
from clarion.domain.contact import Contact
from clarion.domain.contact_import import Import, ImportFormat, Rejection
from clarion.domain.ids import Id
from clarion.pipeline.importing import merge_next


async def new_account(database: PostgresDatabase) -> Id:
    """Makes an account and returns its id."""
    async with database.transaction() as tx:
        account, _, _ = await access.create_account(tx, name=f"Account {uuid.uuid4()}")
    return account.id


async def save(database: PostgresDatabase, account_id: Id, **fields: object) -> Contact:
    """Saves one contact in a transaction of its own."""
    async with database.transaction() as tx:
        contact, _ = await contacts.save_contact(
            tx,
            account_id=account_id,
            draft=ContactDraft(**fields),  # type: ignore[arg-type]
        )
    return contact


async def all_contacts(database: PostgresDatabase, account_id: Id) -> list[Contact]:
    """Reads every contact of an account in order of creation."""
    async with database.reading() as session:
        return await contacts.list_contacts(session, account_id=account_id, after=None, limit=1_000_000)


async def upload(
    database: PostgresDatabase,
    account_id: Id,
    body: bytes | Sequence[bytes],
    *,
    format_: ImportFormat = ImportFormat.CSV,
    group: str | None = None,
) -> Id:
    """Stores a body, whole or in given pieces, as an import that waits to be merged."""
    async with database.transaction() as tx:
        opened = await imports.open_import(tx, account_id=account_id, format_=format_, group_name=group)
    for no, piece in enumerate([body] if isinstance(body, bytes) else body):
        async with database.transaction() as tx:
            await imports.append_chunk(tx, import_id=opened.id, no=no, body=piece)
    async with database.transaction() as tx:
        await imports.finish_receiving(tx, account_id=account_id, import_id=opened.id)
    return opened.id


async def read_import(database: PostgresDatabase, account_id: Id, import_id: Id) -> Import:
    """Reads one import."""
    async with database.reading() as session:
        return await imports.get_import(session, account_id=account_id, import_id=import_id)


async def rejections(database: PostgresDatabase, account_id: Id, import_id: Id) -> list[Rejection]:
    """Reads every refused row of an import."""
    async with database.reading() as session:
        return await imports.list_rejections(
            session, account_id=account_id, import_id=import_id, after_row=0, limit=1_000_000
        )


async def imported(
    database: PostgresDatabase,
    account_id: Id,
    body: bytes | Sequence[bytes],
    *,
    format_: ImportFormat = ImportFormat.CSV,
    group: str | None = None,
) -> Import:
    """Uploads and merges a body; returns the import as it ended."""
    import_id = await upload(database, account_id, body, format_=format_, group=group)
    while await merge_next(database):
        pass
    return await read_import(database, account_id, import_id)


_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def until_waiting(database: PostgresDatabase, task: asyncio.Task[Any]) -> None:
    """Returns when a session of this database waits for a lock, or the task that should has ended."""
    async with database.reading() as session:  # outside of transactions, which see one picture of who waits
        while not task.done() and not await session.connection.fetchval(_WAITING):
            await asyncio.sleep(0)
