"""The copy of a sent message that its "view in the browser" link opens, rendered anew and stored nowhere.

Its links lead to no delivery: who gets the page forwarded cannot unsubscribe someone else with it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from clarion.application.messages import facts_of, plan_of_run
from clarion.application.ports import Transaction
from clarion.domain.errors import Invalid, NotFound
from clarion.domain.ids import Id
from clarion.rendering.headers import date_header
from clarion.rendering.links import Links
from clarion.rendering.plan import Preview, Refusal


async def read_web_copy(tx: Transaction, *, account_id: Id, run_id: Id, seq: int, links: Links) -> Preview:
    """Renders what a delivery's recipient was sent, with the contact's data of today; the ids come from a token.

    Raises:
        NotFound: there is no such delivery, its contact was erased, or the message can no longer be rendered.
    """
    source = await tx.runs.source(run_id)
    delivery = await tx.deliveries.get(run_id, seq)
    if source is None or delivery is None or source.account_id != account_id:
        raise NotFound("message")
    contact = await tx.contacts.find(account_id, delivery.contact_id)
    sender = await tx.senders.get(account_id, source.sender_id)
    if contact is None or contact.email is None or sender is None:
        raise NotFound("message")
    try:
        seen = plan_of_run(source, sender, links).preview(
            contact.email, facts_of(contact), date_header(datetime.now(UTC))
        )
    except Invalid:
        raise NotFound("message") from None
    if isinstance(seen, Refusal):
        raise NotFound("message")
    return seen
