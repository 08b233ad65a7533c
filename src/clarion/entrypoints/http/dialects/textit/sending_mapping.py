"""Broadcasts and messages in the shapes of this API: their states, and what was said.

A message is named by the number of its run and its own in it, as one UUID and as one whole number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from clarion.application.ports.broadcasts import Sent
from clarion.domain.broadcast import NOBODY_SELECTED, Broadcast
from clarion.domain.campaign import CampaignState, RunState
from clarion.domain.channel import ChannelName
from clarion.domain.contact import Contact
from clarion.domain.delivery import DeliveryState
from clarion.domain.ids import Id, as_uuid
from clarion.entrypoints.http.dialects.textit import models
from clarion.entrypoints.http.dialects.textit.contact_mapping import full_name

_SEQ_BITS: Final = 31
_RUN_LIMIT: Final = 1 << 32
_STATES: Final[Mapping[CampaignState, str]] = {
    CampaignState.FAILED: "failed",
    CampaignState.STOPPED: "interrupted",
    CampaignState.COMPLETED: "completed",
    CampaignState.ARCHIVED: "completed",
}
_D = DeliveryState
STATUSES: Final[Mapping[DeliveryState, str]] = {
    _D.PENDING: "queued",
    _D.SENDING: "wired",
    _D.UNKNOWN: "errored",
    _D.SENT: "sent",
    _D.DELIVERED: "delivered",
    _D.COMPLAINED: "delivered",
    _D.FAILED: "failed",
    _D.BOUNCED: "failed",
    _D.SKIPPED: "failed",
    _D.CANCELLED: "failed",
}
"""From the state of a delivery to that of a message."""
_IN_FOLDER: Final[Mapping[str, frozenset[str]]] = {
    "outbox": frozenset({"queued", "wired", "errored"}),
    "sent": frozenset({"sent", "delivered"}),
    "failed": frozenset({"failed"}),
}
FOLDERS: Final[Mapping[str, frozenset[DeliveryState]]] = {
    folder: frozenset(state for state, status in STATUSES.items() if status in statuses)
    for folder, statuses in _IN_FOLDER.items()
}
"""What the folders of outgoing messages hold; all others are empty."""


def broadcast(row: Broadcast) -> models.Broadcast:
    """A broadcast with how far it is."""
    said = row.said
    selected = 0 if row.selected is None else row.selected
    return models.Broadcast(
        uuid=as_uuid(row.id),
        id=row.number,
        status=_status(row),
        progress=models.Progress(total=selected, started=min(row.frozen or 0, selected)),
        urns=said.get("urns", []),
        contacts=[models.Ref(**one) for one in said.get("contacts", [])],
        groups=[models.Ref(**one) for one in said.get("groups", [])],
        text=said.get("text", {}),
        attachments={},
        quick_replies=said.get("quick_replies", {}),
        base_language=said.get("base_language", ""),
        created_on=row.created_at,
    )


def message(row: Sent, contacts: Mapping[Id, Contact]) -> models.Message:
    """A message to one contact; its text is what was said, for all."""
    contact = contacts.get(row.contact_id) if row.contact_id else None
    status = STATUSES[row.state]
    return models.Message(
        uuid=message_uuid(row.run_number, row.seq),
        id=row.run_number << _SEQ_BITS | row.seq,
        broadcast=row.campaign_number,
        contact=models.Ref(as_uuid(contact.id), full_name(contact) or "") if contact else None,
        urn=_urn(row, contact),
        channel=None,
        direction="out",
        type="text",
        status=status,
        archived=False,
        visibility="visible",
        text=_told(row),
        labels=[],
        flow=None,
        attachments=[],
        quick_replies=_replies(row),
        created_on=row.created_at,
        sent_on=row.changed_at if status in ("sent", "delivered") else None,
        modified_on=row.changed_at,
        media=None,
    )


def unsent(row: Broadcast, contact: Contact) -> models.Message:
    """A message that could not be sent at all."""
    said = row.said
    base = said.get("base_language", "")
    return models.Message(
        uuid=as_uuid(row.id),
        id=row.number,
        broadcast=row.number,
        contact=models.Ref(as_uuid(contact.id), full_name(contact) or ""),
        urn=None,
        channel=None,
        direction="out",
        type="text",
        status="failed",
        archived=False,
        visibility="visible",
        text=said.get("text", {}).get(base, ""),
        labels=[],
        flow=None,
        attachments=[],
        quick_replies=said.get("quick_replies", {}).get(base, []),
        created_on=row.created_at,
        sent_on=None,
        modified_on=row.created_at,
        media=None,
    )


def message_uuid(run_number: int, seq: int) -> str:
    """The UUID of a message."""
    return as_uuid(Id(run_number.to_bytes(8, "big") + seq.to_bytes(4, "big")))


def message_in(id_: Id) -> tuple[int, int]:
    """Run and number of the message that the id in a UUID names."""
    return min(int.from_bytes(id_[:8], "big"), _RUN_LIMIT), int.from_bytes(id_[8:], "big") & 0x7FFFFFFF


def message_numbered(number: int) -> tuple[int, int]:
    """Run and number of the message that a whole number names."""
    return number >> _SEQ_BITS, number & ((1 << _SEQ_BITS) - 1)


def _status(row: Broadcast) -> str:
    if row.state is CampaignState.FAILED and row.state_reason == NOBODY_SELECTED:
        return "completed"
    if row.state in _STATES:
        return _STATES[row.state]
    return "queued" if row.run_state in (None, RunState.PREPARING) else "started"


def _urn(row: Sent, contact: Contact | None) -> str | None:
    """Where it went; tokens of devices are nobody's to see."""
    if row.channel is ChannelName.SMS:
        number = row.address or (contact.phone if contact else None)
        return f"tel:{number}" if number else None
    address = row.address or (contact.email_key if contact else None)
    return f"mailto:{address}" if address and row.channel is ChannelName.EMAIL else None


def _told(row: Sent) -> str:
    said = row.said or {}
    return str(said.get("text", {}).get(said.get("base_language"), row.text))


def _replies(row: Sent) -> list[dict[str, str | None]]:
    said = row.said or {}
    found: list[dict[str, str | None]] = said.get("quick_replies", {}).get(said.get("base_language"), [])
    return found
