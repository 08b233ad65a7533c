"""An inbound message: what somebody wrote to one of our numbers.

It is kept and listed. What follows from it is `pipeline/inbound`; the single words that mean something are `keywords`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from clarion.domain.ids import Id
from clarion.domain.keywords import Keyword


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage:
    """A stored inbound message. `address` is who wrote it, `sent_to` our number; `contact_id` is who that is, if known.

    `occurred_at` is the provider's time, when it gave one.
    """

    id: Id
    sender_id: Id
    contact_id: Id | None
    address: str
    sent_to: str
    text: str
    keyword: Keyword | None
    occurred_at: datetime | None
    received_at: datetime
