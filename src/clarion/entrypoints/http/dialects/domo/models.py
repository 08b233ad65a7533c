"""Bodies as Domo's callers write them, for the document.

They are read by `reading`, which ignores what is not named here.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Token = Annotated[str, Meta(description="An API key of this server.", examples=["clarion_…"])]
Owner = Annotated[
    str,
    Meta(description="The address of the key's owner, as the key was made with.", examples=["analyst@acme.example"]),
]
Address = Annotated[str, Meta(min_length=1, max_length=320, examples=["ada@lovelace.example"])]


class Start(msgspec.Struct, rename="camel", kw_only=True):
    """Which campaign to start, for whom, and by whose right."""

    campaign_id: Annotated[int | str, Meta(description="The campaign's `number`.", examples=[12])]
    domo_access_token: Token
    domo_access_token_owner_email_address: Owner
    email_addresses: (
        Annotated[
            list[Address],
            Meta(description="Of the audience, just these; empty or left out: all of it.", max_length=10_000),
        ]
        | None
    ) = None
    instance: Annotated[str, Meta(min_length=1, max_length=253, examples=["acme.domo.example"])]
    is_test: Annotated[
        bool | None,
        Meta(description="Send what these addresses would get to the sender's own address instead."),
    ] = None


class Field(msgspec.Struct):
    """A value for `{{domo-alert-<key>}}`; the key is compared letter by letter."""

    key: Annotated[str, Meta(min_length=1, max_length=200, examples=["first name"])]
    value: str | int | float | bool | None = None


class AlertStart(Start, rename="camel", kw_only=True):
    """The same, with values for the message."""

    fields: list[Field] | None = None


class Refusal(msgspec.Struct, rename="camel"):
    """Every answer that is no success."""

    status: int
    status_reason: str
    message: str
    trace_id: str
