"""Typed contact fields: making, listing, changing and removing them, and holding contacts to them.

A field's key is made from its first name and never changes. Attributes without a field stay free. How values are read
is in `field_values`.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Final

from msgspec import UNSET, UnsetType

from clarion.application.contact_rules import Refusal
from clarion.application.field_values import check_value, read_value
from clarion.application.ports import Transaction
from clarion.domain.contact import Attributes
from clarion.domain.contact_field import KEY_LIMIT, ContactField, FieldType, is_key, key_of
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem
from clarion.domain.ids import Id, new_id

__all__ = [
    "FieldType",
    "check_attributes",
    "create_field",
    "delete_field",
    "get_field",
    "list_fields",
    "read_value",
    "update_field",
]

NAME_LIMIT: Final = KEY_LIMIT
FIELDS_LIMIT: Final = 250
"""Fields of one account."""
PRIORITY_LIMIT: Final = 1_000_000


async def create_field(
    tx: Transaction,
    *,
    account_id: Id,
    name: str,
    type_: FieldType = FieldType.TEXT,
    featured: bool = False,
    priority: int = 0,
) -> ContactField:
    """Makes a field; its key is made from the name. What contacts have under that key already stays as it is.

    Runs in the caller's transaction.

    Raises:
        Invalid: the name breaks a rule, or no key can be made from it.
        Conflict: `FIELD_TAKEN` when the account has a field of this key or name, `FIELD_LIMIT` when it has 250.
    """
    name = _checked_name(name)
    key = key_of(name)
    if not is_key(key):
        raise Invalid(Problem("name", "reserved", f"would have the key {key!r}, which is not a word or is reserved"))
    await _require_free(tx, account_id, name)
    if await tx.contact_fields.count(account_id) >= FIELDS_LIMIT:
        raise Conflict("FIELD_LIMIT", f"The account has {FIELDS_LIMIT} contact fields already")
    field = ContactField(
        id=new_id(), key=key, name=name, type=type_, featured=featured, priority=priority, created_at=datetime.now(UTC)
    )
    return await tx.contact_fields.insert(account_id, field)


async def list_fields(
    tx: Transaction, *, account_id: Id, after: Id | None = None, limit: int = FIELDS_LIMIT
) -> list[ContactField]:
    """Reads up to `limit` fields with ids above `after`."""
    return await tx.contact_fields.list_after(account_id, after, limit)


async def get_field(tx: Transaction, *, account_id: Id, key: str) -> ContactField:
    """Reads one field by its key.

    Raises:
        NotFound: it is unknown or another account's.
    """
    found = await tx.contact_fields.find(account_id, key) if is_key(key) else None
    if found is None:
        raise NotFound("field")
    return found


async def update_field(
    tx: Transaction,
    *,
    account_id: Id,
    key: str,
    name: str | UnsetType = UNSET,
    type_: FieldType | UnsetType = UNSET,
    featured: bool | UnsetType = UNSET,
    priority: int | UnsetType = UNSET,
) -> ContactField:
    """Changes a field; its key stays, and so do the values that contacts have. Runs in the caller's transaction.

    Raises:
        NotFound: it is unknown or another account's.
        Invalid: the name breaks a rule.
        Conflict: `FIELD_TAKEN` when another field has this name, `FIELD_IN_USE` when a used one would change its type.
    """
    field = await get_field(tx, account_id=account_id, key=key)
    given = {"name": name, "type": type_, "featured": featured, "priority": priority}
    changed = dataclasses.replace(field, **{what: value for what, value in given.items() if value is not UNSET})  # type: ignore[arg-type]
    if changed.name != field.name:
        changed = dataclasses.replace(changed, name=_checked_name(changed.name))
        await _require_free(tx, account_id, changed.name, but=field)
    if changed.type is not field.type:
        await _require_unused(tx, account_id, key)
    return await tx.contact_fields.update(account_id, changed)


async def delete_field(tx: Transaction, *, account_id: Id, key: str) -> None:
    """Removes a field; what contacts have under its key becomes a free attribute. Runs in the caller's transaction.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `FIELD_IN_USE` while a segment or a step of a sequence names it.
    """
    await get_field(tx, account_id=account_id, key=key)
    await _require_unused(tx, account_id, key)
    await tx.contact_fields.delete(account_id, key)


async def check_attributes(
    tx: Transaction, *, account_id: Id, attributes: Attributes
) -> tuple[Attributes, list[Problem]]:
    """The attributes as they are stored, those of typed fields checked, and what is wrong with them."""
    keys = [name for name in attributes if is_key(name)]
    types = await tx.contact_fields.types(account_id, keys) if keys else {}
    checked, problems = dict(attributes), []
    for key, type_ in types.items():
        value = check_value(type_, attributes[key])
        if isinstance(value, Refusal):
            problems.append(Problem(f"attributes.{key}", value.rule, value.message))
        else:
            checked[key] = value
    return checked, problems


async def _require_free(tx: Transaction, account_id: Id, name: str, but: ContactField | None = None) -> None:
    holder = await tx.contact_fields.named(account_id, name)
    if holder and (but is None or holder.id != but.id):
        raise Conflict("FIELD_TAKEN", "Another contact field of the account has this name")


async def _require_unused(tx: Transaction, account_id: Id, key: str) -> None:
    if await tx.contact_fields.is_used(account_id, key):
        raise Conflict("FIELD_IN_USE", "A segment or a step of a sequence uses this contact field")


def _checked_name(name: str) -> str:
    text = name.strip()
    if not text or len(text) > NAME_LIMIT or not text.isprintable():
        raise Invalid(Problem("name", "pattern", f"must have 1 to {NAME_LIMIT} printable characters"))
    return text
