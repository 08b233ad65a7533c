"""What a message needs to know about the run it belongs to.

Plain values, the same for every recipient. Where to read next: `plan`.
"""

from __future__ import annotations

from dataclasses import dataclass

from clarion.domain.campaign import Category
from clarion.domain.ids import Id


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """One run, as its messages see it. `from_address` and `reply_to` are `name <address>` or a bare address."""

    account_id: Id
    account_name: str
    campaign_id: Id
    campaign_name: str
    run_id: Id
    category: Category
    from_address: str
    reply_to: str | None = None
