"""Inbound messages: what people wrote to us, of the whole account or of one contact.

Owns how one looks to callers. What follows from one is `pipeline/inbound`.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from clarion.application.inbound import list_inbound_messages, list_messages_of
from clarion.application.ports import Transaction
from clarion.domain.access import Permission
from clarion.domain.inbound import InboundMessage
from clarion.domain.keywords import Keyword
from clarion.entrypoints.http.api.paging import HexId, Page, PageQuery, after_id, hex_or_none, page
from clarion.entrypoints.http.operation import Call, Nothing, operation


class InboundMessageView(msgspec.Struct, rename="camel"):
    """One message. `keyword` is what a single known word asks for, null for everything else."""

    id: HexId
    sender_id: HexId
    """The sender whose provider brought it."""
    contact_id: HexId | None
    """Whose number it came from; null when nobody had it."""
    from_: str = msgspec.field(name="from")
    """The number of whoever wrote."""
    to: str
    """Ours, as the provider names it."""
    text: str
    keyword: Keyword | None
    occurred_at: datetime | None
    """When the provider got it, if it said so."""
    received_at: datetime
    """When we got it."""

    @classmethod
    def of(cls, message: InboundMessage) -> InboundMessageView:
        """The message as callers see it."""
        return cls(
            id=message.id.hex(),
            sender_id=message.sender_id.hex(),
            contact_id=hex_or_none(message.contact_id),
            from_=message.address,
            to=message.sent_to,
            text=message.text,
            keyword=message.keyword,
            occurred_at=message.occurred_at,
            received_at=message.received_at,
        )


@operation(
    name="listInboundMessages", method="GET", path="/inbound-messages", tag="inbound messages",
    permission=Permission.MESSAGES_READ, summary="List inbound messages",
    description="In the order they came, the newest last.", query=PageQuery, data=Page[InboundMessageView],
)  # fmt: skip
async def list_all(tx: Transaction, call: Call[Nothing, PageQuery]) -> Page[InboundMessageView]:
    """Reads one page."""
    found = await list_inbound_messages(
        tx, account_id=call.account_id, after=after_id(call), limit=call.query.limit + 1
    )
    return page(call, found, InboundMessageView.of, lambda message: message.id)


@operation(
    name="listInboundMessagesOfContact", method="GET", path="/contacts/{contactId}/inbound-messages",
    tag="inbound messages", permission=Permission.MESSAGES_READ, summary="List what a contact wrote",
    description="In the order it came, the newest last.", query=PageQuery, data=Page[InboundMessageView],
)  # fmt: skip
async def list_of_contact(tx: Transaction, call: Call[Nothing, PageQuery]) -> Page[InboundMessageView]:
    """Reads one page."""
    found = await list_messages_of(
        tx,
        account_id=call.account_id,
        contact_id=call.id("contactId", "contact"),
        after=after_id(call),
        limit=call.query.limit + 1,
    )
    return page(call, found, InboundMessageView.of, lambda message: message.id)


ROUTES = [list_all, list_of_contact]
