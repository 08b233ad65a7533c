"""Reading what people wrote to us. Storing it is `pipeline/inbox`, what follows from it `pipeline/inbound`.

Sends nothing. Where to read next: docs/receipts.md.
"""

from __future__ import annotations

from clarion.application.contacts import get_contact
from clarion.application.ports import Transaction
from clarion.application.ports.inbound import InboundAsked
from clarion.domain.ids import Id
from clarion.domain.inbound import InboundMessage


async def list_inbound_messages(
    tx: Transaction, *, account_id: Id, after: Id | None, limit: int
) -> list[InboundMessage]:
    """Reads up to `limit` messages with ids above `after`, the newest last."""
    return await tx.inbound.list_after(account_id, after, limit)


async def list_messages_of(
    tx: Transaction, *, account_id: Id, contact_id: Id, after: Id | None, limit: int
) -> list[InboundMessage]:
    """Reads up to `limit` messages that a contact wrote, with ids above `after`, the newest last.

    Raises:
        NotFound: the contact is unknown or another account's.
    """
    await get_contact(tx, account_id=account_id, contact_id=contact_id)
    return await tx.inbound.list_after(account_id, after, limit, contact_id)


async def list_newest_inbound(
    tx: Transaction, *, account_id: Id, before: Id | None, limit: int, asked: InboundAsked
) -> list[InboundMessage]:
    """Reads up to `limit` messages with ids below `before`, the newest first; one shows once its writer is known."""
    return await tx.inbound.list_before(account_id, before, limit, asked)
