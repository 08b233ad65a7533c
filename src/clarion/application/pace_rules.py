"""What limits may say: rates by recipient domain, daily caps, and warm-up plans.

Changes nothing; that is `senders` and `account_settings`. Where to read next: `domain/pace`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from clarion.application.contact_rules import Refusal
from clarion.domain.errors import Problem
from clarion.domain.pace import WarmUp
from clarion.rendering.addresses import AddressFault, parse_domain

RATE_LIMIT: Final = 100_000.0
RATE_LEAST: Final = 0.001
"""A message in 17 minutes; below it, the time until a message leaves has no end anybody would wait for."""
DOMAINS_LIMIT: Final = 100
CAP_LIMIT: Final = 1_000_000_000
DAYS_LIMIT: Final = 365
FACTOR_LIMIT: Final = 10.0
FACTOR_LEAST: Final = 1.01


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUpDraft:
    """A plan as a caller says it: day by day, or by its first day, its daily growth and where it ends."""

    starts_on: date | None = None
    per_day: Sequence[int] | None = None
    start: int | None = None
    factor: float | None = None
    until: int | None = None


def read_rate(value: float) -> float | Refusal:
    """A rate in messages a second."""
    if RATE_LEAST <= value <= RATE_LIMIT:
        return value
    return Refusal("range", f"{RATE_LEAST:g} to {RATE_LIMIT:.0f}; leave it out for no limit")


def read_domain_rates(rates: Mapping[str, float]) -> dict[str, float] | Refusal:
    """Rates by recipient domain, each domain in lower-case A-labels, as addresses hold it."""
    if len(rates) > DOMAINS_LIMIT:
        return Refusal("maxProperties", f"at most {DOMAINS_LIMIT} domains")
    read: dict[str, float] = {}
    for name, rate in rates.items():
        domain, value = parse_domain(name), read_rate(rate)
        if isinstance(domain, AddressFault):
            return Refusal("domain", f"{name[:253]!r}: {domain.message}")
        if isinstance(value, Refusal):
            return Refusal(value.rule, f"{name[:253]}: {value.message}")
        if domain in read:
            return Refusal("unique", f"{domain} is named twice")
        read[domain] = value
    return read


def read_cap(value: int) -> int | Refusal:
    """Messages a day."""
    return value if 1 <= value <= CAP_LIMIT else Refusal("range", f"1 to {CAP_LIMIT}; leave it out for no cap")


def read_warm_up(draft: WarmUpDraft, today: date) -> WarmUp | Problem:
    """The plan day by day; it starts today unless it says when."""
    growth = (draft.start, draft.factor, draft.until)
    if (draft.per_day is None) == (growth == (None, None, None)):
        return Problem("warmUp", "oneOf", "give either perDay, or start, factor and until")
    per_day = draft.per_day if draft.per_day is not None else _grown(draft)
    if isinstance(per_day, Problem):
        return per_day
    if not 1 <= len(per_day) <= DAYS_LIMIT:
        return Problem("warmUp.perDay", "maxItems", f"a plan of 1 to {DAYS_LIMIT} days")
    if not all(1 <= messages <= CAP_LIMIT for messages in per_day):
        return Problem("warmUp.perDay", "range", f"1 to {CAP_LIMIT} messages on each day")
    return WarmUp(draft.starts_on or today, tuple(per_day))


def _grown(draft: WarmUpDraft) -> list[int] | Problem:
    start, factor, until = draft.start, draft.factor, draft.until
    if start is None or factor is None or until is None:
        missing = next(name for name in ("start", "factor", "until") if getattr(draft, name) is None)
        return Problem(f"warmUp.{missing}", "required", "start, factor and until go together")
    if not 1 <= start <= CAP_LIMIT:
        return Problem("warmUp.start", "range", f"1 to {CAP_LIMIT}")
    if not FACTOR_LEAST <= factor <= FACTOR_LIMIT:
        return Problem("warmUp.factor", "range", f"{FACTOR_LEAST} to {FACTOR_LIMIT:.0f}")
    if not start <= until <= CAP_LIMIT:
        return Problem("warmUp.until", "range", f"from start to {CAP_LIMIT}")
    days = [start]
    while days[-1] < until and len(days) <= DAYS_LIMIT:
        days.append(min(until, max(days[-1] + 1, round(days[-1] * factor))))
    return days
