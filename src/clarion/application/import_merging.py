"""What a slice of an import does to the stored contacts, decided row by row in memory and written in bulk.

The outcome is the one that saving each row alone, in file order, would have: a later row of the same contact wins, an
identity given up by one row is free for the next, and one held by another contact refuses the row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec
from msgspec.structs import replace

from clarion.application.contact_rules import ATTRIBUTES_LIMIT
from clarion.application.identity import Taken, match
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
_TOO_LARGE: Final = "must be at most 64 kB together with those stored, as JSON"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(slots=True)
class Plan:
    """What to write: new contacts, columns over stored ones, and who of the stored ones gives up identities first."""

    new: dict[Id, Columns] = field(default_factory=dict)
    changed: list[Columns] = field(default_factory=list)
    released: list[Id] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    updated: int = 0
    later_rows: dict[Id, list[Row]] = field(default_factory=dict)
    """Of a new contact, the rows after its first: to be decided again should its identity be taken meanwhile."""


class _Stored:
    """A stored contact during one slice: its identities as the rows so far have left them, and what to write."""

    __slots__ = ("columns", "email", "email_key", "external_id", "id", "phone", "size", "was_moved")

    def __init__(self, holder: Holder) -> None:
        self.id = holder.id
        self.external_id = holder.external_id
        self.email = holder.email
        self.email_key = holder.email_key
        self.phone = holder.phone
        self.size = holder.attributes_size
        self.columns: Columns | None = None
        self.was_moved = False


Person = _Stored | Columns
"""Who a row means: a stored contact, or a new one, which is the columns it will be stored with."""


class _Slice:
    """The identities of one slice: who holds which, as the rows so far have left it."""

    def __init__(self, holders: Sequence[Holder]) -> None:
        self.by_external: dict[str, Person] = {}
        self.by_email: dict[str, Person] = {}
        self.by_phone: dict[str, Person] = {}
        self.holder_of: tuple[Callable[[str], Person | None], ...] = (
            self.by_external.get,
            self.by_email.get,
            self.by_phone.get,
        )
        for holder in holders:
            self.hold(_Stored(holder))

    def hold(self, person: Person) -> None:
        if person.external_id is not None:
            self.by_external[person.external_id] = person
        if person.email_key is not None:
            self.by_email[person.email_key] = person
        if person.phone is not None:
            self.by_phone[person.phone] = person

    def move(self, person: Person, row: Columns) -> bool:
        """Gives the person the identities of the row; tells whether it gave up others for them."""
        gave_up = False
        for bit, name, held in (
            (Given.EXTERNAL_ID, "external_id", self.by_external),
            (Given.EMAIL, "email_key", self.by_email),
            (Given.PHONE, "phone", self.by_phone),
        ):
            old, new = getattr(person, name), getattr(row, name)
            if row.given & bit and old != new:
                if old is not None:
                    del held[old]
                    gave_up = True
                setattr(person, name, new)
        if row.given & Given.EMAIL:
            person.email = row.email
        self.hold(person)
        return gave_up


def decide(rows: Sequence[Row], holders: Sequence[Holder]) -> Plan:
    """Decides what the rows do, given every stored contact that holds one of their identities. Pure."""
    plan = Plan()
    slice_ = _Slice(holders)
    touched: dict[Id, _Stored] = {}
    for row_no, row in rows:
        try:
            person = cast("Person | None", match((row.external_id, row.email_key, row.phone), slice_.holder_of))
        except Taken as taken:
            plan.rejections.append(Rejection(row_no, taken.field, "taken", str(taken)))
            continue
        if person is None:
            plan.new[row.id] = row
            slice_.hold(row)
        elif _size_together(person, row) > ATTRIBUTES_LIMIT:
            plan.rejections.append(Rejection(row_no, "attributes", "maxBytes", _TOO_LARGE))
        else:
            plan.updated += 1
            if isinstance(person, Columns):
                _renew(plan, slice_, person, row)
                plan.later_rows.setdefault(person.id, []).append((row_no, row))
            else:
                person.was_moved |= slice_.move(person, row)
                person.columns = _laid_over(person.columns, row, person.id)
                touched[person.id] = person
    _collect(plan, touched.values())
    return plan


def _size_together(person: Person, row: Columns) -> int:
    if isinstance(person, Columns):
        return _size(person.attributes) + _size(row.attributes)
    return person.size + _size(row.attributes) + (_size(person.columns.attributes) if person.columns else 0)


def _size(raw: msgspec.Raw) -> int:
    return len(memoryview(raw))


def _renew(plan: Plan, slice_: _Slice, person: Columns, row: Columns) -> None:
    """Lays a row over a new contact. The row that made it stays as it came, for a second decision."""
    renewed = _laid_over(person, row, person.id)
    renewed.external_id, renewed.phone = person.external_id, person.phone
    renewed.email, renewed.email_key = person.email, person.email_key
    plan.new[person.id] = renewed
    slice_.move(renewed, row)


def _laid_over(columns: Columns | None, row: Columns, id_: Id) -> Columns:
    """The row's columns over earlier ones of the same contact, identities aside."""
    if columns is None:
        return replace(row, id=id_)
    result = replace(columns, given=columns.given | row.given)
    if row.given & Given.CLEAR_ATTRIBUTES:
        result.attributes, result.dropped = EMPTY_OBJECT, ()
    if row.attributes is not EMPTY_OBJECT or row.dropped:
        _merge_attributes(result, row)
    for bit, name in _PLAIN:
        if row.given & bit:
            setattr(result, name, getattr(row, name))
    return result


def _merge_attributes(columns: Columns, row: Columns) -> None:
    given = _decode(row.attributes)
    merged = _decode(columns.attributes) | given
    for name in row.dropped:
        merged.pop(name, None)
    columns.attributes = msgspec.Raw(_encode(merged))
    columns.dropped = tuple({*columns.dropped, *row.dropped} - given.keys())


def _collect(plan: Plan, touched: Iterable[_Stored]) -> None:
    for person in touched:
        columns = person.columns
        if columns is None:
            continue
        columns.external_id, columns.phone = person.external_id, person.phone
        columns.email, columns.email_key = person.email, person.email_key
        plan.changed.append(columns)
        if person.was_moved:
            columns.given |= Given.IDENTITY
            plan.released.append(person.id)
