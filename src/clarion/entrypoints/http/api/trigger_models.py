"""Calls and executions as callers see them: whom a call names, what it says of them, and where it stands.

Rules of calls are in `application.calls`. Read `executions` for the routes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from clarion.application.calls import BY_ID, RECIPIENTS_LIMIT, REQUEST_ID_LIMIT, TriggerRecipient
from clarion.application.campaign_draft import GROUPS_LIMIT, SEGMENTS_LIMIT
from clarion.application.starts import CONTEXT_LIMIT
from clarion.domain.errors import Invalid, Problem
from clarion.domain.execution import Execution, ExecutionKind, ExecutionState
from clarion.entrypoints.http.api.contacts import IdentityInput
from clarion.entrypoints.http.api.keys import Moment
from clarion.entrypoints.http.api.paging import HexId, hex_or_none

Groups = Annotated[list[HexId], Meta(max_length=GROUPS_LIMIT)]
Segments = Annotated[list[HexId], Meta(max_length=SEGMENTS_LIMIT)]
"""An audience instead of the campaign's own."""
RequestId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=REQUEST_ID_LIMIT,
        description="The caller's own name of this call. Sent again with the same body, it is answered as the first "
        "time and nothing more is sent; with another body it is refused. Without one, a call that was not answered "
        "cannot be repeated safely.",
        examples=["order-4711"],
    ),
]


class ContactName(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """A contact, by exactly one of its names."""

    id: Annotated[str, Meta(max_length=24)] | None = None
    external_id: Annotated[str, Meta(max_length=255)] | None = None
    email: Annotated[str, Meta(max_length=320)] | None = None
    phone: Annotated[str, Meta(max_length=40)] | None = None
    identity: IdentityInput | None = None

    def pairs(self) -> list[tuple[str, str]]:
        """The names given, as namespace and value."""
        own = ((BY_ID, self.id), ("external_id", self.external_id), ("email", self.email), ("phone", self.phone))
        given = [(namespace, value) for namespace, value in own if value is not None]
        return [*given, (self.identity.namespace, self.identity.value)] if self.identity else given


class AddressesInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Where to write to, whatever the contact's own addresses are."""

    email: Annotated[str, Meta(max_length=320)] | None = None
    sms: Annotated[str, Meta(max_length=40)] | None = None
    push: Annotated[str, Meta(max_length=4096)] | None = None


class ProfileInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """What the message shall know of this recipient, for this call only: it lies over the contact's own data."""

    external_id: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    first_name: str | UnsetType = UNSET
    last_name: str | UnsetType = UNSET
    language: str | UnsetType = UNSET
    timezone: str | UnsetType = UNSET
    attributes: dict[str, Any] | UnsetType = UNSET


_NAMESPACES: Final = {"sms": "phone"}
"""What an identity by the address of a channel is called, where it is not called as the channel is."""


class RecipientInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """One recipient: a contact, or an address of nobody known."""

    contact: ContactName | None = None
    addresses: AddressesInput | None = None
    profile: ProfileInput | None = None
    context: Annotated[
        dict[str, Any],
        Meta(description=f"What the message knows as `context`; at most {CONTEXT_LIMIT // 1024} kB as JSON."),
    ] = {}

    def read(self, number: int) -> TriggerRecipient:
        """The recipient in the words of the use case. Raises `Invalid` unless it is named in one way."""
        addresses = {} if self.addresses is None else msgspec.structs.asdict(self.addresses)
        addresses = {channel: value for channel, value in addresses.items() if value is not None}
        names = self.contact.pairs() if self.contact else []
        if len(names) > 1 or (self.contact and not names):
            raise Invalid(Problem(f"recipients[{number}].contact", "oneOf", "needs exactly one of a contact's names"))
        names += [(_NAMESPACES.get(channel, channel), value) for channel, value in addresses.items()]
        if not names:
            message = "needs a contact, or an address of somebody who is none"
            raise Invalid(Problem(f"recipients[{number}]", "required", message))
        namespace, value = names[0]
        return TriggerRecipient(
            namespace=namespace,
            value=value,
            is_external=self.contact is None,
            addresses=addresses,
            profile=msgspec.to_builtins(self.profile) if self.profile else {},
            context=self.context,
        )


class TriggerInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A call with its recipients."""

    recipients: Annotated[list[RecipientInput], Meta(min_length=1, max_length=RECIPIENTS_LIMIT)]
    request_id: RequestId | None = None


class AudienceCallInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A call for an audience: the campaign's own, unless groups or segments are named."""

    request_id: RequestId | None = None
    groups: Groups | None = None
    segments: Segments | None = None
    context: Annotated[dict[str, Any], Meta(description="What the message knows as `context`, for everyone.")] = {}
    execute_at: Annotated[Moment, Meta(description="When to start; leave it out to start now.")] | None = None


class ExecutionView(msgspec.Struct, rename="camel", kw_only=True):
    """A call that set deliveries going, or will at its time."""

    execution_id: HexId
    campaign_id: HexId
    kind: ExecutionKind
    status: ExecutionState
    request_id: str | None
    run_id: HexId | None
    """The run that its recipients belong to; null until it was started."""
    recipients: int | None
    """How many recipients came with the call; null for an audience, whose run counts them."""
    execute_at: datetime | None
    problem: str | None
    """Why it could not be started at its time."""
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, execution: Execution) -> ExecutionView:
        """The execution as callers see it."""
        return cls(
            execution_id=execution.id.hex(),
            campaign_id=execution.campaign_id.hex(),
            kind=execution.kind,
            status=execution.state,
            request_id=execution.request_id,
            run_id=hex_or_none(execution.run_id),
            recipients=execution.recipients,
            execute_at=execution.execute_at,
            problem=execution.problem,
            created_by=execution.created_by,
            created_at=execution.created_at,
        )


class SampleCall(msgspec.Struct, rename="camel"):
    """How to call a triggered campaign."""

    command: str
    """A command for a shell; put the API key where it says so."""
    variables: list[str]
    """Every name the message looks up in what a call says."""
    body: dict[str, Any]
