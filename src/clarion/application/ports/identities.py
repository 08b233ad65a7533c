"""Storage of identities in namespaces: those a contact holds in its own columns, and all further ones.

Values come here in their canonical form. Where to read next: `application.identities`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from clarion.domain.contact import Contact, Identity
from clarion.domain.ids import Id


class Identities(Protocol):
    """Who is called what, in all accounts; every method is given the account and sees nothing else."""

    async def resolve(self, account_id: Id, identities: Collection[Identity]) -> dict[Identity, Contact]:
        """Finds the contact of each identity that has one, in one statement. A contact's own columns come first."""
        ...

    async def replace(self, account_id: Id, contact_id: Id, identities: Sequence[Identity]) -> None:
        """Makes these the further identities of a contact; those it held and that are not among them are free.

        Raises:
            Conflict: `CONTACT_ADDRESS_TAKEN` when another contact holds one.
        """
        ...

    async def erase(self, contact_id: Id) -> None:
        """Forgets the further identities of a contact."""
        ...

    async def has_further(self, account_id: Id, namespaces: Sequence[str]) -> bool:
        """Whether any contact holds a further identity in one of these namespaces."""
        ...

    async def further(self, account_id: Id, identities: Collection[Identity]) -> set[Identity]:
        """Which of these are further identities of some contact."""
        ...
