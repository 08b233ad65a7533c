"""Segments on a real database: what holds one, and what asking about a rule costs."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.database import StatementLog
from tests.support.people import new_account, save, until_waiting

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import groups, segments
from clarion.domain.errors import Conflict, Invalid, NotFound
from clarion.domain.ids import Id, new_id
from clarion.domain.segment import All, Any, Column, Compare, Everyone, InGroup, Not, Operator, Rule, Segment


async def make(database: PostgresDatabase, account_id: Id, rule: Rule | None = None, name: str = "All") -> Segment:
    async with database.transaction() as tx:
        return await segments.create_segment(tx, account_id=account_id, name=name, rule=rule or Everyone())


async def delete(database: PostgresDatabase, account_id: Id, segment_id: Id) -> None:
    async with database.transaction() as tx:
        await segments.delete_segment(tx, account_id=account_id, segment_id=segment_id)


async def test_a_segment_that_is_held_is_deleted_only_after_the_holder_is_done(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    made = await make(database, account_id)
    async with database.transaction() as tx:
        assert await tx.segments.hold(account_id, [made.id, new_id()]) == [made]
        deleting = asyncio.create_task(delete(database, account_id, made.id))
        await until_waiting(database, deleting)
        assert not deleting.done()
    await deleting
    with pytest.raises(NotFound):
        await delete(database, account_id, made.id)


async def test_a_taken_name_leaves_the_segment_and_the_transaction_as_they_were(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    one, other = await make(database, account_id, name="One"), await make(database, account_id, name="Other")
    async with database.transaction() as tx:
        with pytest.raises(Conflict, match="name"):
            await segments.update_segment(tx, account_id=account_id, segment_id=other.id, name=one.name)
        assert await segments.get_segment(tx, account_id=account_id, segment_id=other.id) == other


async def test_a_group_must_be_there_when_a_rule_is_stored_and_may_go_later(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await save(database, account_id, email="ada@lovelace.example")
    with pytest.raises(Invalid, match=r"rule\.all\[1\]\.not\.group"):
        await make(database, account_id, All((Everyone(), Not(InGroup(new_id())))))
    async with database.transaction() as tx:
        group = await groups.create_group(tx, account_id=account_id, name="Readers")
    made = await make(database, account_id, Not(InGroup(group.id)))
    async with database.transaction() as tx:
        await groups.delete_group(tx, account_id=account_id, group_id=group.id)
        again = await segments.get_segment(tx, account_id=account_id, segment_id=made.id)
        assert (await segments.count_segment(tx, account_id=account_id, rule=again.rule)).selected == 1


async def test_an_account_s_rule_selects_none_of_another_account(database: PostgresDatabase) -> None:
    ours, theirs = await new_account(database), await new_account(database)
    await save(database, theirs, email="ada@lovelace.example")
    async with database.reading() as tx:
        assert (await segments.count_segment(tx, account_id=ours, rule=Not(Any(())))).selected == 0
        assert await segments.preview_segment(tx, account_id=ours, rule=Everyone(), limit=5) == []


async def test_a_count_is_one_look_at_the_contacts(database: PostgresDatabase, statement_log: StatementLog) -> None:
    account_id = await new_account(database)
    rule = All(tuple(Compare(Column.FIRST_NAME, Operator.CONTAINS, str(n)) for n in range(50)))
    async with database.reading() as tx:
        statement_log.clear()
        await segments.count_segment(tx, account_id=account_id, rule=rule)
    assert len([text for text in statement_log.statements if "contact AS c" in text]) == 1
