"""What this API shows: one model a noun, with the vendor's own field names. Moments are in UTC.

How ours become these is in `mapping`; what callers may send stands at the end.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec


class Ref(msgspec.Struct):
    """An object that another one refers to."""

    uuid: str
    name: str


class FieldRef(msgspec.Struct):
    """A contact field that another object refers to; `label` is what it was called before."""

    key: str
    name: str
    label: str


class Campaign(msgspec.Struct):
    """A sequence over one group. `archived` is always false: archived ones are not shown."""

    uuid: str
    name: str
    archived: bool
    group: Ref | None
    created_on: datetime


class CampaignEvent(msgspec.Struct):
    """A step of a campaign. There are no flows here, so `flow` is null and `message` is not."""

    uuid: str
    campaign: Ref
    relative_to: FieldRef
    offset: int
    unit: str
    delivery_hour: int
    flow: Ref | None
    message: dict[str, str] | None
    created_on: datetime


class Group(msgspec.Struct):
    """A group of contacts. All are static: `query` is null."""

    uuid: str
    name: str
    query: str | None
    status: str
    system: bool
    count: int


class Usages(msgspec.Struct):
    """What uses a field."""

    flows: int
    groups: int
    campaign_events: int


class Field(msgspec.Struct):
    """A contact field; `label` and `value_type` are what `name` and `type` were called before."""

    key: str
    name: str
    type: str
    featured: bool
    priority: int
    usages: Usages
    agent_access: str
    label: str
    value_type: str


class Note(msgspec.Struct):
    """What somebody wrote down about a contact."""

    text: str
    created_on: datetime
    created_by: str | None


class Urn(msgspec.Struct):
    """One identity of a contact, taken apart."""

    channel: Ref | None
    scheme: str
    path: str
    display: str | None


class Contact(msgspec.Struct):
    """A person. Values of fields that hold a date are in the time zone of the workspace."""

    uuid: str
    name: str | None
    status: str | None
    language: str | None
    urns: list[str | Urn]
    groups: list[Ref]
    notes: list[Note]
    fields: dict[str, str | None]
    flow: Ref | None
    created_on: datetime
    modified_on: datetime
    last_seen_on: datetime | None
    blocked: bool | None
    stopped: bool | None


class Progress(msgspec.Struct):
    """How far a broadcast is; `total` is -1 until it is known."""

    total: int
    started: int


class Broadcast(msgspec.Struct):
    """A text sent at once to groups, contacts and identities."""

    uuid: str
    id: int
    status: str
    progress: Progress
    urns: list[str]
    contacts: list[Ref]
    groups: list[Ref]
    text: dict[str, str]
    attachments: dict[str, list[str]]
    quick_replies: dict[str, list[dict[str, str | None]]]
    base_language: str
    created_on: datetime


class Message(msgspec.Struct):
    """One message to one contact, or from one. `id` is null of incoming ones, which have no number."""

    uuid: str
    id: int | None
    broadcast: int | None
    contact: Ref | None
    urn: str | None
    channel: Ref | None
    direction: str
    type: str
    status: str
    archived: bool
    visibility: str
    text: str
    labels: list[Ref]
    flow: Ref | None
    attachments: list[dict[str, str]]
    quick_replies: list[dict[str, str | None]]
    created_on: datetime
    sent_on: datetime | None
    modified_on: datetime
    media: str | None


class Credits(msgspec.Struct):
    """Nothing is metered: both are -1."""

    used: int
    remaining: int


class Workspace(msgspec.Struct):
    """The account of the key."""

    uuid: str
    name: str
    country: str | None
    languages: list[str]
    primary_language: str
    timezone: str
    date_style: str
    anon: bool
    credits: Credits


class CampaignInput(msgspec.Struct, omit_defaults=True):
    """What makes or changes a campaign; `group` is a UUID or a name."""

    name: str
    group: str


class CampaignEventInput(msgspec.Struct):
    """What makes or changes a campaign event; `message` is a text, or texts by language."""

    relative_to: str
    offset: int
    unit: Literal["minutes", "hours", "days", "weeks"]
    delivery_hour: int
    message: str | dict[str, str]
    campaign: str | None = None


class GroupInput(msgspec.Struct):
    """What makes or renames a group."""

    name: str


class FieldInput(msgspec.Struct):
    """What makes or changes a field."""

    name: str
    type: Literal["text", "number", "datetime", "state", "district", "ward"]


class ContactInput(msgspec.Struct, omit_defaults=True):
    """What makes or changes a contact; what is left out stays as it is, lists replace."""

    name: str | None = None
    language: str | None = None
    urns: list[str] = []
    groups: list[str] = []
    fields: dict[str, Any] = {}
    note: str | None = None


class ContactActionInput(msgspec.Struct, omit_defaults=True):
    """What to do with up to a hundred contacts."""

    contacts: list[str]
    action: Literal["add", "remove", "block", "unblock", "interrupt", "archive_messages", "delete", "archive"]
    group: str | None = None


class BroadcastInput(msgspec.Struct, omit_defaults=True):
    """A text and whom it is for; `text` is a text, or texts by language."""

    text: str | dict[str, str]
    groups: list[str] = []
    contacts: list[str] = []
    urns: list[str] = []
    base_language: str | None = None
    quick_replies: list[Any] | dict[str, Any] = []
    attachments: list[str] | dict[str, list[str]] = []


class MessageInput(msgspec.Struct, omit_defaults=True):
    """A text for one contact, sent as it is."""

    contact: str
    text: str
    quick_replies: list[Any] = []
    attachments: list[str] = []
