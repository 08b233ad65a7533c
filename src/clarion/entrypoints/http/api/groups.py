"""Groups and their members.

Owns how groups look to callers. Many members at once come through `imports`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from clarion.application.groups import (
    MEMBERS_AT_ONCE,
    add_members,
    create_group,
    delete_group,
    get_group,
    list_groups,
    list_members,
    remove_members,
)
from clarion.application.ports import Transaction
from clarion.domain.access import Permission
from clarion.domain.group import GROUP_NAME_LIMIT, Group
from clarion.entrypoints.http.api.contacts import ContactView
from clarion.entrypoints.http.api.paging import Deleted, HexId, Page, PageQuery, after_id, as_ids, page
from clarion.entrypoints.http.operation import Call, Nothing, operation


class GroupInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A new group."""

    name: Annotated[str, Meta(min_length=1, max_length=GROUP_NAME_LIMIT, examples=["Newsletter"])]


class MembersInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Contacts by id."""

    contacts: Annotated[list[HexId], Meta(min_length=1, max_length=MEMBERS_AT_ONCE)]


class GroupView(msgspec.Struct, rename="camel"):
    """A stored group."""

    id: HexId
    name: str
    members: int
    created_at: datetime

    @classmethod
    def of(cls, group: Group) -> GroupView:
        """The group as callers see it."""
        return cls(id=group.id.hex(), name=group.name, members=group.members, created_at=group.created_at)


class MembersAdded(msgspec.Struct, rename="camel"):
    """How many became members; those who were members already are not counted."""

    added: int


class MembersRemoved(msgspec.Struct, rename="camel"):
    """How many were members and no longer are."""

    removed: int


async def _find(tx: Transaction, call: Call[Any, Any]) -> Group:
    return await get_group(tx, account_id=call.account_id, group_id=call.id("groupId", "group"))


@operation(
    name="createGroup", method="POST", path="/groups", tag="groups", permission=Permission.CONTACTS_WRITE,
    summary="Create a group", description="Makes an empty group; its name is unique in the account.",
    body=GroupInput, data=GroupView, status=201, statuses={409: "`GROUP_NAME_TAKEN`"},
)  # fmt: skip
async def create(tx: Transaction, call: Call[GroupInput, Nothing]) -> GroupView:
    """Makes a group."""
    return GroupView.of(await create_group(tx, account_id=call.account_id, name=call.body.name))


@operation(
    name="listGroups", method="GET", path="/groups", tag="groups", permission=Permission.CONTACTS_READ,
    summary="List groups", description="In order of creation.", query=PageQuery, data=Page[GroupView],
)  # fmt: skip
async def list_all(tx: Transaction, call: Call[Nothing, PageQuery]) -> Page[GroupView]:
    """Reads one page."""
    groups = await list_groups(tx, account_id=call.account_id, after=after_id(call), limit=call.query.limit + 1)
    return page(call, groups, GroupView.of, lambda group: group.id)


@operation(
    name="getGroup", method="GET", path="/groups/{groupId}", tag="groups", permission=Permission.CONTACTS_READ,
    summary="Read a group", description="Answers one group with its member count.", data=GroupView,
)  # fmt: skip
async def read(tx: Transaction, call: Call[Nothing, Nothing]) -> GroupView:
    """Reads one group."""
    return GroupView.of(await _find(tx, call))


@operation(
    name="deleteGroup", method="DELETE", path="/groups/{groupId}", tag="groups", permission=Permission.CONTACTS_WRITE,
    summary="Delete a group", description="Its contacts stay, and runs that began before still reach them.",
    data=Deleted, statuses={409: "`GROUP_IN_USE` while a sequence is for it"},
)  # fmt: skip
async def delete(tx: Transaction, call: Call[Nothing, Nothing]) -> Deleted:
    """Removes one group."""
    group_id = call.id("groupId", "group")
    await delete_group(tx, account_id=call.account_id, group_id=group_id)
    return Deleted(group_id.hex())


@operation(
    name="listGroupMembers", method="GET", path="/groups/{groupId}/members", tag="groups",
    permission=Permission.CONTACTS_READ, summary="List the members of a group",
    description="In the order in which the contacts were created.", query=PageQuery, data=Page[ContactView], find=_find,
)  # fmt: skip
async def members(tx: Transaction, call: Call[Nothing, PageQuery]) -> Page[ContactView]:
    """Reads one page of members."""
    group = await _find(tx, call)
    contacts = await list_members(
        tx, account_id=call.account_id, group_id=group.id, after=after_id(call), limit=call.query.limit + 1
    )
    return page(call, contacts, ContactView.of, lambda contact: contact.id)


@operation(
    name="addGroupMembers", method="POST", path="/groups/{groupId}/members", tag="groups",
    permission=Permission.CONTACTS_WRITE, summary="Add contacts to a group",
    description="All or none; use an import for more than 10,000.", body=MembersInput, data=MembersAdded, find=_find,
)  # fmt: skip
async def add(tx: Transaction, call: Call[MembersInput, Nothing]) -> MembersAdded:
    """Adds members."""
    group = await _find(tx, call)
    ids = as_ids(call.body.contacts, "contacts")
    return MembersAdded(await add_members(tx, account_id=call.account_id, group_id=group.id, contact_ids=ids))


@operation(
    name="removeGroupMember", method="DELETE", path="/groups/{groupId}/members/{contactId}", tag="groups",
    permission=Permission.CONTACTS_WRITE, summary="Remove a contact from a group",
    description="The contact stays. Removing who is no member changes nothing.", data=MembersRemoved,
)  # fmt: skip
async def remove(tx: Transaction, call: Call[Nothing, Nothing]) -> MembersRemoved:
    """Removes one member."""
    group = await _find(tx, call)
    contact_id = call.id("contactId", "contact")
    return MembersRemoved(
        await remove_members(tx, account_id=call.account_id, group_id=group.id, contact_ids=[contact_id])
    )


ROUTES = [create, list_all, read, delete, members, add, remove]
