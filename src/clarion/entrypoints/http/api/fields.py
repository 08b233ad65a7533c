"""Typed contact fields: what attributes are called and which values they take.

Owns how a field looks to callers; a field is named by its key. Read `contacts` for where the values are given.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from clarion.application.contact_fields import (
    NAME_LIMIT,
    PRIORITY_LIMIT,
    create_field,
    delete_field,
    get_field,
    list_fields,
    update_field,
)
from clarion.application.ports import Transaction
from clarion.domain.access import Permission
from clarion.domain.contact_field import ContactField, FieldType
from clarion.entrypoints.http.api.paging import Deleted, HexId, Page, PageQuery, after_id, page
from clarion.entrypoints.http.operation import Call, Nothing, operation

Name = Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT, examples=["Joined On"])]
Priority = Annotated[int, Meta(ge=-PRIORITY_LIMIT, le=PRIORITY_LIMIT, description="The highest is shown first.")]


class FieldInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A new field. Its key is made from the name: lower case, an underscore for whatever is no letter or digit."""

    name: Name
    type: FieldType = FieldType.TEXT
    featured: bool = False
    priority: Priority = 0


class FieldChange(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What changes of a field; what is left out stays as it is, and so does the key."""

    name: Name | UnsetType = UNSET
    type: FieldType | UnsetType = UNSET
    featured: bool | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET


class FieldView(msgspec.Struct, rename="camel"):
    """A stored field."""

    id: HexId
    key: str
    name: str
    type: FieldType
    featured: bool
    priority: int
    created_at: datetime

    @classmethod
    def of(cls, field: ContactField) -> FieldView:
        """The field as callers see it."""
        return cls(
            id=field.id.hex(),
            key=field.key,
            name=field.name,
            type=field.type,
            featured=field.featured,
            priority=field.priority,
            created_at=field.created_at,
        )


async def _find(tx: Transaction, call: Call[Any, Any]) -> ContactField:
    return await get_field(tx, account_id=call.account_id, key=call.request.path_params["fieldKey"])


@operation(
    name="createField", method="POST", path="/fields", tag="fields", permission=Permission.CONTACTS_WRITE,
    summary="Create a contact field",
    description="From then on, contacts take values of its type only under its key. Stored values stay as they are.",
    body=FieldInput, data=FieldView, status=201, statuses={409: "`FIELD_TAKEN` or `FIELD_LIMIT`"},
)  # fmt: skip
async def create(tx: Transaction, call: Call[FieldInput, Nothing]) -> FieldView:
    """Makes a field."""
    body = call.body
    return FieldView.of(
        await create_field(
            tx,
            account_id=call.account_id,
            name=body.name,
            type_=body.type,
            featured=body.featured,
            priority=body.priority,
        )
    )


@operation(
    name="listFields", method="GET", path="/fields", tag="fields", permission=Permission.CONTACTS_READ,
    summary="List contact fields", description="In order of creation.", query=PageQuery, data=Page[FieldView],
)  # fmt: skip
async def list_all(tx: Transaction, call: Call[Nothing, PageQuery]) -> Page[FieldView]:
    """Reads one page."""
    fields = await list_fields(tx, account_id=call.account_id, after=after_id(call), limit=call.query.limit + 1)
    return page(call, fields, FieldView.of, lambda field: field.id)


@operation(
    name="getField", method="GET", path="/fields/{fieldKey}", tag="fields", permission=Permission.CONTACTS_READ,
    summary="Read a contact field", description="Answers one field.", data=FieldView,
)  # fmt: skip
async def read(tx: Transaction, call: Call[Nothing, Nothing]) -> FieldView:
    """Reads one field."""
    return FieldView.of(await _find(tx, call))


@operation(
    name="updateField", method="PATCH", path="/fields/{fieldKey}", tag="fields", permission=Permission.CONTACTS_WRITE,
    summary="Change a contact field", description="Values that contacts have stay as they are.", body=FieldChange,
    data=FieldView, statuses={409: "`FIELD_TAKEN`, or `FIELD_IN_USE` when the type of a used one would change"},
    find=_find,
)  # fmt: skip
async def update(tx: Transaction, call: Call[FieldChange, Nothing]) -> FieldView:
    """Changes one field."""
    field, body = await _find(tx, call), call.body
    return FieldView.of(
        await update_field(
            tx,
            account_id=call.account_id,
            key=field.key,
            name=body.name,
            type_=body.type,
            featured=body.featured,
            priority=body.priority,
        )
    )


@operation(
    name="deleteField", method="DELETE", path="/fields/{fieldKey}", tag="fields", permission=Permission.CONTACTS_WRITE,
    summary="Delete a contact field", description="What contacts have under its key becomes a free attribute.",
    data=Deleted, statuses={409: "`FIELD_IN_USE`: a segment or a step of a sequence names it"},
)  # fmt: skip
async def delete(tx: Transaction, call: Call[Nothing, Nothing]) -> Deleted:
    """Removes one field."""
    field = await _find(tx, call)
    await delete_field(tx, account_id=call.account_id, key=field.key)
    return Deleted(field.id.hex())


ROUTES = [create, list_all, read, update, delete]
