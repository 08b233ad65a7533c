"""The folder `inbox` of `/api/v2/messages.json`: what people wrote to the numbers of the account.

Reads only; what follows from a message has followed by then. Where to read next: `messages`, `application.inbound`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clarion.application.inbound import list_newest_inbound
from clarion.application.ports import Transaction
from clarion.application.ports.inbound import InboundAsked
from clarion.domain.contact import Contact
from clarion.domain.ids import Id, as_uuid
from clarion.domain.inbound import InboundMessage
from clarion.entrypoints.http.dialects.textit import models
from clarion.entrypoints.http.dialects.textit.calls import Call
from clarion.entrypoints.http.dialects.textit.contact_finding import contacts_with
from clarion.entrypoints.http.dialects.textit.contact_mapping import full_name
from clarion.entrypoints.http.dialects.textit.pages import Page, id_in, no_rows, page_of
from clarion.entrypoints.http.dialects.textit.queries import read_number


async def inbox(tx: Transaction, call: Call) -> Page[models.Message]:
    """A page of incoming messages, the newest first. They have no numbers: `id` finds none of them."""
    window, id_ = call.query.window(), call.query.uuid()
    if window.is_void or read_number(call.query, "id") is not None:
        return no_rows()
    asked = InboundAsked(id_, window.after, window.before)

    async def read(position: bytes | None, limit: int) -> list[InboundMessage]:
        return await list_newest_inbound(
            tx, account_id=call.account_id, before=id_in(position), limit=limit, asked=asked
        )

    async def view(rows: Sequence[InboundMessage]) -> list[models.Message]:
        ids = list({row.contact_id for row in rows if row.contact_id})
        contacts = {one.id: one for one in await contacts_with(tx, call, ids)} if ids else {}
        return [_message(row, contacts) for row in rows]

    return await page_of(call, "inbox", read, lambda row: row.id, view)


def _message(row: InboundMessage, contacts: Mapping[Id, Contact]) -> models.Message:
    """An incoming message; `sent_on` is the provider's time of it."""
    contact = contacts.get(row.contact_id) if row.contact_id else None
    return models.Message(
        uuid=as_uuid(row.id),
        id=None,
        broadcast=None,
        contact=models.Ref(as_uuid(contact.id), full_name(contact) or "") if contact else None,
        urn=f"tel:{row.address}",
        channel=None,
        direction="in",
        type="text",
        status="handled",
        archived=False,
        visibility="visible",
        text=row.text,
        labels=[],
        flow=None,
        attachments=[],
        quick_replies=[],
        created_on=row.received_at,
        sent_on=row.occurred_at,
        modified_on=row.received_at,
        media=None,
    )
