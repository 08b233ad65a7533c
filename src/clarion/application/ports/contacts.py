"""Storage of contacts and groups, one at a time for the API and in bulk for imports.

What a bulk write does is decided before it comes here. Where to read next: `application.import_merging`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import msgspec

from clarion.domain.contact import Contact, ContactStatus, Identity
from clarion.domain.group import Group
from clarion.domain.ids import Id

EMPTY_OBJECT: Final = msgspec.Raw(b"{}")


@dataclass(frozen=True, slots=True)
class Holder:
    """A stored contact as an import sees it: which identities it holds, and how large its attributes are (bytes)."""

    id: Id
    external_id: str | None
    email: str | None
    email_key: str | None
    phone: str | None
    attributes_size: int


class Given:
    """Which columns an import gives: one bit each, together in `Columns.given`."""

    EXTERNAL_ID: Final = 1
    EMAIL: Final = 2
    PHONE: Final = 4
    FIRST_NAME: Final = 8
    LAST_NAME: Final = 16
    LANGUAGE: Final = 32
    TIMEZONE: Final = 64
    CONSENT_EMAIL: Final = 128
    CONSENT_SMS: Final = 256
    CONSENT_PUSH: Final = 512
    CLEAR_ATTRIBUTES: Final = 1024
    """The stored attributes are dropped before the given ones are merged."""
    IDENTITY: Final = EXTERNAL_ID | EMAIL | PHONE

    @classmethod
    def of(cls, column: str) -> int:
        """The bit of a column of the contact table."""
        bit: int = getattr(cls, "EMAIL" if column == "email_key" else column.upper())
        return bit


class Columns(msgspec.Struct, gc=False):
    """What an import says of one contact. On a stored contact, a column whose bit is in `given` overwrites.

    `attributes` is a JSON object that is merged over the stored one; `dropped` names keys to remove from it.
    """

    id: Id
    given: int = 0
    external_id: str | None = None
    email: str | None = None
    email_key: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    language: str | None = None
    timezone: str | None = None
    attributes: msgspec.Raw = EMPTY_OBJECT
    dropped: tuple[str, ...] = ()
    consent_email: bool | None = None
    consent_sms: bool | None = None
    consent_push: bool | None = None


class Contacts(Protocol):
    """The contacts of all accounts; every method is given the account and sees nothing else."""

    async def find(self, account_id: Id, contact_id: Id) -> Contact | None:
        """Reads one contact that is not deleted."""
        ...

    async def lock_by_identity(self, account_id: Id, identities: Collection[Identity]) -> list[Contact]:
        """Reads and locks every contact holding one of these identities, in its own columns or beside them."""
        ...

    async def lock(self, account_id: Id, contact_id: Id) -> Contact | None:
        """Reads and locks one contact that is not deleted."""
        ...

    async def insert(self, account_id: Id, contact: Contact) -> Contact:
        """Stores a new contact; its times are the database's.

        Raises:
            Conflict: `CONTACT_ADDRESS_TAKEN` when another contact came to hold one of its identities meanwhile.
        """
        ...

    async def update(self, account_id: Id, contact: Contact) -> Contact:
        """Overwrites a stored contact.

        Raises:
            Conflict: `CONTACT_ADDRESS_TAKEN` when another contact came to hold one of its identities meanwhile.
        """
        ...

    async def touch(self, account_id: Id, contact_ids: Sequence[Id]) -> None:
        """Makes now the time of the last change of contacts that are not deleted."""
        ...

    async def set_status(self, account_id: Id, contact_ids: Sequence[Id], status: ContactStatus) -> list[Id]:
        """Gives contacts that are not deleted another status; returns those that had a different one."""
        ...

    async def erase(self, account_id: Id, contact_id: Id) -> bool:
        """Empties a contact of personal data and marks it deleted; False when it is not here."""
        ...

    async def list_after(
        self,
        account_id: Id,
        after: Id | None,
        limit: int,
        *,
        group_id: Id | None = None,
        email_key: str | None = None,
        external_id: str | None = None,
        contact_id: Id | None = None,
    ) -> list[Contact]:
        """Reads contacts above a cursor in order of creation, all given conditions met."""
        ...

    async def list_by_change(
        self,
        account_id: Id,
        *,
        after: tuple[datetime, Id] | None,
        limit: int,
        is_newest_first: bool,
        since: datetime | None,
        until: datetime | None,
        group_id: Id | None,
        contact_ids: Sequence[Id] | None,
        is_deleted: bool,
    ) -> list[Contact]:
        """Reads contacts in order of their last change, then of their id, beyond a cursor of both."""
        ...

    async def existing(self, account_id: Id, contact_ids: Sequence[Id]) -> set[Id]:
        """Which of these contacts are here and not deleted."""
        ...

    async def holders(
        self, account_id: Id, external_ids: Sequence[str], email_keys: Sequence[str], phones: Sequence[str]
    ) -> list[Holder]:
        """Reads and locks every contact that holds one of these identities, once each."""
        ...

    async def copy_new(self, account_id: Id, rows: Sequence[Columns]) -> set[Id]:
        """Stores new contacts in bulk; returns those not stored because an identity was taken meanwhile."""
        ...

    async def overlay(self, account_id: Id, rows: Sequence[Columns], released: Sequence[Id]) -> None:
        """Writes the given columns over stored contacts in bulk; rows that change nothing are not written.

        `released` lose their identities first, so that contacts of one call may exchange them.

        Raises:
            Conflict: `CONTACT_ADDRESS_TAKEN` when another contact came to hold one of the identities meanwhile.
        """
        ...

    async def refresh(self) -> None:
        """Makes counts and plans fast again after a bulk change; call outside a transaction."""
        ...


class Groups(Protocol):
    """The groups and their members."""

    async def insert(self, account_id: Id, group_id: Id, name: str) -> Group:
        """Stores a new group.

        Raises:
            Conflict: `GROUP_NAME_TAKEN`.
        """
        ...

    async def ensure(self, account_id: Id, name: str) -> Id:
        """Returns the id of the group of this name, making it when absent."""
        ...

    async def find(self, account_id: Id, group_id: Id) -> Group | None:
        """Reads one group with its member count."""
        ...

    async def list_after(self, account_id: Id, after: Id | None, limit: int) -> list[Group]:
        """Reads groups above a cursor in order of creation."""
        ...

    async def existing(self, account_id: Id, group_ids: Sequence[Id]) -> set[Id]:
        """Which of these groups are here."""
        ...

    async def newest(
        self, account_id: Id, before: Id | None, limit: int, *, only: Id | None = None, name: str | None = None
    ) -> list[Group]:
        """Reads groups below a cursor, newest first, all given conditions met; `name` in any capitals."""
        ...

    async def rename(self, account_id: Id, group_id: Id, name: str) -> bool:
        """Gives a group another name; False when it is not here.

        Raises:
            Conflict: `GROUP_NAME_TAKEN`.
        """
        ...

    async def named(self, account_id: Id, names: Sequence[str]) -> dict[str, Id]:
        """The ids of the groups among these names that exist."""
        ...

    async def delete(self, account_id: Id, group_id: Id) -> bool:
        """Removes a group; its members are kept for runs that began before. False: no such group."""
        ...

    async def add_members(self, group_id: Id, contact_ids: Sequence[Id]) -> int:
        """Adds members; returns how many were not members before.

        Raises:
            NotFound: the group was deleted meanwhile.
        """
        ...

    async def copy_members(self, group_id: Id, contact_ids: Sequence[Id]) -> None:
        """Adds members in bulk that are known to be in no group yet.

        Raises:
            NotFound: the group was deleted meanwhile.
        """
        ...

    async def remove_members(self, group_id: Id, contact_ids: Sequence[Id]) -> int:
        """Removes members; they are kept for runs that began before. Returns how many were members."""
        ...

    async def sweep_removed(self, limit: int) -> int:
        """Forgets up to `limit` removed members that no run can still need; returns how many."""
        ...

    async def leave_all(self, contact_ids: Sequence[Id]) -> None:
        """Removes contacts from every group; kept for runs that began before."""
        ...
