"""What happens to a written campaign: activate, start, pause, resume, stop, reopen and archive.

Each verb is one use case of `lifecycle` or `activation`; the states and their codes are decided there. Next: `runs`.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from clarion.application import lifecycle
from clarion.application.activation import Activation
from clarion.application.activation import activate as activate_campaign
from clarion.application.lifecycle import Started
from clarion.application.ports import Transaction
from clarion.domain.access import Permission
from clarion.domain.campaign import AudienceCount
from clarion.domain.channel import ChannelName
from clarion.entrypoints.http.api.campaign_models import CampaignSummary, CampaignView, summary_fields
from clarion.entrypoints.http.api.campaigns import ask_first, find
from clarion.entrypoints.http.api.sms_models import SmsEstimateView
from clarion.entrypoints.http.operation import Call, Nothing, operation


class StartedCampaign(msgspec.Struct, rename="camel"):
    """A started campaign and what the start set going."""

    campaign: CampaignSummary
    triggered: bool
    """Whether this call fired the campaign's messages."""
    instances_created: int
    """Recipients that a message is on its way to; those that may not be written to are not counted."""
    is_estimate: bool | UnsetType = UNSET
    """True when `instancesCreated` is worked out from a sample of the recipients: for many, on other channels than
    email. Not there when it is exact."""

    @classmethod
    def of(cls, started: Started) -> StartedCampaign:
        """The start as callers see it."""
        summary = CampaignSummary(**summary_fields(started.campaign))
        return cls(summary, started.triggered, started.instances_created, started.is_estimate or UNSET)


class AudienceCountView(msgspec.Struct, rename="camel"):
    """Whom a start would reach now. `selected` is exact."""

    selected: int
    eligible: int
    is_estimate: bool | UnsetType = UNSET
    """True when `eligible` and the counts by channel are worked out from a sample of the selected. Not there when they
    are exact."""

    @classmethod
    def of(cls, audience: AudienceCount) -> AudienceCountView:
        """The count as callers see it."""
        return cls(audience.selected, audience.eligible, audience.is_estimate or UNSET)


class ChannelCountView(msgspec.Struct, rename="camel"):
    """Of one channel: the deliveries a start would make now, and those of them that may be sent.

    By push somebody has one for each device.
    """

    channel: ChannelName
    selected: int
    eligible: int

    @classmethod
    def all_of(cls, audience: AudienceCount) -> list[ChannelCountView]:
        """The channels of an audience, each once."""
        return [
            cls(
                channel,
                sum(part.selected for part in audience.parts if part.channel is channel),
                sum(part.eligible for part in audience.parts if part.channel is channel),
            )
            for channel in dict.fromkeys(part.channel for part in audience.parts)
        ]


class VariableView(msgspec.Struct, rename="camel"):
    """A name the message uses, and for how many of the audience it is empty."""

    name: str
    is_known: bool
    missing_for: int


class ActivationView(msgspec.Struct, rename="camel"):
    """A campaign that may be started, and what its author should know before."""

    campaign: CampaignView
    audience: AudienceCountView
    channels: list[ChannelCountView]
    variables: list[VariableView]
    sms: SmsEstimateView | None
    """What the text messages will be, estimated from a sample of the audience; null when there are none."""
    warnings: list[str]

    @classmethod
    def of(cls, activation: Activation) -> ActivationView:
        """The activation as callers see it."""
        return cls(
            campaign=CampaignView.of(activation.campaign),
            audience=AudienceCountView.of(activation.audience),
            channels=ChannelCountView.all_of(activation.audience),
            variables=[VariableView(v.name, v.is_known, v.missing_for) for v in activation.forecast.variables],
            sms=SmsEstimateView.of(activation.forecast.sms) if activation.forecast.sms else None,
            warnings=list(activation.warnings),
        )


class StopInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Why a campaign is stopped."""

    reason: Annotated[str, Meta(min_length=1, max_length=200, description="Shown with the campaign.")] | None = None


def _named(call: Call[Any, Any]) -> dict[str, Any]:
    return {"account_id": call.account_id, "campaign_id": call.id("campaignId", "campaign")}


@operation(
    name="activateCampaign", method="POST", path="/campaigns/{campaignId}/activate", tag="campaigns",
    permission=Permission.CAMPAIGNS_WRITE, summary="Check a draft",
    description="Answers every problem at once, or whom a start would reach and what is missing for how many.",
    data=ActivationView, statuses={409: "`CAMPAIGN_NOT_DRAFT` or `CHANNEL_NOT_CONNECTED`"}, find=find,
)  # fmt: skip
async def activate(tx: Transaction, call: Call[Nothing, Nothing]) -> ActivationView:
    """Checks a draft; schedules it when it has a start time."""
    return ActivationView.of(await activate_campaign(tx, **_named(call), links=call.edge.links))


@operation(
    name="startCampaign", method="POST", path="/campaigns/{campaignId}/start", tag="campaigns",
    permission=Permission.CAMPAIGNS_EXECUTE, summary="Start a campaign",
    description=(
        "Starts a draft or scheduled campaign over its audience as it is at this moment, and answers at once. "
        "A triggered campaign takes calls from now on. "
        "Without an `Idempotency-Key`, read the campaign before trying again: a second start is refused."
    ),
    data=StartedCampaign,
    statuses={
        409: "`CAMPAIGN_ALREADY_RUNNING`, `CAMPAIGN_PAUSED`, `CAMPAIGN_NOT_STARTABLE`, `CAMPAIGN_NOT_BOUNDED`, "
        "`CAMPAIGN_HAS_NO_LEADS`, `CHANNEL_NOT_CONNECTED` or `WORKFLOW_NOT_READY`",
        502: "A sender of the campaign does not answer; nothing was started.",
    },
    find=find,
    prepare=ask_first,
)  # fmt: skip
async def start(tx: Transaction, call: Call[Nothing, Nothing]) -> StartedCampaign:
    """Starts a campaign."""
    started = await lifecycle.start(tx, **_named(call))
    call.prepared.confirm()
    return StartedCampaign.of(started)


@operation(
    name="pauseCampaign", method="POST", path="/campaigns/{campaignId}/pause", tag="campaigns",
    permission=Permission.CAMPAIGNS_EXECUTE, summary="Pause a campaign",
    description="Once this is answered, no further message leaves until it is resumed.",
    data=CampaignView, statuses={409: "`CAMPAIGN_NOT_RUNNING`"}, find=find, promises=True,
)  # fmt: skip
async def pause(tx: Transaction, call: Call[Nothing, Nothing]) -> CampaignView:
    """Holds a campaign."""
    return CampaignView.of(await lifecycle.pause(tx, **_named(call)))


@operation(
    name="resumeCampaign", method="POST", path="/campaigns/{campaignId}/resume", tag="campaigns",
    permission=Permission.CAMPAIGNS_EXECUTE, summary="Resume a campaign",
    description="Goes on exactly where it was held. One whose end has passed meanwhile is over at once.",
    data=CampaignView, statuses={409: "`CAMPAIGN_NOT_PAUSED`"}, find=find,
)  # fmt: skip
async def resume(tx: Transaction, call: Call[Nothing, Nothing]) -> CampaignView:
    """Lets a campaign go on."""
    return CampaignView.of(await lifecycle.resume(tx, **_named(call)))


@operation(
    name="stopCampaign", method="POST", path="/campaigns/{campaignId}/stop", tag="campaigns",
    permission=Permission.CAMPAIGNS_EXECUTE, summary="Stop a campaign",
    description=(
        "Whoever was not reached is cancelled. Once this is answered, no further message leaves. A running triggered "
        "campaign takes no more calls and sends what it has taken; pause it first to hold that back too."
    ),
    body=StopInput, data=CampaignView, statuses={409: "`CAMPAIGN_NOT_STOPPABLE`"}, find=find, promises=True,
)  # fmt: skip
async def stop(tx: Transaction, call: Call[StopInput, Nothing]) -> CampaignView:
    """Ends a campaign."""
    return CampaignView.of(await lifecycle.stop(tx, **_named(call), reason=call.body.reason))


@operation(
    name="reopenCampaign", method="POST", path="/campaigns/{campaignId}/reopen", tag="campaigns",
    permission=Permission.CAMPAIGNS_WRITE, summary="Make a campaign a draft again",
    description="A scheduled, completed or stopped one, to be changed and started once more; its runs stay.",
    data=CampaignView, statuses={409: "`CAMPAIGN_NOT_REOPENABLE`"}, find=find,
)  # fmt: skip
async def reopen(tx: Transaction, call: Call[Nothing, Nothing]) -> CampaignView:
    """Makes a campaign a draft again."""
    return CampaignView.of(await lifecycle.reopen(tx, **_named(call)))


@operation(
    name="archiveCampaign", method="POST", path="/campaigns/{campaignId}/archive", tag="campaigns",
    permission=Permission.CAMPAIGNS_WRITE, summary="Archive a campaign",
    description="Puts a finished campaign away; its reports stay.", data=CampaignView,
    statuses={409: "`CAMPAIGN_NOT_FINISHED`"}, find=find,
)  # fmt: skip
async def archive(tx: Transaction, call: Call[Nothing, Nothing]) -> CampaignView:
    """Puts a campaign away."""
    return CampaignView.of(await lifecycle.archive(tx, **_named(call)))


ROUTES = [activate, start, pause, resume, stop, reopen, archive]
