"""The TextIt dialect: the v2 API of TextIt and RapidPro over the use cases of this server.

A workspace is an account and a token is an API key. Where to read next: `calls`, then any noun beside it.
"""

from __future__ import annotations

from typing import Final

from clarion.entrypoints.http.dialect import Dialect
from clarion.entrypoints.http.dialects.textit import (
    broadcasts,
    campaign_events,
    campaigns,
    contact_actions,
    contacts,
    fields,
    groups,
    messages,
    workspace,
)
from clarion.entrypoints.http.dialects.textit.answers import Answerer
from clarion.entrypoints.http.dialects.textit.calls import PREFIX

_NOUNS: Final = (
    campaigns.listed,
    campaigns.saved,
    campaign_events.listed,
    campaign_events.saved,
    campaign_events.deleted,
    groups.listed,
    groups.saved,
    groups.deleted,
    fields.listed,
    fields.saved,
    contacts.listed,
    contacts.saved,
    contacts.deleted,
    contact_actions.done,
    broadcasts.listed,
    broadcasts.sent,
    messages.listed,
    messages.sent,
    workspace.flows,
    workspace.WORKSPACE,
    workspace.ORG,
)
_OPERATIONS: Final = (*_NOUNS, workspace.root_of(_NOUNS), workspace.reference_of(_NOUNS))


def _owns(path: str) -> bool:
    return path == PREFIX or path.startswith(f"{PREFIX}/")


DIALECT: Final = Dialect(
    name="textit",
    title="TextIt",
    about="The v2 API of TextIt and RapidPro: a workspace is an account, a token is an API key.",
    operations=_OPERATIONS,
    owns=_owns,
    answer=Answerer(_OPERATIONS).answer,
    has_head_and_options=False,
    security={
        "token": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token <API key>`",
        },
        "basic": {"type": "http", "scheme": "basic", "description": "An email address and, as password, an API key"},
    },
)
