"""A delivery: one recipient of one run on one channel; the row that is the truth.

Owns the states, the one table of transitions and the retry schedule. Never decides what a server's answer means
(that is the channel's work, see `outcome`). The SQL guards are tested against `TRANSITIONS`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from clarion.domain.campaign import Category
from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id, parse_id


class DeliveryState(StrEnum):
    """Where a recipient stands."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


S = DeliveryState
TRANSITIONS: Final[dict[DeliveryState, frozenset[DeliveryState]]] = {
    S.PENDING: frozenset({S.SENDING, S.SKIPPED, S.CANCELLED, S.FAILED}),
    S.SENDING: frozenset({S.SENT, S.FAILED, S.UNKNOWN, S.PENDING}),
    S.UNKNOWN: frozenset({S.SENT, S.FAILED, S.PENDING}),
    S.SENT: frozenset({S.DELIVERED, S.BOUNCED, S.COMPLAINED}),
    S.DELIVERED: frozenset({S.BOUNCED, S.COMPLAINED}),
    S.FAILED: frozenset(),
    S.SKIPPED: frozenset(),
    S.CANCELLED: frozenset(),
    S.BOUNCED: frozenset(),
    S.COMPLAINED: frozenset(),
}
"""From each state, the states it may move to. Nothing else moves a row."""

OPEN_STATES: Final = frozenset({S.PENDING, S.SENDING})
"""A run is complete only when no delivery is in one of these."""


class DeliveryId(NamedTuple):
    """A delivery's name: its run, and its number within the run (from 1)."""

    run_id: Id
    seq: int

    def __str__(self) -> str:
        return f"{self.run_id.hex()}-{self.seq}"


_DELIVERY_ID = re.compile(r"([0-9a-f]{24})-([1-9][0-9]{0,9})", re.ASCII)
_MAX_SEQ = 2**31 - 1


def parse_delivery_id(text: str) -> DeliveryId | None:
    """Reads `<run>-<number>`; anything else is None, which callers answer like an unknown id."""
    match = _DELIVERY_ID.fullmatch(text)
    run_id = parse_id(match[1]) if match else None
    if match is None or run_id is None or int(match[2]) > _MAX_SEQ:
        return None
    return DeliveryId(run_id, int(match[2]))


RETRY_DEADLINE: Final[dict[Category, timedelta]] = {
    Category.MARKETING: timedelta(hours=48),
    Category.TRANSACTIONAL: timedelta(hours=4),
}
"""How long after the start of its run a delivery is still tried."""

_BACKOFF_S: Final = (30, 60, 300, 900, 1800, 3600, 7200, 14400)


def backoff(attempts: int, jitter: float) -> timedelta:
    """The wait before the next try, after `attempts` tries (from 1); `jitter` in [0, 1) stretches it by up to 20 %."""
    base = _BACKOFF_S[min(attempts, len(_BACKOFF_S)) - 1]
    return timedelta(seconds=base * (1 + 0.2 * jitter))


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery as reports show it. `reply` is the other side's own words, `not_before` the time of a retry.

    `contact_id` is None for a recipient of a call who is no contact. `device_id` names the device of a push message.
    """

    id: DeliveryId
    channel: ChannelName
    contact_id: Id | None
    device_id: Id | None
    address: str | None
    state: DeliveryState
    reason: str | None
    reply: str | None
    attempts: int
    not_before: datetime | None
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try that did not end its delivery."""

    no: int
    verdict: str
    reason: str | None
    reply: str | None
    ended_at: datetime
