"""`/api/v2/fields.json`: typed fields of contacts, listed newest first, made and changed.

None is deleted here. Where to read next: `application.contact_fields`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from clarion.application.contact_fields import FIELDS_LIMIT, create_field, get_field, list_fields, update_field
from clarion.application.ports import Transaction
from clarion.domain.access import Permission
from clarion.domain.contact_field import FieldType, is_key, key_of
from clarion.domain.errors import Conflict
from clarion.entrypoints.http.dialect import Answers, Parameter
from clarion.entrypoints.http.dialects.textit import mapping, models
from clarion.entrypoints.http.dialects.textit.calls import Call, Made, endpoint
from clarion.entrypoints.http.dialects.textit.inputs import Inputs
from clarion.entrypoints.http.dialects.textit.pages import Page
from clarion.entrypoints.http.dialects.textit.refusals import of_body, of_field

_KEY: Final = Parameter(name="key", about="The key of one field")
_NAME_LIMIT: Final = 36
_NAME = re.compile(r"[A-Za-z0-9 -]+", re.ASCII)
_TYPES: Final = ("text", "number", "datetime", "state", "district", "ward")
_FORMER_TYPES: Final = tuple("numeric" if name == "number" else name for name in _TYPES)


@endpoint(
    noun="fields",
    method="GET",
    summary="List contact fields, newest first",
    needs=(Permission.CONTACTS_READ,),
    parameters=(_KEY,),
    answers={200: Answers("The fields", Page[models.Field])},
)
async def listed(tx: Transaction, call: Call) -> Page[models.Field]:
    """Lists the fields; an account has fewer than a page holds."""
    key = call.query.text("key")
    fields = await list_fields(tx, account_id=call.account_id)
    events = await tx.campaign_events.count_by_field(call.account_id)
    shown = [mapping.contact_field(field, events.get(field.key, 0)) for field in reversed(fields)]
    return Page(None, None, [field for field in shown if key is None or field.key == key])


@endpoint(
    noun="fields",
    method="POST",
    summary="Make a contact field, or change the one that `key` names",
    needs=(Permission.CONTACTS_WRITE,),
    parameters=(_KEY,),
    body=models.FieldInput,
    answers={
        200: Answers("Changed", models.Field),
        201: Answers("Made", models.Field),
        409: Answers("There are 250 fields already", dict[str, Any], example={"detail": "Cannot create object …"}),
    },
)
async def saved(tx: Transaction, call: Call) -> object:
    """Makes a field, whose key is made from its name, or changes one, whose key stays."""
    key = call.query.text("key")
    if key is not None:
        await get_field(tx, account_id=call.account_id, key=key)
    elif await tx.contact_fields.count(call.account_id) >= FIELDS_LIMIT:
        raise Conflict("LIMIT_REACHED", f"The account has {FIELDS_LIMIT} contact fields already")
    name, type_ = _read(call)
    if key is None:
        _check_key(name)
        made = await create_field(tx, account_id=call.account_id, name=name, type_=type_)
        return Made(mapping.contact_field(made, 0))
    changed = await update_field(tx, account_id=call.account_id, key=key, name=name, type_=type_)
    events = await tx.campaign_events.count_by_field(call.account_id)
    return mapping.contact_field(changed, events.get(key, 0))


def _read(call: Call) -> tuple[str, FieldType]:
    inputs = Inputs(call.body)
    name_field = "name" if "name" in inputs else "label"
    name = inputs.text(name_field, limit=_NAME_LIMIT, required=False)
    if name is not None and not _NAME.fullmatch(name):
        inputs.refuse(name_field, "Can only contain letters, numbers and hypens.")
    is_former = "type" not in inputs and "value_type" in inputs
    word = None
    if is_former or "type" in inputs:
        word = inputs.choice("value_type", _FORMER_TYPES) if is_former else inputs.choice("type", _TYPES)
    inputs.close()
    if name is None:
        raise of_body("Field 'name' is required.")
    if word is None:
        raise of_body("Field 'type' is required.")
    return name, FieldType("number" if word == "numeric" else word)


def _check_key(name: str) -> None:
    key = key_of(name)
    if not is_key(key):
        raise of_field("name", f'Generated key "{key}" is invalid or a reserved name.')
