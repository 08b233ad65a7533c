"""Contacts: create or update by any identity, read, list and erase.

An identity is an `externalId`, an email, a phone number or a value in another namespace (`identities`); each belongs to
at most one contact of an account. Field rules are in `contact_rules`, the choice of the contact in `identity`; many
contacts at once come through `imports`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from msgspec import UNSET, UnsetType

from clarion.application import contact_rules as rules
from clarion.application.contact_fields import check_attributes
from clarion.application.identities import keep_identities, lock_target, read_identities, resolve
from clarion.application.national_numbers import country_of
from clarion.application.ports import Transaction
from clarion.domain.contact import Attributes, Consent, Contact, ContactStatus
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem
from clarion.domain.ids import Id, new_id
from clarion.rendering.addresses import AddressFault, email_key, parse_email


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactDraft:
    """What a caller says about a contact: UNSET leaves a field as it is, None clears it.

    `attributes` are merged key by key over the stored ones, and a key given as None is removed; None removes all.
    `identities` are (namespace, value), beside the three of their own, and replace the stored ones. `contact_id` names
    the contact to change when the caller already knows it. `may_be_nameless` allows a contact without any identity.
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
    status: ContactStatus | UnsetType = UNSET
    identities: Sequence[tuple[str, str]] | UnsetType | None = UNSET
    may_be_nameless: bool = False


_Reader = tuple[str, str, Callable[[str], str | rules.Refusal]]
_READERS: Final[tuple[_Reader, ...]] = (
    ("external_id", "externalId", rules.read_external_id),
    ("first_name", "firstName", rules.read_name),
    ("last_name", "lastName", rules.read_name),
    ("language", "language", rules.read_language),
    ("timezone", "timezone", rules.read_timezone),
)
_OF_NUMBERS: Final = frozenset({"phone", "tel"})
_NOBODY: Final = Contact(
    id=Id(b""), created_at=datetime.min.replace(tzinfo=UTC), updated_at=datetime.min.replace(tzinfo=UTC)
)


async def save_contact(tx: Transaction, *, account_id: Id, draft: ContactDraft) -> tuple[Contact, bool]:
    """Creates the contact, or updates the one that `contact_id`, else its identities name, in the order of `identity`.

    The second value tells whether it was created. Runs in the caller's transaction. Safe to repeat because the
    second call finds what the first one stored, also when both come at once.

    Raises:
        Invalid: with one problem per broken field rule, or when no identity is given.
        NotFound: `contact_id` names no contact of this account.
        Conflict: `CONTACT_ADDRESS_TAKEN` when another contact holds one of the identities.
    """
    return await _save(tx, account_id, draft, is_again=False)


async def _save(tx: Transaction, account_id: Id, draft: ContactDraft, *, is_again: bool) -> tuple[Contact, bool]:
    changes, attributes = await _checked(tx, account_id, draft)
    target = await lock_target(tx, account_id, draft.contact_id, changes)
    contact = keep_identities(target or _NOBODY, changes, is_named=draft.contact_id is not UNSET)
    if not draft.may_be_nameless and not (contact.identities or contact.external_id or contact.email or contact.phone):
        raise Invalid(Problem("email", "identity", "a contact needs an externalId, an email, a phone or an identity"))
    contact = _with_attributes(contact, target, attributes)
    contact = dataclasses.replace(contact, consent=_consent(contact.consent, draft))
    if target is None:
        try:
            saved = await tx.contacts.insert(account_id, dataclasses.replace(contact, id=new_id()))
        except Conflict:
            if is_again:
                raise
            return await _save(tx, account_id, draft, is_again=True)  # made since it was looked for: now it is found
    else:
        saved = await tx.contacts.update(account_id, contact)
    if contact.identities != saved.identities:
        await tx.identities.replace(account_id, saved.id, contact.identities)
        saved = dataclasses.replace(saved, identities=contact.identities)
    return saved, target is None


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
    identity: tuple[str, str] | None = None,
) -> list[Contact]:
    """Reads up to `limit` contacts with ids above `after`, all given conditions met.

    `email` is in any spelling, `identity` a canonical (namespace, value).

    Raises:
        NotFound: the group is unknown or another account's.
    """
    if group_id is not None and await tx.groups.find(account_id, group_id) is None:
        raise NotFound("group")
    if any(text is not None and rules.check_text(text) for text in (email, external_id)):
        return []
    contact_id = None
    if identity is not None:
        holder = (await resolve(tx, account_id=account_id, pairs=[identity])).get(identity)
        if holder is None:
            return []
        contact_id = holder.id
    key = None if email is None else email_key(email)
    return await tx.contacts.list_after(
        account_id, after, limit, group_id=group_id, email_key=key, external_id=external_id, contact_id=contact_id
    )


async def list_contacts_by_change(
    tx: Transaction,
    *,
    account_id: Id,
    after: tuple[datetime, Id] | None = None,
    limit: int,
    is_newest_first: bool = True,
    since: datetime | None = None,
    until: datetime | None = None,
    group_id: Id | None = None,
    contact_ids: Sequence[Id] | None = None,
    is_deleted: bool = False,
) -> list[Contact]:
    """Reads up to `limit` contacts in order of their last change, all given conditions met.

    `after` is the change time and id of the last one read, `since` and `until` bound the time of the change and count
    themselves in. `is_deleted` reads the deleted ones, of which only the id and the times are left, and no others.
    """
    return await tx.contacts.list_by_change(
        account_id,
        after=after,
        limit=limit,
        is_newest_first=is_newest_first,
        since=since,
        until=until,
        group_id=group_id,
        contact_ids=contact_ids,
        is_deleted=is_deleted,
    )


async def delete_contact(tx: Transaction, *, account_id: Id, contact_id: Id) -> None:
    """Erases a contact's personal data, notes and memberships; its row stays so that ledgers naming it still add up.

    Suppressions of its addresses stay too: a person who asked not to be written to stays unwritten. Runs in the
    caller's transaction.

    Raises:
        NotFound: it is unknown, already deleted or another account's.
    """
    if not await tx.contacts.erase(account_id, contact_id):
        raise NotFound("contact")
    await tx.identities.erase(contact_id)
    await tx.notes.erase(contact_id)
    await tx.devices.erase(contact_id)
    await tx.inbound.erase(contact_id)
    await tx.groups.leave_all([contact_id])


async def _checked(
    tx: Transaction, account_id: Id, draft: ContactDraft
) -> tuple[dict[str, Any], Attributes | UnsetType | None]:
    """The columns to change, and the attributes to merge. Raises `Invalid` with every problem at once."""
    identities = () if draft.identities is UNSET else draft.identities or ()
    numbers = [value for namespace, value in identities if namespace.strip(" ").lower() in _OF_NUMBERS]
    country = await country_of(tx, account_id, draft.phone, *numbers)
    readers: tuple[_Reader, ...] = (*_READERS, ("phone", "phone", partial(rules.read_phone, country=country)))
    changes: dict[str, Any] = {} if draft.status is UNSET else {"status": draft.status}
    problems: list[Problem] = []
    for column, field, read in readers:
        value = getattr(draft, column)
        if value is UNSET:
            continue
        result = value if value is None else read(value)
        if isinstance(result, rules.Refusal):
            problems.append(Problem(field, result.rule, result.message))
        changes[column] = result
    _check_email(draft.email, changes, problems)
    _check_identities(draft.identities, country, changes, problems)
    attributes = draft.attributes
    if isinstance(attributes, dict):
        refused = rules.read_attributes(attributes)
        if isinstance(refused, rules.Refusal):
            problems.append(Problem("attributes", refused.rule, refused.message))
        else:
            attributes, wrong = await check_attributes(tx, account_id=account_id, attributes=attributes)
            problems += wrong
    if problems:
        raise Invalid.of(problems)
    return changes, attributes


def _check_email(email: str | UnsetType | None, changes: dict[str, Any], problems: list[Problem]) -> None:
    if email is None:
        changes.update(email=None, email_key=None)
    elif isinstance(email, str):
        address = parse_email(email)
        if isinstance(address, AddressFault):
            problems.append(Problem("email", address.rule, address.message))
        else:
            changes.update(email=address.mailbox, email_key=address.key)


def _check_identities(
    given: Sequence[tuple[str, str]] | UnsetType | None,
    country: str | None,
    changes: dict[str, Any],
    problems: list[Problem],
) -> None:
    if isinstance(given, UnsetType):
        return
    read = read_identities(given or (), country)
    if isinstance(read, tuple):
        changes["identities"] = read
    else:
        problems += read


def _with_attributes(contact: Contact, target: Contact | None, given: Attributes | UnsetType | None) -> Contact:
    stored = target.attributes if target else {}
    if isinstance(given, UnsetType):
        attributes = stored
    else:
        merged = {} if given is None else stored | given
        attributes = {name: value for name, value in merged.items() if value is not None}
    refused = rules.read_attributes(attributes)
    if isinstance(refused, rules.Refusal):
        raise Invalid(Problem("attributes", refused.rule, f"together with those stored, {refused.message}"))
    return dataclasses.replace(contact, attributes=attributes)


def _consent(stored: Consent, draft: ContactDraft) -> Consent:
    given = {"email": draft.consent_email, "sms": draft.consent_sms, "push": draft.consent_push}
    return dataclasses.replace(stored, **{name: value for name, value in given.items() if value is not UNSET})
