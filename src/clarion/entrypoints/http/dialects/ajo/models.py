"""What callers send and get, in Adobe's own names. Unknown fields are accepted, as the vendor's schema allows them.

Shapes and their one rule each; whoever reads them is in `reading`, what they mean in `mapping`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

RECIPIENTS_LIMIT = 20
"""Recipients of one call."""
TEXT_LIMIT = 255
"""Characters of a request id and of an id of a person."""

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_LIMIT)]
CampaignId = Annotated[str, msgspec.Meta(min_length=1, description="As the console shows it, or a UUID of it.")]


class PushInfo(msgspec.Struct, rename={"app_id": "appID"}):
    """Where a push message goes instead of the tokens of the profile."""

    token: Text
    app_id: str = ""
    platform: str = ""


class ChannelData(msgspec.Struct, rename="camel"):
    """Addresses that win over those of the profile."""

    email_address: str | None = None
    mobile_phone_number: str | None = None
    push_info: PushInfo | None = None


class Recipient(msgspec.Struct, rename="camel"):
    """Whom to write to: a profile by one of its identities (`aep`), or somebody who is never looked up (`external`)."""

    type: Literal["aep", "external"]
    user_id: Text
    namespace: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    channel_data: ChannelData | None = None
    profile: dict[str, Any] | None = None
    """Attributes for this message, laid over those of the profile."""
    context: dict[str, Any] | None = None
    """What the message calls `context`; scalars are text there."""


class External(Recipient):
    """A recipient who is never looked up."""

    type: Literal["external"]


Recipients = Annotated[list[Recipient], msgspec.Meta(min_length=1, max_length=RECIPIENTS_LIMIT)]
Externals = Annotated[list[External], msgspec.Meta(min_length=1, max_length=RECIPIENTS_LIMIT)]


class UnitaryCall(msgspec.Struct, rename="camel"):
    """A message to the people named here."""

    request_id: Text
    campaign_id: CampaignId
    recipients: Recipients


class HighThroughputCall(msgspec.Struct, rename="camel"):
    """A message to people who are never looked up."""

    request_id: Text
    campaign_id: CampaignId
    recipients: Externals


class AudienceRef(msgspec.Struct):
    """An audience other than the campaign's own: a group or a segment."""

    id: Text


class Schedule(msgspec.Struct, rename="camel"):
    """When to begin; at once without it."""

    execute_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class AudienceCall(msgspec.Struct, rename="camel"):
    """A message to an audience: the campaign's own unless another is named."""

    campaign_id: CampaignId
    request_id: Text | None = None
    audience: AudienceRef | None = None
    context: dict[str, Any] | None = None
    schedule: Schedule | None = None


class ExecutionResponse(msgspec.Struct, rename="camel"):
    """A call that is stored: its recipients will be written to."""

    execution_id: str
    request_id: str | None
    created_at: datetime
    created_by: str
    modified_at: datetime
    modified_by: str


class ExecutionStatus(msgspec.Struct, rename="camel"):
    """Where the message to an audience stands. `targetedProfileCount` counts who was selected, not who was reached."""

    execution_id: str
    status: Literal["Succeeded", "InProgress", "Failed"]
    created_at: datetime
    campaign_id: str
    audience_id: str | None = None
    targeted_profile_count: int | None = None


class ScheduledExecution(msgspec.Struct, rename="camel", omit_defaults=True):
    """A message to an audience that waits for its time, or did."""

    schedule_id: str
    schedule_status: Literal["Scheduled", "Triggered"]
    campaign_id: str
    execute_at: datetime
    audience: AudienceRef | None = None
    execution_details: ExecutionStatus | None = None


class AudienceAnswer(msgspec.Struct, rename="camel"):
    """What a call for an audience is answered: the fields of `ExecutionResponse`, or of `ScheduledExecution`."""

    execution_id: str | UnsetType = UNSET
    request_id: str | UnsetType | None = UNSET
    created_at: datetime | UnsetType = UNSET
    created_by: str | UnsetType = UNSET
    modified_at: datetime | UnsetType = UNSET
    modified_by: str | UnsetType = UNSET
    schedule_id: str | UnsetType = UNSET
    schedule_status: Literal["Scheduled", "Triggered"] | UnsetType = UNSET
    campaign_id: str | UnsetType = UNSET
    execute_at: datetime | UnsetType = UNSET
    audience: AudienceRef | UnsetType = UNSET
    execution_details: ExecutionStatus | UnsetType = UNSET


class Exclusion(msgspec.Struct):
    """Why somebody was not written to, in Adobe's words, beside ours."""

    reason: str
    code: str | None
    detail: str


class RecipientOutcome(msgspec.Struct, rename="camel"):
    """What became of one recipient on one channel, in the order of the call."""

    channel: str
    address: str | None
    status: str
    exclusion: Exclusion | None
    reply: str | None
    changed_at: datetime


class UnitaryOutcome(msgspec.Struct, rename="camel"):
    """A call and what became of each of its recipients."""

    execution_id: str
    campaign_id: str
    request_id: str | None
    created_at: datetime
    recipients: list[RecipientOutcome]


class Nothing(msgspec.Struct):
    """An empty object."""


class TokenForm(msgspec.Struct):
    """The exchange of a key for a token (RFC 6749 §4.4)."""

    client_id: str
    client_secret: str
    grant_type: Literal["client_credentials"]
    scope: str = ""


class Token(msgspec.Struct):
    """An access token and the seconds it is good for."""

    access_token: str
    token_type: str
    expires_in: int


class TokenRefusal(msgspec.Struct):
    """Why there is no token (RFC 6749 §5.2)."""

    error: str
    error_description: str


class Report(msgspec.Struct, rename="camel"):
    """What an error is about."""

    additional_context: dict[str, str]


class Refusal(msgspec.Struct):
    """An error."""

    type: str
    title: str
    status: int
    report: Report


class NoSuchRoute(msgspec.Struct):
    """A path or method that nobody knows (RFC 7807)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
