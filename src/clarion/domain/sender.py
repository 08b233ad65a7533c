"""A sender: a configured way out on one channel, by one provider.

Secrets never leave the store unencrypted except to the channel that logs in with them. Where to read next: `providers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from clarion.domain.channel import ChannelName
from clarion.domain.health import Health
from clarion.domain.ids import Id
from clarion.domain.pace import WarmUp
from clarion.domain.providers import Provider
from clarion.domain.sms import SmsRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A stored sender; a limit that is None is none.

    `from_address` is, for email, `name <address>` or a bare address; for SMS the originator; empty for push. `sms` are
    the rules that only an SMS sender has. `domain_rates` are messages a second by recipient domain; `warm_up` and
    `daily_cap` count messages of a day in UTC. Senders of one `pool` carry each other's messages by `weight`; `health`
    is None for one that never failed as a whole.
    """

    id: Id
    name: str
    provider: Provider
    from_address: str
    sms: SmsRules | None = None
    rate_per_second: float | None
    domain_rates: Mapping[str, float] = field(default_factory=dict)
    daily_cap: int | None = None
    warm_up: WarmUp | None = None
    pool: str | None = None
    weight: int = 1
    health: Health | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def channel(self) -> ChannelName:
        """The channel it sends on."""
        return self.provider.channel
