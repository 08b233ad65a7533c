"""Storage of suppressions, by canonical address key only.

Keys are made by the caller, never here. Where to read next: `application.suppressions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id
from clarion.domain.suppression import CampaignSuppression, Suppression, SuppressionReason


class NewSuppression(NamedTuple):
    """An address to suppress; `source` says where that comes from."""

    account_id: Id
    channel: ChannelName
    address_key: str
    reason: SuppressionReason
    source: str


class Suppressions(Protocol):
    """The suppressed addresses of all accounts; every method is given the account and sees nothing else."""

    async def add(self, suppressions: Sequence[NewSuppression]) -> int:
        """Suppresses addresses; returns how many changed. A weaker reason never replaces a stronger one."""
        ...

    async def remove(self, account_id: Id, channel: ChannelName, address_key: str) -> bool:
        """Lifts one suppression; False when there is none."""
        ...

    async def resubscribe(self, channel: ChannelName, addresses: Sequence[tuple[Id, str]]) -> None:
        """Lifts the suppressions of (account, key) that stand for `unsubscribed` and for nothing else."""
        ...

    async def find(self, account_id: Id, channel: ChannelName, address_key: str) -> Suppression | None:
        """Reads one suppression."""
        ...

    async def list_after(
        self,
        account_id: Id,
        after: tuple[ChannelName, str] | None,
        limit: int,
        channel: ChannelName | None = None,
    ) -> list[Suppression]:
        """Reads suppressions above a cursor, ordered by channel and key."""
        ...

    async def delivery_address(self, account_id: Id, run_id: Id, seq: int) -> tuple[ChannelName, str] | None:
        """The channel and address a delivery of this account was sent to; None when there is no such or no address."""
        ...

    async def add_for_campaign(self, account_id: Id, campaign_id: Id, channel: ChannelName, address_key: str) -> bool:
        """Keeps one campaign from writing to an address; False when it was kept from that already."""
        ...

    async def add_for_numbers(self, channel: ChannelName, opt_outs: Sequence[tuple[Id, int, str]]) -> None:
        """Keeps campaigns from writing to addresses: (account, the campaign's number, key).

        A number that no campaign of the account has is passed over.
        """
        ...

    async def remove_for_campaign(
        self, account_id: Id, campaign_id: Id, channel: ChannelName, address_key: str
    ) -> bool:
        """Lifts one suppression of a campaign; False when there is none."""
        ...

    async def find_for_campaign(
        self, account_id: Id, campaign_id: Id, channel: ChannelName, address_key: str
    ) -> CampaignSuppression | None:
        """Reads one suppression of a campaign."""
        ...

    async def list_for_campaign(
        self, account_id: Id, campaign_id: Id, after: tuple[ChannelName, str] | None, limit: int
    ) -> list[CampaignSuppression]:
        """Reads suppressions of a campaign above a cursor, ordered by channel and key."""
        ...
