"""Templates of other systems in our own language, for whoever brings a message along.

Stores nothing. Read `rendering.translation` for the syntaxes there are.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from clarion.application.ports import Transaction
from clarion.domain.access import Permission
from clarion.entrypoints.http.operation import Call, Nothing, operation
from clarion.rendering.translation import SOURCE_LIMIT, Syntax, translate


class TranslationInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A template, and whose syntax it is written in."""

    syntax: Syntax
    source: Annotated[
        str, Meta(max_length=SOURCE_LIMIT, examples=["Hello {{domo-distribution-First Name}}, {{domo-alert-value}}"])
    ]


class TranslationView(msgspec.Struct, rename="camel"):
    """The template in our own language. `notes` say what means something else than before."""

    text: str
    notes: list[str]


@operation(
    name="translateTemplate", method="POST", path="/templates/translate", tag="campaigns",
    permission=Permission.CAMPAIGNS_READ, summary="Translate a template",
    description="Writes a template of Domo, TextIt, Volt MX or Adobe anew in Clarion's own language; stores nothing. "
    "Text that is no tag stays as it is; a tag without a counterpart is told with its line.",
    body=TranslationInput, data=TranslationView,
)  # fmt: skip
async def show(_tx: Transaction, call: Call[TranslationInput, Nothing]) -> TranslationView:
    """Translates a template."""
    translated = translate(call.body.syntax, call.body.source)
    return TranslationView(translated.text, list(translated.notes))


ROUTES = [show]
