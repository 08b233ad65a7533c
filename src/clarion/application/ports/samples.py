"""Samples of an audience: some of its people, read to estimate what all of them will get.

Where to read next: `application/sms_estimate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from clarion.domain.campaign import Campaign
from clarion.domain.ids import Id
from clarion.domain.segment import Rule


class Sampled(NamedTuple):
    """Somebody with a telephone number, and what a plan looks at, under the names of templates."""

    phone: str
    contact: dict[str, Any]


class Samples(Protocol):
    """Reads samples; the same audience gives the same one."""

    async def phones(
        self, account_id: Id, campaign: Campaign, rules: Sequence[Rule], columns: frozenset[str], limit: int
    ) -> list[Sampled]:
        """Up to `limit` people of the audience, spread over it, who have a number and did not refuse text messages.

        Fewer than `limit` are all of them. Suppressions are not looked at.
        """
        ...
