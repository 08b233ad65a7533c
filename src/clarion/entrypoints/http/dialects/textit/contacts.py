"""`/api/v2/contacts.json`: people, listed by last change, made, changed in part and deleted.

How a body is read is in `contact_saving`, how a contact is shown in `contact_mapping`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from clarion.application import contacts
from clarion.application.account_settings import get_account
from clarion.application.contact_fields import list_fields
from clarion.application.notes import list_notes
from clarion.application.ports import Transaction
from clarion.domain.access import Account, Permission
from clarion.domain.contact import Contact
from clarion.domain.ids import ID_BYTES, Id
from clarion.entrypoints.http.dialect import Answers, Parameter
from clarion.entrypoints.http.dialects.textit import contact_mapping, models
from clarion.entrypoints.http.dialects.textit.calls import CURSOR, UUID, Call, Made, endpoint
from clarion.entrypoints.http.dialects.textit.contact_finding import (
    contact_in_query,
    group_in_query,
    holder_of,
    urn_in_query,
)
from clarion.entrypoints.http.dialects.textit.contact_mapping import Around
from clarion.entrypoints.http.dialects.textit.contact_saving import save
from clarion.entrypoints.http.dialects.textit.pages import Page, no_rows, page_of
from clarion.entrypoints.http.dialects.textit.queries import NOBODY
from clarion.entrypoints.http.dialects.textit.refusals import detail

SCOPE: Final = "v2.contacts"
URN: Final = Parameter(name="urn", about="A URN of one contact, such as `mailto:ann@lake.example`")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT: Final = {"type": "string", "format": "date-time"}
_MICROSECOND: Final = timedelta(microseconds=1)


@endpoint(
    noun="contacts",
    method="GET",
    summary="List contacts, the last changed first",
    needs=(Permission.CONTACTS_READ,),
    scope=SCOPE,
    parameters=(
        UUID,
        URN,
        CURSOR,
        Parameter(name="group", about="The UUID or the exact name of a group"),
        Parameter(name="deleted", about="`true`: deleted contacts only"),
        Parameter(name="reverse", about="`true`: the last changed last"),
        Parameter(name="expand_urns", about="`true`: URNs taken apart"),
        Parameter(name="after", about="Changed at or after this moment", schema=_MOMENT),
        Parameter(name="before", about="Changed at or before this moment", schema=_MOMENT),
    ),
    answers={200: Answers("A page of contacts", Page[models.Contact])},
)
async def listed(tx: Transaction, call: Call) -> Page[models.Contact]:
    """Lists contacts."""
    account = await get_account(tx, account_id=call.account_id)
    window, contact_ids, group_id = call.query.window(), await _asked(tx, call, account), await group_in_query(tx, call)
    if window.is_void or NOBODY in (group_id, *(contact_ids or ())):
        return no_rows()
    is_deleted, is_reverse = call.query.is_set("deleted"), call.query.is_set("reverse")

    async def read(position: bytes | None, limit: int) -> list[Contact]:
        return await contacts.list_contacts_by_change(
            tx,
            account_id=call.account_id,
            after=None if position is None else _moment_in(position),
            limit=limit,
            is_newest_first=not is_reverse,
            since=window.after,
            until=window.before,
            group_id=group_id,
            contact_ids=contact_ids,
            is_deleted=is_deleted,
        )

    async def view(rows: Sequence[Contact]) -> list[models.Contact]:
        return [contact_mapping.deleted_contact(row) for row in rows] if is_deleted else await shown(tx, call, rows)

    return await page_of(call, f"contacts {is_deleted} {is_reverse}", read, _position, view)


@endpoint(
    noun="contacts",
    method="POST",
    summary="Make a contact, or change the one that `uuid` or `urn` names",
    needs=(Permission.CONTACTS_WRITE,),
    scope=SCOPE,
    parameters=(UUID, URN),
    body=models.ContactInput,
    answers={200: Answers("Changed", models.Contact), 201: Answers("Made", models.Contact)},
)
async def saved(tx: Transaction, call: Call) -> object:
    """Makes a contact or changes one; what the body leaves out stays as it is."""
    account = await get_account(tx, account_id=call.account_id)
    target = await contact_in_query(tx, call, account)
    contact, is_new = await save(tx, call, account, target)
    body = (await shown(tx, call, [contact]))[0]
    return Made(body) if is_new else body


@endpoint(
    noun="contacts",
    method="DELETE",
    summary="Delete a contact",
    needs=(Permission.CONTACTS_WRITE,),
    scope=SCOPE,
    parameters=(UUID, URN),
    answers={204: Answers("Deleted")},
    is_promise=True,
)
async def deleted(tx: Transaction, call: Call) -> None:
    """Erases a contact; only a batch that a worker has read already may still write to it."""
    if not call.query.text("uuid") and not call.query.text("urn"):
        raise detail("URL must contain one of the following parameters: urn, uuid")
    account = await get_account(tx, account_id=call.account_id)
    identity, contact_id = urn_in_query(call, account), call.query.uuid()
    holder = await holder_of(tx, call, identity) if identity else None
    await contacts.delete_contact(
        tx, account_id=call.account_id, contact_id=holder.id if holder else contact_id or NOBODY
    )


async def shown(tx: Transaction, call: Call, rows: Sequence[Contact]) -> list[models.Contact]:
    """Contacts with their groups and notes, read for all of them at once."""
    ids = [row.id for row in rows]
    around = Around(
        account=await get_account(tx, account_id=call.account_id),
        fields=await list_fields(tx, account_id=call.account_id),
        groups=await tx.names.groups_of(ids),
        notes=await list_notes(tx, account_id=call.account_id, contact_ids=ids),
        is_expanded=call.query.is_set("expand_urns"),
    )
    return [contact_mapping.contact(row, around) for row in rows]


async def _asked(tx: Transaction, call: Call, account: Account) -> list[Id] | None:
    asked: list[Id] = []
    contact_id, identity = call.query.uuid(), urn_in_query(call, account)
    if contact_id is not None:
        asked.append(contact_id)
    if identity is not None:
        holder = await holder_of(tx, call, identity)
        asked.append(holder.id if holder else NOBODY)
    if len(set(asked)) > 1:
        return [NOBODY]
    return asked or None


def _position(contact: Contact) -> bytes:
    return ((contact.updated_at - _EPOCH) // _MICROSECOND).to_bytes(8, "big", signed=True) + contact.id


def _moment_in(position: bytes) -> tuple[datetime, Id]:
    since = int.from_bytes(position[:-ID_BYTES], "big", signed=True)
    return _EPOCH + since * _MICROSECOND, Id(position[-ID_BYTES:])
