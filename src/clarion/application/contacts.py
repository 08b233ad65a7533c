"""Contacts: create or update by any identity, read, list and erase.

An identity is an `externalId`, an email or a phone number; each belongs to at most one contact of an account. Field
rules are in `contact_rules`, the choice of the contact in `identity`; many contacts at once come through `imports`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import UNSET, UnsetType

from clarion.application import contact_rules as rules
from clarion.application.identity import Identities, Taken, claim, match
from clarion.application.ports import Transaction
from clarion.domain.contact import Attributes, Consent, Contact
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem
from clarion.domain.ids import Id, new_id
from clarion.rendering.addresses import AddressFault, email_key, parse_email


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


_READERS: Final[tuple[tuple[str, str, Callable[[str], str | rules.Refusal]], ...]] = (
    ("external_id", "externalId", rules.read_external_id),
    ("phone", "phone", rules.read_phone),
    ("first_name", "firstName", rules.read_name),
    ("last_name", "lastName", rules.read_name),
    ("language", "language", rules.read_language),
    ("timezone", "timezone", rules.read_timezone),
)
_NOBODY: Final = Contact(
    id=Id(b""), created_at=datetime.min.replace(tzinfo=UTC), updated_at=datetime.min.replace(tzinfo=UTC)
)


async def save_contact(tx: Transaction, *, account_id: Id, draft: ContactDraft) -> tuple[Contact, bool]:
    """Creates the contact, or updates the one that `contact_id`, else `externalId`, else email, else phone names.

    The second value tells whether it was created. Runs in the caller's transaction. Safe to repeat because the
    second call finds what the first one stored.

    Raises:
        Invalid: with one problem per broken field rule, or when no identity is given.
        NotFound: `contact_id` names no contact of this account.
        Conflict: `CONTACT_ADDRESS_TAKEN` when another contact holds one of the identities.
    """
    changes = _checked(draft)
    target = await _target(tx, account_id, draft.contact_id, changes)
    contact = dataclasses.replace(target or _NOBODY, **changes)
    if (contact.external_id, contact.email, contact.phone) == (None, None, None):
        raise Invalid(Problem("email", "identity", "a contact needs an externalId, an email or a phone"))
    contact = _with_attributes(contact, target, draft)
    if target is None:
        return await tx.contacts.insert(account_id, dataclasses.replace(contact, id=new_id())), True
    return await tx.contacts.update(account_id, contact), False


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
    """Reads up to `limit` contacts with ids above `after`, all given conditions met. `email` in any spelling.

    Raises:
        NotFound: the group is unknown or another account's.
    """
    if group_id is not None and await tx.groups.find(account_id, group_id) is None:
        raise NotFound("group")
    if any(text is not None and rules.check_text(text) for text in (email, external_id)):
        return []
    key = None if email is None else email_key(email)
    return await tx.contacts.list_after(
        account_id, after, limit, group_id=group_id, email_key=key, external_id=external_id
    )


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


def _checked(draft: ContactDraft) -> dict[str, Any]:
    """The columns to change. Raises `Invalid` with every problem at once."""
    changes: dict[str, Any] = {}
    problems: list[Problem] = []
    for column, field, read in _READERS:
        value = getattr(draft, column)
        if value is UNSET:
            continue
        result = value if value is None else read(value)
        if isinstance(result, rules.Refusal):
            problems.append(Problem(field, result.rule, result.message))
        changes[column] = result
    _check_email(draft.email, changes, problems)
    if isinstance(draft.attributes, dict):
        refused = rules.read_attributes(draft.attributes)
        if isinstance(refused, rules.Refusal):
            problems.append(Problem("attributes", refused.rule, refused.message))
    if problems:
        raise Invalid.of(problems)
    return changes


def _check_email(email: str | UnsetType | None, changes: dict[str, Any], problems: list[Problem]) -> None:
    if email is None:
        changes.update(email=None, email_key=None)
    elif isinstance(email, str):
        address = parse_email(email)
        if isinstance(address, AddressFault):
            problems.append(Problem("email", address.rule, address.message))
        else:
            changes.update(email=address.mailbox, email_key=address.key)


async def _target(
    tx: Transaction, account_id: Id, contact_id: Id | UnsetType, changes: dict[str, Any]
) -> Contact | None:
    given: Identities = (changes.get("external_id"), changes.get("email_key"), changes.get("phone"))
    named = await _named(tx, account_id, contact_id)
    holders = await _holders(tx, account_id, given)
    if named is not None:
        holders = [named, *(holder for holder in holders if holder.id != named.id)]
    holder_of = _finders(holders)
    try:
        if named is None:
            return match(given, holder_of)
        claim(named, given, holder_of)
    except Taken as taken:
        raise Conflict("CONTACT_ADDRESS_TAKEN", str(taken)) from taken
    return named


async def _named(tx: Transaction, account_id: Id, contact_id: Id | UnsetType) -> Contact | None:
    if isinstance(contact_id, UnsetType):
        return None
    named = await tx.contacts.lock(account_id, contact_id)
    if named is None:
        raise NotFound("contact")
    return named


async def _holders(tx: Transaction, account_id: Id, given: Identities) -> list[Contact]:
    if given == (None, None, None):
        return []
    external_id, key, phone = given
    return await tx.contacts.lock_by_identity(account_id, external_id=external_id, email_key=key, phone=phone)


def _finders(holders: Sequence[Contact]) -> tuple[Callable[[str], Contact | None], ...]:
    return (
        {holder.external_id: holder for holder in holders}.get,
        {holder.email_key: holder for holder in holders}.get,
        {holder.phone: holder for holder in holders}.get,
    )


def _with_attributes(contact: Contact, target: Contact | None, draft: ContactDraft) -> Contact:
    stored = target.attributes if target else {}
    if isinstance(draft.attributes, UnsetType):
        attributes = stored
    else:
        merged = {} if draft.attributes is None else stored | draft.attributes
        attributes = {name: value for name, value in merged.items() if value is not None}
    refused = rules.read_attributes(attributes)
    if isinstance(refused, rules.Refusal):
        raise Invalid(Problem("attributes", refused.rule, f"together with those stored, {refused.message}"))
    return dataclasses.replace(contact, attributes=attributes, consent=_consent(contact.consent, draft))


def _consent(stored: Consent, draft: ContactDraft) -> Consent:
    given = {"email": draft.consent_email, "sms": draft.consent_sms, "push": draft.consent_push}
    return dataclasses.replace(stored, **{name: value for name, value in given.items() if value is not UNSET})
