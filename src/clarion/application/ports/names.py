"""Finding things by a name whose capitals do not matter.

Where to read next: `application.names`.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Protocol

from clarion.domain.ids import Id
from clarion.domain.sequence import GroupName


class Named(StrEnum):
    """What has names."""

    GROUP = "group"
    SEQUENCE = "sequence"


class Names(Protocol):
    """The names in all accounts; every method is given the account and sees nothing else."""

    async def hold(self, account_id: Id) -> None:
        """Lets one transaction at a time give names in this account, until this one ends."""
        ...

    async def holders(self, account_id: Id, kind: Named, name: str) -> list[Id]:
        """Whatever of this kind has this name, in any spelling of capitals; archived ones too."""
        ...

    async def groups(self, account_id: Id, ids: Collection[Id], names: Collection[str]) -> list[GroupName]:
        """The groups with these ids or these names, in any spelling of capitals, oldest first."""
        ...

    async def groups_of(self, contact_ids: Collection[Id]) -> dict[Id, list[GroupName]]:
        """The groups each of these contacts is in, oldest first."""
        ...

    async def count(self, account_id: Id, kind: Named) -> int:
        """How many of this kind the account has."""
        ...
