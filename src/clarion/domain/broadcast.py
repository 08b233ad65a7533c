"""A broadcast as the caller sees it who said a text to some people at once: what was said, and how far it is.

It is a campaign with one run. Where to read next: `application.broadcasts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clarion.domain.campaign import CampaignState, RunState
from clarion.domain.ids import Id

NOBODY_SELECTED = "nobody_selected"
"""The reason of a broadcast that failed because there was nobody to send it to."""
NO_SENDER = "no_sender"
"""The reason of a broadcast that failed because the account has no way out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """`said` is what its caller said, shown again. The last three are those of its run; None when it has none.

    `frozen` is how many of the `selected` recipients have a delivery by now.
    """

    id: Id
    number: int
    state: CampaignState
    state_reason: str | None
    said: dict[str, Any]
    created_at: datetime
    run_number: int | None
    run_state: RunState | None
    selected: int | None
    frozen: int | None
