"""Calls that set deliveries of a campaign going: what a call says, its execution, and starting an audience by a call.

Calls that bring their recipients are stored in groups, by `accepting` through `pipeline.intake`; what becomes of each
recipient is told by the deliveries. Where to read next: `accepting`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clarion.domain.campaign import Category
from clarion.domain.ids import Id

RECIPIENTS_LIMIT: Final = 500
"""Recipients of one call."""
CONTEXT_LIMIT: Final = 200 * 1024
"""Bytes of what a call says of one recipient, as JSON."""
REQUEST_ID_LIMIT: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRecipient:
    """One recipient of a call, and what the call says of them.

    `namespace` and `value` are an identity: `id`, `external_id`, `email`, `phone` or a namespace of the account's own.
    An external recipient is never looked up: only the address given counts, or the identity when it is one.
    `addresses` by channel (`email`, `sms`, `push`) win over the contact's own. `profile` lies over the contact's data
    as templates see it, `context` over the run's.
    """

    namespace: str
    value: str
    is_external: bool = False
    addresses: Mapping[str, str] = field(default_factory=dict)
    profile: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerCall:
    """One call with its recipients. The same `request_id` with the same `body_hash` is answered as the first time.

    `category` and `high_throughput` are what the caller expects of the campaign; None expects nothing.
    """

    account_id: Id
    campaign_id: Id
    request_id: str | None
    body_hash: bytes
    recipients: tuple[TriggerRecipient, ...]
    created_by: str = ""
    category: Category | None = None
    high_throughput: bool | None = None
