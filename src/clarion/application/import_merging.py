"""What a slice of an import does to the stored contacts, decided row by row in memory and written in bulk.

The outcome is the one that saving each row alone, in file order, would have: a later row of the same contact wins, an
identity given up by one row is free for the next, and one held by another contact refuses the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from clarion.application.contact_rules import ATTRIBUTES_LIMIT
from clarion.application.identity import Identities, Taken, match
from clarion.application.import_rows import Row
from clarion.application.ports.contacts import EMPTY_OBJECT, Columns, Given, Holder
from clarion.domain.contact_import import Rejection
from clarion.domain.ids import Id

_PLAIN: Final = (
    (Given.FIRST_NAME, "first_name"),
    (Given.LAST_NAME, "last_name"),
    (Given.LANGUAGE, "language"),
    (Given.TIMEZONE, "timezone"),
    (Given.CONSENT_EMAIL, "consent_email"),
    (Given.CONSENT_SMS, "consent_sms"),
    (Given.CONSENT_PUSH, "consent_push"),
)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(slots=True)
class Plan:
    """What to write: new contacts, columns over stored ones, and who of the stored ones gives up identities first."""

    new: list[Columns] = field(default_factory=list)
    changed: list[Columns] = field(default_factory=list)
    released: list[Id] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    updated: int = 0
    rows_of: dict[Id, list[Row]] = field(default_factory=dict)
    """The rows behind each new contact, to be decided again should its identity be taken meanwhile."""


class _Person:
    """A contact during one slice: stored (`stored_size` bytes of attributes) or new, with what to write so far."""

    __slots__ = ("columns", "email", "email_key", "external_id", "id", "is_new", "phone", "stored_size", "was_moved")

    def __init__(
        self, id_: Id, external_id: str | None, email: str | None, email_key: str | None, phone: str | None
    ) -> None:
        self.id = id_
        self.external_id = external_id
        self.email = email
        self.email_key = email_key
        self.phone = phone
        self.columns: Columns | None = None
        self.is_new = False
        self.was_moved = False
        self.stored_size = 0


class _Slice:
    """The identities of one slice: who holds which, as the rows so far have left it."""

    def __init__(self, holders: Sequence[Holder]) -> None:
        self.by_external: dict[str, _Person] = {}
        self.by_email: dict[str, _Person] = {}
        self.by_phone: dict[str, _Person] = {}
        self.holder_of = (self.by_external.get, self.by_email.get, self.by_phone.get)
        for holder in holders:
            person = _Person(holder.id, holder.external_id, holder.email, holder.email_key, holder.phone)
            person.stored_size = holder.attributes_size
            self.hold(person)

    def hold(self, person: _Person) -> None:
        if person.external_id is not None:
            self.by_external[person.external_id] = person
        if person.email_key is not None:
            self.by_email[person.email_key] = person
        if person.phone is not None:
            self.by_phone[person.phone] = person

    def move(self, person: _Person, row: Columns) -> None:
        """Gives the person the identities of the row and frees the ones these replace."""
        for bit, name, held in (
            (Given.EXTERNAL_ID, "external_id", self.by_external),
            (Given.EMAIL, "email_key", self.by_email),
            (Given.PHONE, "phone", self.by_phone),
        ):
            old, new = getattr(person, name), getattr(row, name)
            if row.given & bit and old != new:
                if old is not None:
                    del held[old]
                    person.was_moved = True
                setattr(person, name, new)
        if row.given & Given.EMAIL:
            person.email = row.email
        self.hold(person)


def decide(rows: Sequence[Row], holders: Sequence[Holder]) -> Plan:
    """Decides what the rows do, given every stored contact that holds one of their identities. Pure."""
    plan = Plan()
    slice_ = _Slice(holders)
    touched: dict[Id, _Person] = {}
    for row_no, row in rows:
        given: Identities = (row.external_id, row.email_key, row.phone)
        try:
            person = match(given, slice_.holder_of)
        except Taken as taken:
            plan.rejections.append(Rejection(row_no, taken.field, "taken", str(taken)))
            continue
        if person is None:
            person = _Person(row.id, row.external_id, row.email, row.email_key, row.phone)
            person.is_new, person.columns = True, row
            slice_.hold(person)
            touched[row.id] = person
            plan.rows_of[row.id] = [(row_no, row)]
            continue
        refusal = _refusal(person, row)
        if refusal:
            plan.rejections.append(Rejection(row_no, *refusal))
            continue
        _apply(person, row, slice_)
        touched[person.id] = person
        plan.updated += 1
        if person.is_new:
            plan.rows_of[person.id].append((row_no, row))
    _collect(plan, touched)
    return plan


def _refusal(person: _Person, row: Columns) -> tuple[str, str, str] | None:
    so_far = person.columns.attributes if person.columns else EMPTY_OBJECT
    size = person.stored_size + _size(so_far) + _size(row.attributes)
    if size > ATTRIBUTES_LIMIT:
        return "attributes", "size", "must be at most 64 kB together with those stored, as JSON"
    return None


def _size(raw: msgspec.Raw) -> int:
    return len(memoryview(raw))


def _apply(person: _Person, row: Columns, slice_: _Slice) -> None:
    """Lays the row over the person, whose identities it may move."""
    slice_.move(person, row)
    if person.columns is None:
        person.columns = _copy(row, person.id)
        return
    columns = person.columns = _copy(person.columns, person.id)
    if row.given & Given.CLEAR_ATTRIBUTES:
        columns.attributes, columns.dropped = EMPTY_OBJECT, ()
    if row.attributes is not EMPTY_OBJECT or row.dropped:
        _merge_attributes(columns, row)
    for bit, name in _PLAIN:
        if row.given & bit:
            setattr(columns, name, getattr(row, name))
    columns.given |= row.given


def _copy(columns: Columns, id_: Id) -> Columns:
    return msgspec.structs.replace(columns, id=id_)


def _merge_attributes(columns: Columns, row: Columns) -> None:
    given = _decode(row.attributes)
    merged = _decode(columns.attributes) | given
    for name in row.dropped:
        merged.pop(name, None)
    columns.attributes = msgspec.Raw(_encode(merged))
    columns.dropped = tuple({*columns.dropped, *row.dropped} - given.keys())


def _collect(plan: Plan, touched: dict[Id, _Person]) -> None:
    for person in touched.values():
        columns = person.columns
        if columns is None:
            continue
        if person.is_new or person.was_moved:
            columns.external_id, columns.phone = person.external_id, person.phone
            columns.email, columns.email_key = person.email, person.email_key
            columns.given |= Given.IDENTITY
        if person.is_new:
            plan.new.append(columns)
        else:
            plan.changed.append(columns)
            if person.was_moved:
                plan.released.append(person.id)
