"""One more run of a campaign: over its audience, over another one, over part of it, or as a test to its sender.

The one start of a campaign's life is in `campaign_verbs`; this may be called again and again. Next: `runs`.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from clarion.application.ports import Transaction
from clarion.application.starts import CONTEXT_LIMIT, ONLY_LIMIT, StartedRun, email_keys, start_run
from clarion.domain.access import Permission
from clarion.domain.channel import ChannelName
from clarion.entrypoints.http.api.campaign_verbs import AudienceCountView, ChannelCountView
from clarion.entrypoints.http.api.campaigns import ask_first, find
from clarion.entrypoints.http.api.paging import HexId, as_ids
from clarion.entrypoints.http.api.runs import RunView
from clarion.entrypoints.http.api.trigger_models import Groups, Segments
from clarion.entrypoints.http.operation import Call, Nothing, operation

Address = Annotated[str, Meta(min_length=1, max_length=320, examples=["ada@lovelace.example"])]


class RunAudienceInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An audience instead of the campaign's own."""

    groups: Groups = []
    segments: Segments = []


class TestAddresses(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Where a test goes by other channels than email; a channel without an address is left out of it."""

    __test__ = False

    sms: Annotated[str, Meta(min_length=1, max_length=50, description="A number in E.164.")] | None = None
    push: Annotated[HexId, Meta(description="Id of a device.")] | None = None

    def by_channel(self) -> dict[ChannelName, str]:
        """Those that were given."""
        said = {ChannelName.SMS: self.sms, ChannelName.PUSH: self.push}
        return {channel: address for channel, address in said.items() if address is not None}


class RunInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Whom the run is for. Without anything: the campaign's whole audience."""

    addresses: (
        Annotated[list[Address], Meta(min_length=1, max_length=ONLY_LIMIT, description="Of the audience, only these.")]
        | None
    ) = None
    audience: RunAudienceInput | None = None
    context: (
        Annotated[
            dict[str, Any],
            Meta(description=f"Seen by templates as `context`; at most {CONTEXT_LIMIT // 1024} kB as JSON."),
        ]
        | None
    ) = None
    is_test: Annotated[
        bool, Meta(description="Needs `addresses`: renders with their data; emails go to the sender's address alone.")
    ] = False
    test_addresses: TestAddresses = msgspec.field(default_factory=TestAddresses)


class StartedRunView(msgspec.Struct, rename="camel"):
    """A started run."""

    run: RunView
    audience: AudienceCountView
    channels: list[ChannelCountView]
    unmatched: list[str]
    """Addresses, in their canonical spelling, that are not of the audience: nothing is sent to them."""

    @classmethod
    def of(cls, started: StartedRun) -> StartedRunView:
        """The start as callers see it."""
        audience = started.audience
        counted, channels = AudienceCountView.of(audience), ChannelCountView.all_of(audience)
        return cls(RunView.of(started.run), counted, channels, list(started.unmatched))


@operation(
    name="startRun", method="POST", path="/campaigns/{campaignId}/runs", tag="campaigns",
    permission=Permission.CAMPAIGNS_EXECUTE, summary="Start one more run",
    description=(
        "A campaign that is a draft, scheduled, running or completed runs once more; several runs may be under way. "
        "An `Idempotency-Key` keeps a repeated request from being another run."
    ),
    body=RunInput, data=StartedRunView, status=201,
    statuses={
        409: "`CAMPAIGN_PAUSED`, `CAMPAIGN_NOT_STARTABLE`, `CAMPAIGN_NOT_BOUNDED`, `CAMPAIGN_NOT_RUNNING`, "
        "`CAMPAIGN_HAS_NO_LEADS`, `CHANNEL_NOT_CONNECTED` or `WORKFLOW_NOT_READY`",
        502: "A sender of the campaign does not answer; nothing was started.",
    },
    find=find,
    prepare=ask_first,
)  # fmt: skip
async def start(tx: Transaction, call: Call[RunInput, Nothing]) -> StartedRunView:
    """Opens one more run."""
    given = call.body
    started = await start_run(
        tx,
        account_id=call.account_id,
        campaign_id=call.id("campaignId", "campaign"),
        only=None if given.addresses is None else email_keys(given.addresses, "addresses"),
        context=given.context,
        is_test=given.is_test,
        test_addresses=given.test_addresses.by_channel(),
        groups=None if given.audience is None else as_ids(given.audience.groups, "audience.groups"),
        segments=None if given.audience is None else as_ids(given.audience.segments, "audience.segments"),
    )
    call.prepared.confirm()
    return StartedRunView.of(started)


ROUTES = [start]
