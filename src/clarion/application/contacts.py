"""Contacts: create or update by any identity, read, list and erase.

An identity is an `externalId`, an email or a phone number; each belongs to at most one contact of an account. Field
rules are in `contact_rules`; many contacts at once come through `imports`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import UNSET, UnsetType

from clarion.application import contact_rules as rules
from clarion.application.ports import Transaction
from clarion.domain.contact import Attributes, Consent, Contact
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem
from clarion.domain.ids import Id, new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactDraft:
    """What a caller says about a contact: UNSET leaves a field as it is, None clears it.

    `attributes` are merged key by key over the stored ones, and a key given as None is removed; None removes all.
    `contact_id` names the contact to change when the caller already knows it.
    """

    contact_id: Id | UnsetType = UNSET
    external_id: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET
    first_name: str | UnsetType | None = UNSET
    last_name: str | UnsetType | None = UNSET
    language: str | UnsetType | None = UNSET
    timezone: str | UnsetType | None = UNSET
    attributes: Attributes | UnsetType | None = UNSET
    consent_email: bool | UnsetType | None = UNSET
    consent_sms: bool | UnsetType | None = UNSET
    consent_push: bool | UnsetType | None = UNSET


async def save_contact(tx: Transaction, *, account_id: Id, draft: ContactDraft) -> tuple[Contact, bool]:
    """Creates the contact, or updates the one that `contact_id`, else `externalId`, else email, else phone names.

    The second value tells whether it was created. Runs in the caller's transaction. Safe to repeat because the
    second call finds what the first one stored.

    Raises:
        Invalid: with one problem per broken field rule, or when no identity is given.
        NotFound: `contact_id` names no contact of this account.
        Conflict: `CONTACT_ADDRESS_TAKEN` when another contact holds one of the identities.
    """
    raise NotImplementedError


async def get_contact(tx: Transaction, *, account_id: Id, contact_id: Id) -> Contact:
    """Reads one contact.

    Raises:
        NotFound: it is unknown, deleted or another account's.
    """
    contact = await tx.contacts.find(account_id, contact_id)
    if contact is None:
        raise NotFound("contact")
    return contact


async def list_contacts(
    tx: Transaction,
    *,
    account_id: Id,
    after: Id | None,
    limit: int,
    group_id: Id | None = None,
    email: str | None = None,
    external_id: str | None = None,
) -> list[Contact]:
    """Reads up to `limit` contacts with ids above `after`, all given conditions met. `email` in any spelling."""
    raise NotImplementedError


async def delete_contact(tx: Transaction, *, account_id: Id, contact_id: Id) -> None:
    """Erases a contact's personal data and memberships; its row stays so that ledgers naming it still add up.

    Suppressions of its addresses stay too: a person who asked not to be written to stays unwritten. Runs in the
    caller's transaction.

    Raises:
        NotFound: it is unknown, already deleted or another account's.
    """
    if not await tx.contacts.erase(account_id, contact_id):
        raise NotFound("contact")
    await tx.groups.remove_everywhere(contact_id)
