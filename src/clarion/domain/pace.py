"""Pace: how fast mail may leave. Warm-up plans, what limits a sender's mail, what a booking under its limits says.

Owns no clock and no counting, which are the database's alone. Where to read next: `pipeline/pacing.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from clarion.domain.ids import Id


@dataclass(frozen=True, slots=True)
class WarmUp:
    """A plan by which a sender's daily cap grows: `per_day[0]` messages on `starts_on` (UTC), and so on."""

    starts_on: date
    per_day: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What limits the mail of a sender now, whoever set it: itself, its account, or a server that said "too fast".

    `rate` is in messages a second over all domains, None without limit; `domains` are those with a limit of their own.
    """

    rate: float | None = None
    has_cap: bool = False
    domains: frozenset[str] = field(default_factory=frozenset)

    @property
    def any(self) -> bool:
        """Whether anything at all is limited; only then does a window book."""
        return self.rate is not None or self.has_cap or bool(self.domains)


NO_LIMITS = Limits()


class Booking(NamedTuple):
    """What a window may do: send `may_go` of its messages after `wait_s` seconds, of each domain at most `room`.

    `held_by` is who holds up the rest, `refused_by` who refuses more to a domain: a sender or an account.
    """

    may_go: int
    wait_s: float
    held_by: Id | None
    room: Mapping[str, int]
    refused_by: Mapping[str, Id]


class Waiting(NamedTuple):
    """A delivery that waits for room under the limit of `owner` for `domain`; "" is all its mail."""

    seq: int
    owner: Id
    domain: str
