"""Reading what a caller says of a contact, checking it by this API's rules, and saving it with its groups and a note.

Where to read next: `application.contacts`, which keeps the rules of contacts themselves.
"""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec import UNSET, UnsetType

from clarion.application import contacts, groups
from clarion.application.contact_fields import list_fields, read_value
from clarion.application.contact_rules import Refusal
from clarion.application.contacts import ContactDraft
from clarion.application.identities import resolve
from clarion.application.notes import NOTE_LIMIT, add_note
from clarion.application.ports import Transaction
from clarion.domain.access import Account
from clarion.domain.contact import Attributes, Contact, ContactStatus, Identity
from clarion.domain.errors import Invalid, Problem
from clarion.domain.ids import Id
from clarion.entrypoints.http.dialects.textit.calls import Call
from clarion.entrypoints.http.dialects.textit.contact_finding import groups_named, urn_in_query
from clarion.entrypoints.http.dialects.textit.contact_mapping import names_in
from clarion.entrypoints.http.dialects.textit.inputs import (
    NAME_LIMIT,
    REFERENCES_LIMIT,
    Inputs,
    not_a_dict,
    not_a_list,
    too_many,
)
from clarion.entrypoints.http.dialects.textit.urns import held_as, read_urn

_LANGUAGE = re.compile(r"[a-z]{3}", re.ASCII)
_TAKEN: Final = "URN is in use by another contact."
_FIELDS: Final = {
    "firstName": "name", "lastName": "name", "email": "urns", "phone": "urns", "externalId": "urns",
    "identities": "urns",
}  # fmt: skip


async def save(tx: Transaction, call: Call, account: Account, target: Contact | None) -> tuple[Contact, bool]:
    """Saves what the body says; tells whether it made a contact. Raises `Refusal` with every mistake."""
    inputs = Inputs(call.body)
    said: dict[str, Any] = {}
    _read_person(inputs, said)
    note = inputs.text("note", limit=NOTE_LIMIT, required=False, nullable=True)
    identities = await _read_urns(tx, call, inputs, account, target)
    if identities is not None:
        held = held_as(identities)
        said |= {"email": held.email, "phone": held.phone, "external_id": held.external_id, "identities": held.further}
    group_ids = await groups_named(tx, call, inputs, "groups")
    if group_ids and target and target.status is not ContactStatus.ACTIVE:
        inputs.refuse("groups", "Non-active contacts can't be added to groups")
    attributes = await _read_fields(tx, call, inputs, account)
    inputs.close()
    draft = ContactDraft(contact_id=target.id if target else UNSET, attributes=attributes, may_be_nameless=True, **said)
    contact, is_new = await _stored(tx, call, draft)
    if target is None and not is_new and "urns" in inputs:  # somebody made a contact with one of them a moment ago
        inputs.problems["urns"] = {"0": [_TAKEN]}
        inputs.close()
    if group_ids is not None:
        await _regroup(tx, call, contact, group_ids)
    if note:
        by = call.principal.owner_email or ""
        await add_note(tx, account_id=call.account_id, contact_id=contact.id, text=note, created_by=by)
    return contact, is_new


def _read_person(inputs: Inputs, said: dict[str, Any]) -> None:
    if "name" in inputs:
        first, last = names_in(inputs.text("name", limit=NAME_LIMIT, nullable=True))
        said |= {"first_name": first, "last_name": last}
    if "language" in inputs:
        language = inputs.given("language", nullable=True) or None
        if language is not None and not (isinstance(language, str) and _LANGUAGE.fullmatch(language)):
            inputs.refuse("language", "Not a valid ISO639-3 language code.")
        said["language"] = language


async def _read_urns(
    tx: Transaction, call: Call, inputs: Inputs, account: Account, target: Contact | None
) -> list[Identity] | None:
    named = urn_in_query(call, account)
    if named is not None and "urns" in inputs:
        inputs.refuse("urns", "Field not allowed when using URN in URL")
        return None
    if named is not None:
        return [named] if target is None else None
    texts = inputs.given("urns", required=False)
    if texts is None:
        return None
    if not isinstance(texts, list):
        inputs.refuse("urns", not_a_list(texts))
        return None
    if len(texts) > REFERENCES_LIMIT:
        inputs.refuse("urns", too_many(REFERENCES_LIMIT))
        return None
    read = [read_urn(text, account.country) if isinstance(text, str) else None for text in texts]
    identities = [identity for identity in read if identity is not None]
    holders = await resolve(tx, account_id=call.account_id, pairs=identities) if identities else {}
    wrong = {}
    for place, (text, identity) in enumerate(zip(texts, read, strict=True)):
        if identity is None:
            wrong[str(place)] = [f"Invalid URN: {str(text)[:300]}. Ensure phone numbers contain country codes."]
        elif identity in holders and (target is None or holders[identity].id != target.id):
            wrong[str(place)] = [_TAKEN]
    if wrong:
        inputs.problems["urns"] = wrong
    return identities


async def _read_fields(tx: Transaction, call: Call, inputs: Inputs, account: Account) -> Attributes | UnsetType:
    values = inputs.given("fields", required=False)
    if values is None:
        return UNSET
    if not isinstance(values, dict):
        inputs.refuse("fields", not_a_dict(values))
        return UNSET
    if len(values) > REFERENCES_LIMIT:
        inputs.refuse("fields", too_many(REFERENCES_LIMIT))
        return UNSET
    types = {field.key: field.type for field in await list_fields(tx, account_id=call.account_id)}
    read: Attributes = {}
    for key, value in values.items():
        if key not in types:
            inputs.refuse("fields", f"Invalid contact field key: {key[:100]}")
        elif value is None or value == "":
            read[key] = None
        elif isinstance(value, dict | list):
            inputs.refuse("fields", "Not a valid string.")
        else:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            found = read_value(types[key], text, account.timezone, account.date_style)
            # What cannot be read by the field's type is no value of it, and nothing to refuse the contact for.
            read[key] = None if isinstance(found, Refusal) else found
    return read


async def _stored(tx: Transaction, call: Call, draft: ContactDraft) -> tuple[Contact, bool]:
    try:
        return await contacts.save_contact(tx, account_id=call.account_id, draft=draft)
    except Invalid as error:
        raise Invalid.of(Problem(_called(one.field), one.rule, one.message) for one in error.problems) from None


def _called(field: str) -> str:
    head = re.split(r"[.\[]", field, maxsplit=1)[0]
    return _FIELDS.get(head, "fields" if head == "attributes" else field)


async def _regroup(tx: Transaction, call: Call, contact: Contact, group_ids: list[Id]) -> None:
    """Puts a contact into exactly these groups."""
    now = {group.id for group in (await tx.names.groups_of([contact.id])).get(contact.id, [])}
    for group_id in group_ids:
        if group_id not in now:
            await groups.add_members(tx, account_id=call.account_id, group_id=group_id, contact_ids=[contact.id])
    for group_id in now - set(group_ids):
        await groups.remove_members(tx, account_id=call.account_id, group_id=group_id, contact_ids=[contact.id])
