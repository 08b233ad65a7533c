"""Groups on a real database."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.people import new_account, save, until_waiting

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import contacts, groups
from clarion.domain.errors import Conflict, Invalid, NotFound
from clarion.domain.group import Group
from clarion.domain.ids import Id, new_id


async def make(database: PostgresDatabase, account_id: Id, name: str = "Everyone") -> Group:
    async with database.transaction() as tx:
        return await groups.create_group(tx, account_id=account_id, name=name)


async def members(database: PostgresDatabase, account_id: Id, group_id: Id) -> set[Id]:
    async with database.reading() as session:
        page = await groups.list_members(session, account_id=account_id, group_id=group_id, after=None, limit=1000)
    return {contact.id for contact in page}


async def test_members_are_a_set(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    group = await make(database, account_id)
    ids = [(await save(database, account_id, email=f"p{n}@mail.example")).id for n in range(3)]
    counts = []
    for given in (ids[:2], ids, ids + ids):
        async with database.transaction() as tx:
            added = await groups.add_members(tx, account_id=account_id, group_id=group.id, contact_ids=given)
        counts.append(added)
    assert counts == [2, 1, 0]
    assert await members(database, account_id, group.id) == set(ids)
    async with database.transaction() as tx:
        assert (await groups.get_group(tx, account_id=account_id, group_id=group.id)).members == 3
        removed = [
            await groups.remove_members(tx, account_id=account_id, group_id=group.id, contact_ids=ids[:1])
            for _ in range(2)
        ]
    assert removed == [1, 0]
    assert await members(database, account_id, group.id) == set(ids[1:])


async def test_a_run_can_still_read_members_that_left_after_it_began(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    group = await make(database, account_id)
    early, late = [(await save(database, account_id, email=f"p{n}@mail.example")).id for n in range(2)]
    async with database.transaction() as tx:
        await groups.add_members(tx, account_id=account_id, group_id=group.id, contact_ids=[early])
    async with database.reading() as session:
        snapshot = await session.connection.fetchval("SELECT pg_current_snapshot()::text")
    async with database.transaction() as tx:
        await groups.add_members(tx, account_id=account_id, group_id=group.id, contact_ids=[late])
        await groups.delete_group(tx, account_id=account_id, group_id=group.id)
    async with database.reading() as session:
        as_of = await session.connection.fetch(
            """
            SELECT contact_id FROM group_member_removed WHERE group_id = $1
                AND pg_visible_in_snapshot(added_xid, $2::text::pg_snapshot)
                AND NOT pg_visible_in_snapshot(removed_xid, $2::text::pg_snapshot)
            """,
            group.id,
            snapshot,
        )
    assert [row["contact_id"] for row in as_of] == [early]


async def test_names_are_unique_within_an_account(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await make(database, account_id)
    with pytest.raises(Conflict) as refused:
        await make(database, account_id, "  Everyone ")
    assert refused.value.code == "GROUP_NAME_TAKEN"
    await make(database, await new_account(database))


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\0b", "two\nlines", "\ud800"], ids=repr)
async def test_t60_t61_a_group_name_that_breaks_a_rule_is_refused(database: PostgresDatabase, name: str) -> None:
    account_id = await new_account(database)
    with pytest.raises(Invalid):
        await make(database, account_id, name)


async def test_unknown_contacts_are_named_and_nothing_is_added(database: PostgresDatabase) -> None:
    mine, theirs = await new_account(database), await new_account(database)
    group = await make(database, mine)
    known = (await save(database, mine, email="a@b.example")).id
    foreign = (await save(database, theirs, email="a@b.example")).id
    unknown = new_id()
    async with database.transaction() as tx:
        with pytest.raises(Invalid) as refused:
            await groups.add_members(tx, account_id=mine, group_id=group.id, contact_ids=[known, foreign, unknown])
    said = " ".join(problem.message for problem in refused.value.problems)
    assert foreign.hex() in said
    assert unknown.hex() in said
    assert known.hex() not in said
    assert await members(database, mine, group.id) == set()


async def test_more_members_than_one_call_may_change_are_refused(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    group = await make(database, account_id)
    async with database.transaction() as tx:
        with pytest.raises(Invalid, match="10000"):
            await groups.remove_members(tx, account_id=account_id, group_id=group.id, contact_ids=[new_id()] * 10_001)


async def test_t40_another_accounts_group_is_answered_like_an_unknown_one(database: PostgresDatabase) -> None:
    mine, theirs = await new_account(database), await new_account(database)
    foreign = await make(database, theirs)
    async with database.transaction() as tx:
        for group_id in (foreign.id, new_id()):
            with pytest.raises(NotFound, match="No such group"):
                await groups.get_group(tx, account_id=mine, group_id=group_id)
            with pytest.raises(NotFound, match="No such group"):
                await groups.delete_group(tx, account_id=mine, group_id=group_id)
            with pytest.raises(NotFound, match="No such group"):
                await groups.add_members(tx, account_id=mine, group_id=group_id, contact_ids=[])
            with pytest.raises(NotFound, match="No such group"):
                await groups.remove_members(tx, account_id=mine, group_id=group_id, contact_ids=[])
            with pytest.raises(NotFound, match="No such group"):
                await groups.list_members(tx, account_id=mine, group_id=group_id, after=None, limit=1)
        assert await groups.list_groups(tx, account_id=mine, after=None, limit=10) == []
        assert await groups.get_group(tx, account_id=theirs, group_id=foreign.id) == foreign


async def test_a_deleted_group_leaves_its_contacts(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    group = await make(database, account_id)
    contact = await save(database, account_id, email="a@b.example")
    async with database.transaction() as tx:
        await groups.add_members(tx, account_id=account_id, group_id=group.id, contact_ids=[contact.id])
        await groups.delete_group(tx, account_id=account_id, group_id=group.id)
        assert await contacts.get_contact(tx, account_id=account_id, contact_id=contact.id) == contact
        with pytest.raises(NotFound):
            await groups.get_group(tx, account_id=account_id, group_id=group.id)


async def test_members_added_while_the_group_is_deleted_are_refused(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    group = await make(database, account_id)
    contact = await save(database, account_id, email="a@b.example")

    async def add() -> int:
        async with database.transaction() as other:
            return await groups.add_members(other, account_id=account_id, group_id=group.id, contact_ids=[contact.id])

    async with database.transaction() as tx:
        await groups.delete_group(tx, account_id=account_id, group_id=group.id)
        adding = asyncio.create_task(add())
        await until_waiting(database, adding)
    with pytest.raises(NotFound):
        await adding
    async with database.reading() as session:
        assert await session.connection.fetchval("SELECT count(*) FROM group_member") == 0


async def test_groups_are_listed_page_by_page_with_their_counts(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    made = [await make(database, account_id, f"G{n}") for n in range(3)]
    contact = await save(database, account_id, email="a@b.example")
    async with database.transaction() as tx:
        await groups.add_members(tx, account_id=account_id, group_id=made[1].id, contact_ids=[contact.id])
        first = await groups.list_groups(tx, account_id=account_id, after=None, limit=2)
        rest = await groups.list_groups(tx, account_id=account_id, after=first[-1].id, limit=2)
    assert [(group.name, group.members) for group in first + rest] == [("G0", 0), ("G1", 1), ("G2", 0)]
