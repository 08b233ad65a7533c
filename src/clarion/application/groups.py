"""Groups: static sets of contacts.

A run reads the membership as it was when it started, so members that leave are kept aside until no run needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clarion.application.ports import Transaction
from clarion.domain.contact import Contact
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem
from clarion.domain.group import GROUP_NAME_LIMIT, Group
from clarion.domain.ids import Id, new_id

MEMBERS_AT_ONCE: Final = 10_000
"""Contacts that one call may add or remove; more belong in an import."""


async def create_group(tx: Transaction, *, account_id: Id, name: str) -> Group:
    """Makes an empty group. Runs in the caller's transaction.

    Raises:
        Invalid: the name is blank, too long or has control characters.
        Conflict: `GROUP_NAME_TAKEN`.
    """
    return await tx.groups.insert(account_id, new_id(), checked_group_name(name, field="name"))


async def get_group(tx: Transaction, *, account_id: Id, group_id: Id) -> Group:
    """Reads one group with its member count.

    Raises:
        NotFound: it is unknown or another account's.
    """
    group = await tx.groups.find(account_id, group_id)
    if group is None:
        raise NotFound("group")
    return group


async def list_groups(tx: Transaction, *, account_id: Id, after: Id | None, limit: int) -> list[Group]:
    """Reads up to `limit` groups with ids above `after`."""
    return await tx.groups.list_after(account_id, after, limit)


async def newest_groups(
    tx: Transaction,
    *,
    account_id: Id,
    before: Id | None,
    limit: int,
    only: Id | None = None,
    name: str | None = None,
) -> list[Group]:
    """Reads up to `limit` groups with ids below `before`, newest first; `name` in any spelling of capitals."""
    return await tx.groups.newest(account_id, before, limit, only=only, name=name)


async def rename_group(tx: Transaction, *, account_id: Id, group_id: Id, name: str) -> Group:
    """Gives a group another name; whoever refers to it goes on doing so. Runs in the caller's transaction.

    Raises:
        NotFound: it is unknown or another account's.
        Invalid: the name is blank, too long or has control characters.
        Conflict: `GROUP_NAME_TAKEN`.
    """
    if not await tx.groups.rename(account_id, group_id, checked_group_name(name, field="name")):
        raise NotFound("group")
    return await get_group(tx, account_id=account_id, group_id=group_id)


async def delete_group(tx: Transaction, *, account_id: Id, group_id: Id) -> None:
    """Removes a group; its contacts stay, and runs that began before still reach them.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `GROUP_IN_USE` while a sequence that is not archived is for it.
    """
    if await tx.sequences.using_group(account_id, group_id):
        raise Conflict("GROUP_IN_USE", "A sequence is for this group; archive the sequence first")
    if not await tx.groups.delete(account_id, group_id):
        raise NotFound("group")


async def add_members(tx: Transaction, *, account_id: Id, group_id: Id, contact_ids: Sequence[Id]) -> int:
    """Adds contacts to a group and tells how many were not in it before. Safe to repeat because members are a set.

    Raises:
        NotFound: the group is unknown or another account's.
        Invalid: a contact is, or more than 10,000 are given; nothing is added.
    """
    await _lookup(tx, account_id, group_id, contact_ids)
    here = await tx.contacts.existing(account_id, contact_ids)
    unknown = [contact_id for contact_id in contact_ids if contact_id not in here]
    if unknown:
        raise Invalid.of(Problem("contacts", "exists", f"no such contact: {one.hex()}") for one in unknown[:100])
    return await tx.groups.add_members(group_id, contact_ids)


async def remove_members(tx: Transaction, *, account_id: Id, group_id: Id, contact_ids: Sequence[Id]) -> int:
    """Removes contacts from a group and tells how many were in it. Safe to repeat because members are a set.

    Raises:
        NotFound: the group is unknown or another account's.
        Invalid: more than 10,000 are given.
    """
    await _lookup(tx, account_id, group_id, contact_ids)
    return await tx.groups.remove_members(group_id, contact_ids)


async def list_members(tx: Transaction, *, account_id: Id, group_id: Id, after: Id | None, limit: int) -> list[Contact]:
    """Reads up to `limit` contacts of a group with ids above `after`.

    Raises:
        NotFound: the group is unknown or another account's.
    """
    await get_group(tx, account_id=account_id, group_id=group_id)
    return await tx.contacts.list_after(account_id, after, limit, group_id=group_id)


def checked_group_name(name: str, *, field: str) -> str:
    """The name without spaces around it.

    Raises:
        Invalid: it is blank, too long or has control characters.
    """
    text = name.strip()
    if not text or len(text) > GROUP_NAME_LIMIT or not text.isprintable():
        raise Invalid(Problem(field, "pattern", f"must have 1 to {GROUP_NAME_LIMIT} printable characters"))
    return text


async def _lookup(tx: Transaction, account_id: Id, group_id: Id, contact_ids: Sequence[Id]) -> None:
    if len(contact_ids) > MEMBERS_AT_ONCE:
        raise Invalid(Problem("contacts", "maxItems", f"must be at most {MEMBERS_AT_ONCE}; use an import for more"))
    await get_group(tx, account_id=account_id, group_id=group_id)
