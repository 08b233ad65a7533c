"""Identities: finding contacts by any name they go by.

An identity is a namespace and a value. The namespaces `email`, `phone` and `external_id` are those of a contact's own
columns; a contact may hold further values in them (a second address) and values in namespaces of the caller's choosing,
such as `crmid` or `telegram`. Within an account each belongs to one contact. Where to read next: `identity`, which
decides whom several of them mean.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from msgspec import UnsetType

from clarion.application import contact_rules as rules
from clarion.application.contact_rules import Refusal
from clarion.application.identity import Taken, claim, match
from clarion.application.ports import Transaction
from clarion.domain.contact import OWN_NAMESPACES, Contact, Identity
from clarion.domain.errors import Conflict, NotFound, Problem
from clarion.domain.ids import Id
from clarion.rendering.addresses import AddressFault, parse_email

IDENTITIES_LIMIT: Final = 100
"""Further identities of one contact."""
NAMESPACE_LIMIT: Final = 64

_NAMESPACE = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{NAMESPACE_LIMIT - 1}}}", re.ASCII)
_SAME: Final = {"mailto": "email", "tel": "phone", "externalid": "external_id"}


def canonical(namespace: str, value: str, country: str | None = None) -> Identity | Refusal:
    """The one form of an identity that is stored and compared.

    Namespaces lose their capitals; `mailto` is `email`, `tel` is `phone`, `externalId` is `external_id`. An email
    address becomes its key, a phone number is in E.164 (one without its country is of this one), everything else is
    compared as it is, to 255 characters.
    """
    given = namespace.strip(" ")
    if not _NAMESPACE.fullmatch(given):
        return Refusal("namespace", f"must be 1 to {NAMESPACE_LIMIT} letters, digits, dots, hyphens or underscores")
    name = _SAME.get(given.lower(), given.lower())
    if name == "phone":
        result = rules.read_phone(value, country)
    else:
        result = _read_email(value) if name == "email" else rules.read_external_id(value)
    return result if isinstance(result, Refusal) else Identity(name, result)


def _read_email(value: str) -> str | Refusal:
    address = parse_email(value)
    return Refusal(address.rule, address.message) if isinstance(address, AddressFault) else address.key


async def resolve(
    tx: Transaction, *, account_id: Id, pairs: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Contact]:
    """Finds the contact of each canonical (namespace, value) that has one; one statement, however many are given."""
    found = await tx.identities.resolve(account_id, [Identity(*pair) for pair in pairs])
    return {(identity.namespace, identity.value): contact for identity, contact in found.items()}


def read_identities(
    given: Sequence[tuple[str, str]], country: str | None = None
) -> tuple[Identity, ...] | list[Problem]:
    """The identities as they are stored, each once; else what is wrong with them."""
    if len(given) > IDENTITIES_LIMIT:
        return [Problem("identities", "maxItems", f"must be at most {IDENTITIES_LIMIT}")]
    read = [canonical(*pair, country) for pair in given]
    problems = [
        Problem(f"identities[{number}]", refusal.rule, refusal.message)
        for number, refusal in enumerate(read)
        if isinstance(refusal, Refusal)
    ]
    return problems or tuple(dict.fromkeys(one for one in read if isinstance(one, Identity)))


async def lock_target(
    tx: Transaction, account_id: Id, contact_id: Id | UnsetType, changes: Mapping[str, Any]
) -> Contact | None:
    """Reads and locks the contact that the given columns mean, None when they mean nobody yet.

    Raises:
        NotFound: `contact_id` names no contact of this account.
        Conflict: `CONTACT_ADDRESS_TAKEN` when another contact holds one of the identities.
    """
    own = (changes.get("external_id"), changes.get("email_key"), changes.get("phone"))
    further = tuple(changes.get("identities", ()))
    named = None if isinstance(contact_id, UnsetType) else await _named(tx, account_id, contact_id)
    holders = await _lock_holders(tx, account_id, own, further)
    if named is not None:
        holders = [named, *(holder for holder in holders if holder.id != named.id)]
    holder_of = _finders(holders, further)
    given = (*own, *(one.value for one in further))
    try:
        if named is None:
            return match(given, holder_of)
        claim(named, given, holder_of)
    except Taken as taken:
        raise Conflict("CONTACT_ADDRESS_TAKEN", str(taken)) from taken
    return named


def keep_identities(contact: Contact, changes: Mapping[str, Any], *, is_named: bool) -> Contact:
    """The contact with its new columns, its identities in order.

    Whoever was found by a second address keeps the first one; `is_named` says that the caller knew the contact
    otherwise and means to change it. None of its own identities stands among the further ones too.
    """
    kept = dict(changes)
    further = tuple(kept.pop("identities", contact.identities))
    for namespace, column in zip(OWN_NAMESPACES, ("external_id", "email_key", "phone"), strict=True):
        found_by = Identity(namespace, kept.get(column) or "")
        if found_by in contact.identities and not is_named and contact.own(namespace) is not None:
            further = tuple(dict.fromkeys((*further, found_by)))
            del kept[column]
            kept.pop("email" if namespace == "email" else column, None)
    changed = dataclasses.replace(contact, **kept)
    own = {Identity(namespace, changed.own(namespace) or "") for namespace in OWN_NAMESPACES}
    return dataclasses.replace(changed, identities=tuple(one for one in further if one not in own))


async def _named(tx: Transaction, account_id: Id, contact_id: Id) -> Contact:
    named = await tx.contacts.lock(account_id, contact_id)
    if named is None:
        raise NotFound("contact")
    return named


async def _lock_holders(
    tx: Transaction, account_id: Id, own: tuple[str | None, ...], further: Sequence[Identity]
) -> list[Contact]:
    if not any(own) and not further:
        return []
    given = [Identity(name, value) for name, value in zip(OWN_NAMESPACES, own, strict=True) if value is not None]
    return await tx.contacts.lock_by_identity(account_id, [*given, *further])


def _finders(holders: Sequence[Contact], further: Sequence[Identity]) -> tuple[Callable[[str], Contact | None], ...]:
    """For each given identity, in order, what finds its holder; a contact's own identities come before further ones."""
    held: dict[Identity, Contact] = {identity: holder for holder in holders for identity in holder.identities}
    for holder in holders:
        for namespace in OWN_NAMESPACES:
            value = holder.own(namespace)
            if value is not None:
                held[Identity(namespace, value)] = holder

    def finder(namespace: str) -> Callable[[str], Contact | None]:
        return lambda value: held.get(Identity(namespace, value))

    return tuple(finder(namespace) for namespace in (*OWN_NAMESPACES, *(one.namespace for one in further)))
