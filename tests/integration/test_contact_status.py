"""Whoever is not active is never written to: counted out at the start, skipped in the run, and after it too."""

from __future__ import annotations

import pytest
from tests.support import stage
from tests.support.people import imported, new_account, save
from tests.support.sink import Sink
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import contacts
from clarion.application.contacts import ContactDraft
from clarion.domain.campaign import Category
from clarion.domain.contact import ContactStatus
from clarion.domain.contact_import import ImportFormat

NOT_ACTIVE = [ContactStatus.BLOCKED, ContactStatus.STOPPED, ContactStatus.ARCHIVED]


@pytest.mark.parametrize("category", Category)
async def test_who_is_not_active_is_skipped_whatever_the_message(
    database: PostgresDatabase, database_url: str, category: Category
) -> None:
    people = ["ok@x.example", *(f"{status}@x.example" for status in NOT_ACTIVE)]
    async with Sink() as sink:
        made = await stage.build(database, people, port=sink.port, category=category)
        for status in NOT_ACTIVE:
            await save(database, made.account_id, email=f"{status}@x.example", status=status)
        started = await made.started()
        async with working(database, database_url):
            await made.finished()
    assert (started.campaign.selected_count, started.instances_created) == (4, 1)
    assert sink.recipients() == ["ok@x.example"]
    assert await made.rows() == {
        "ok@x.example": ("sent", None),
        **{f"{status}@x.example": ("skipped", "contact_blocked") for status in NOT_ACTIVE},
    }


async def test_who_is_blocked_after_the_audience_was_frozen_is_not_written_to(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink:
        made = await stage.build(database, ["ok@x.example", "late@x.example"], port=sink.port)
        run_id = await made.start()
        async with database.transaction() as tx:
            while await tx.runs.take_slice(100, 100):
                pass
        assert await stage.states(database, run_id) == {"pending": 2}
        await save(database, made.account_id, email="late@x.example", status=ContactStatus.BLOCKED)
        async with working(database, database_url):
            await made.finished()
    assert sink.recipients() == ["ok@x.example"]
    assert (await made.rows())["late@x.example"] == ("skipped", "contact_blocked")


async def test_an_active_contact_is_written_to_again(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink:
        made = await stage.build(database, ["back@x.example"], port=sink.port)
        await save(database, made.account_id, email="back@x.example", status=ContactStatus.STOPPED)
        await save(database, made.account_id, email="back@x.example", status=ContactStatus.ACTIVE)
        await made.start()
        async with working(database, database_url):
            await made.finished()
    assert sink.recipients() == ["back@x.example"]


@pytest.mark.parametrize(
    ("format_", "body"),
    [(ImportFormat.CSV, b"email,status\na@b.example,active\n"), (ImportFormat.NDJSON, b'{"email":"a@b.example"}\n')],
)
async def test_an_import_leaves_the_status_alone(
    database: PostgresDatabase, format_: ImportFormat, body: bytes
) -> None:
    account_id = await new_account(database)
    blocked = await save(database, account_id, email="a@b.example", status=ContactStatus.BLOCKED)
    await imported(database, account_id, body, format_=format_)
    async with database.reading() as tx:
        after = await contacts.get_contact(tx, account_id=account_id, contact_id=blocked.id)
    assert after.status is ContactStatus.BLOCKED


async def test_a_new_contact_is_active_and_a_save_that_does_not_say_leaves_the_status(
    database: PostgresDatabase,
) -> None:
    account_id = await new_account(database)
    first = await save(database, account_id, email="a@b.example")
    await save(database, account_id, email="a@b.example", status=ContactStatus.ARCHIVED)
    async with database.transaction() as tx:
        last, _ = await contacts.save_contact(
            tx, account_id=account_id, draft=ContactDraft(contact_id=first.id, first_name="Ada")
        )
    assert (first.status, last.status) == (ContactStatus.ACTIVE, ContactStatus.ARCHIVED)
