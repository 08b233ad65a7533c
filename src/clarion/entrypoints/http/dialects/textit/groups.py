"""`/api/v2/groups.json`: static groups of contacts, listed newest first, made, renamed and deleted.

Where to read next: `application.groups`, and `application.names` for names that differ by capitals only.
"""

from __future__ import annotations

from collections.abc import Sequence as Rows
from typing import Any, Final

from clarion.application import groups
from clarion.application.names import Named, require_room, require_unlike
from clarion.application.ports import Transaction
from clarion.domain.access import Permission
from clarion.domain.group import Group
from clarion.entrypoints.http.dialect import Answers, Parameter
from clarion.entrypoints.http.dialects.textit import mapping, models
from clarion.entrypoints.http.dialects.textit.calls import CURSOR, UUID, Call, Made, endpoint
from clarion.entrypoints.http.dialects.textit.inputs import Inputs
from clarion.entrypoints.http.dialects.textit.pages import Page, id_in, page_of
from clarion.entrypoints.http.dialects.textit.queries import required_uuid

GROUPS_LIMIT: Final = 250
"""Groups of one workspace that callers of this API may come to."""


@endpoint(
    noun="groups",
    method="GET",
    summary="List groups, newest first",
    needs=(Permission.CONTACTS_READ,),
    parameters=(
        UUID,
        CURSOR,
        Parameter(name="name", about="A name in any capitals"),
        Parameter(name="manual_only", about="`1`: only groups without a query, which all of them are"),
    ),
    answers={200: Answers("A page of groups", Page[models.Group])},
)
async def listed(tx: Transaction, call: Call) -> Page[models.Group]:
    """Lists the groups."""
    call.query.exclusive("uuid", "name")
    only, name = call.query.uuid(), call.query.text("name")

    async def read(position: bytes | None, limit: int) -> list[Group]:
        before = id_in(position)
        return await groups.newest_groups(
            tx, account_id=call.account_id, before=before, limit=limit, only=only, name=name
        )

    async def view(rows: Rows[Group]) -> list[models.Group]:
        return [mapping.group(row) for row in rows]

    return await page_of(call, "groups", read, lambda row: row.id, view)


@endpoint(
    noun="groups",
    method="POST",
    summary="Make a group, or rename the one that `uuid` names",
    needs=(Permission.CONTACTS_WRITE,),
    parameters=(UUID,),
    body=models.GroupInput,
    answers={
        200: Answers("Renamed", models.Group),
        201: Answers("Made", models.Group),
        409: Answers("There are 250 groups already", dict[str, Any], example={"detail": "Cannot create object …"}),
    },
)
async def saved(tx: Transaction, call: Call) -> object:
    """Makes or renames a group."""
    group_id = call.query.uuid()
    if group_id is None:
        await require_room(tx, account_id=call.account_id, kind=Named.GROUP, limit=GROUPS_LIMIT)
    else:
        await groups.get_group(tx, account_id=call.account_id, group_id=group_id)
    inputs = Inputs(call.body)
    name = inputs.name() or ""
    inputs.close()
    await require_unlike(tx, account_id=call.account_id, kind=Named.GROUP, name=name, apart_from=group_id)
    if group_id is None:
        return Made(mapping.group(await groups.create_group(tx, account_id=call.account_id, name=name)))
    return mapping.group(await groups.rename_group(tx, account_id=call.account_id, group_id=group_id, name=name))


@endpoint(
    noun="groups",
    method="DELETE",
    summary="Delete a group",
    needs=(Permission.CONTACTS_WRITE,),
    parameters=(UUID,),
    answers={204: Answers("Deleted")},
)
async def deleted(tx: Transaction, call: Call) -> None:
    """Deletes a group that no campaign is for; its contacts stay."""
    await groups.delete_group(tx, account_id=call.account_id, group_id=required_uuid(call.query))
