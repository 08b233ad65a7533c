"""A contact of ours in the shape of this API: one name of two, URNs, and the values of fields as texts.

Where to read next: `urns` for identities, `contacts` for the routes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from clarion.domain.access import Account
from clarion.domain.contact import AttributeValue, Contact, ContactStatus, Note
from clarion.domain.contact_field import ContactField, FieldType
from clarion.domain.ids import Id, as_uuid
from clarion.domain.sequence import GroupName
from clarion.entrypoints.http.dialects.textit import mapping, models
from clarion.entrypoints.http.dialects.textit.urns import identities_of, urn_of


@dataclass(frozen=True, slots=True)
class Around:
    """What is read beside a page of contacts to show them."""

    account: Account
    fields: Sequence[ContactField]
    groups: Mapping[Id, list[GroupName]]
    notes: Mapping[Id, list[Note]]
    is_expanded: bool = False


def contact(contact: Contact, around: Around) -> models.Contact:
    """A contact that is here."""
    urns = [urn_of(identity) for identity in identities_of(contact)]
    return models.Contact(
        uuid=as_uuid(contact.id),
        name=full_name(contact),
        status=contact.status.value,
        language=contact.language,
        urns=[_expanded(urn) if around.is_expanded else urn for urn in urns],
        groups=[mapping.reference(group) for group in around.groups.get(contact.id, ())],
        notes=[_note(note) for note in around.notes.get(contact.id, ())],
        fields={
            field.key: _shown(field.type, contact.attributes.get(field.key), around.account.timezone)
            for field in around.fields
        },
        flow=None,
        created_on=contact.created_at,
        modified_on=contact.updated_at,
        last_seen_on=contact.last_seen_at,
        blocked=contact.status is ContactStatus.BLOCKED,
        stopped=contact.status is ContactStatus.STOPPED,
    )


def deleted_contact(contact: Contact) -> models.Contact:
    """A contact that was deleted: what it was is gone."""
    return models.Contact(
        uuid=as_uuid(contact.id),
        name=None,
        status=None,
        language=None,
        urns=[],
        groups=[],
        notes=[],
        fields={},
        flow=None,
        created_on=contact.created_at,
        modified_on=contact.updated_at,
        last_seen_on=None,
        blocked=None,
        stopped=None,
    )


def full_name(contact: Contact) -> str | None:
    """First and last name as one."""
    return " ".join(part for part in (contact.first_name, contact.last_name) if part) or None


def names_in(name: str | None) -> tuple[str | None, str | None]:
    """One name as a first and a last one: all behind the first space is the last name."""
    first, _, last = " ".join((name or "").split()).partition(" ")
    return first or None, last or None


def _shown(type_: FieldType, value: AttributeValue, timezone: str) -> str | None:
    if value is None:
        return None
    if type_ is FieldType.DATETIME and isinstance(value, str):
        return _local(value, timezone)
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _local(value: str, timezone: str) -> str | None:
    try:
        moment = datetime.fromisoformat(value)
        return None if moment.tzinfo is None else moment.astimezone(ZoneInfo(timezone)).isoformat()
    except (ValueError, OverflowError):
        return None


def _note(note: Note) -> models.Note:
    return models.Note(text=note.text, created_on=note.created_at, created_by=note.created_by or None)


def _expanded(urn: str) -> models.Urn:
    scheme, _, path = urn.partition(":")
    return models.Urn(channel=None, scheme=scheme, path=path, display=None)
