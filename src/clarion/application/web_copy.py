"""The copy of a sent message that its "view in the browser" link opens, rendered anew and stored nowhere.

Its links lead to no delivery: who gets the page forwarded cannot unsubscribe someone else with it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from clarion.application.messages import facts_of, plan_of_run
from clarion.application.ports import Transaction
from clarion.domain.errors import Invalid, NotFound
from clarion.domain.ids import Id
from clarion.rendering.context import look_over, overlaid
from clarion.rendering.headers import date_header
from clarion.rendering.links import Links
from clarion.rendering.plan import EmailPlan, Preview, Refusal
from clarion.rendering.templates import RenderFault


async def read_web_copy(tx: Transaction, *, account_id: Id, run_id: Id, seq: int, links: Links) -> Preview:
    """Renders what a delivery's recipient was sent, with the contact's data of today; the ids come from a token.

    Raises:
        NotFound: there is no such delivery, its contact was erased, or the message can no longer be rendered.
    """
    source = await tx.runs.source(run_id)
    delivery = await tx.deliveries.get(run_id, seq)
    if source is None or delivery is None or source.account_id != account_id:
        raise NotFound("message")
    contact = await tx.contacts.find(account_id, delivery.contact_id) if delivery.contact_id else None
    address = contact.email if contact else delivery.address
    sender = await tx.senders.get(account_id, source.sender_id)
    if address is None or sender is None or (delivery.contact_id and contact is None):
        raise NotFound("message")
    said = await tx.deliveries.given(run_id, seq)
    try:
        plan = plan_of_run(source, sender, links)
        if not isinstance(plan, EmailPlan):
            raise NotFound("message")
        seen = plan.preview(
            address,
            overlaid(facts_of(contact), said.get("profile", {})),
            date_header(datetime.now(UTC)),
            look_over(overlaid(source.context or {}, said.get("context", {}))),
        )
    except (Invalid, RenderFault):
        raise NotFound("message") from None
    if isinstance(seen, Refusal):
        raise NotFound("message")
    return seen
