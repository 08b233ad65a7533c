"""The copy of a sent message that its "view in the browser" link opens, rendered anew and stored nowhere.

Its links lead to no delivery: who gets the page forwarded cannot unsubscribe someone else with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from clarion.application.messages import facts_of, plan_of_run
from clarion.application.ports import Transaction
from clarion.domain.errors import Invalid, NotFound
from clarion.domain.ids import Id
from clarion.rendering.context import LookedOver, look_over, overlaid
from clarion.rendering.headers import date_header
from clarion.rendering.links import Links
from clarion.rendering.message import Plan, Refusal
from clarion.rendering.plan import EmailPlan
from clarion.rendering.sms_plan import SmsPlan
from clarion.rendering.templates import RenderFault

_PAGE: Final = (
    '<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '</head><body style="white-space:pre-wrap;font-family:sans-serif">{}</body></html>'
)


async def read_web_copy(tx: Transaction, *, account_id: Id, run_id: Id, seq: int, links: Links) -> str:
    """What a delivery's recipient was sent, as HTML, with the contact's data of today; the ids come from a token.

    A text message is shown as it is, line by line.

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
    if sender is None or (delivery.contact_id and contact is None):
        raise NotFound("message")
    said = await tx.deliveries.given(run_id, seq)
    try:
        seen = _seen(
            plan_of_run(source, sender, links),
            address,
            overlaid(facts_of(contact), said.get("profile", {})),
            look_over(overlaid(source.context or {}, said.get("context", {}))),
        )
    except (Invalid, RenderFault):
        raise NotFound("message") from None
    if seen is None:
        raise NotFound("message")
    return seen


def _seen(plan: Plan, address: str | None, contact: Mapping[str, Any], context: LookedOver) -> str | None:
    if isinstance(plan, SmsPlan):
        worded = plan.worded(0, contact, context)
        return None if isinstance(worded, Refusal) else _PAGE.format(escape(worded.text))
    if not isinstance(plan, EmailPlan) or address is None:
        return None
    preview = plan.preview(address, contact, date_header(datetime.now(UTC)), context)
    return None if isinstance(preview, Refusal) else preview.html
