"""Volt MX's personalisation in our language: `##First Name##`, the display name of an audience attribute.

Everything else is text over there and stays text here, our own `{{` and `{%` too. Read `translated` for what comes out.
"""

from __future__ import annotations

import re
from typing import Final

from clarion.domain.contact_field import key_of
from clarion.rendering.expressions import Const, Expr, Filter, Item, Name
from clarion.rendering.translation.translated import Translated
from clarion.rendering.translation.writing import literal, source_of

COLUMNS: Final = {
    "first_name": "firstName",
    "last_name": "lastName",
    "email": "email",
    "email_address": "email",
    "mobile": "phone",
    "mobile_number": "phone",
    "language": "language",
    "time_zone": "timezone",
    "user_id": "externalId",
}
"""From an attribute's display name, written as the key of a field, to the contact's own name for it."""

_TOKEN: Final = re.compile(r"##([^\W\d_](?:[^#\r\n<>{}]{0,98}[^#\s<>{}])?)##")


def translate_voltmx(source: str) -> Translated:
    """The text in our language. Never refuses: what is no token is text."""
    out: list[str] = []
    at = 0
    for token in _TOKEN.finditer(source):
        out += [literal(source[at : token.start()]), f"{{{{ {source_of(_attribute(token[1]))} }}}}"]
        at = token.end()
    return Translated("".join([*out, literal(source[at:])]))


def _attribute(name: str) -> Expr:
    """Where an attribute of this display name is kept: under the key of its field, else under its name as it stands."""
    key = key_of(name)
    if key in COLUMNS:
        return Item(Name("contact"), Const(COLUMNS[key]))
    attributes = Item(Name("contact"), Const("attributes"))
    named = Item(attributes, Const(name))
    return named if key in {"", name} else Filter("default", Item(attributes, Const(key)), (named,))
