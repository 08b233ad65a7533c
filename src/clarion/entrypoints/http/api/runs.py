"""Runs: one execution of a campaign each, with a report counted from its deliveries.

Reads only; every number comes from the rows when it is asked for. Next: `deliveries`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from clarion.application.campaigns import get_campaign
from clarion.application.ports import Transaction
from clarion.application.runs import ChannelReport, RunReport, Tally, list_runs, report_run
from clarion.domain.access import Permission
from clarion.domain.campaign import Category, Run, RunState
from clarion.domain.channel import ChannelName
from clarion.domain.delivery import DeliveryState
from clarion.domain.errors import Invalid, NotFound, Problem
from clarion.domain.ids import Id, parse_id
from clarion.entrypoints.http.api.paging import UNKNOWN, HexId, Page, PageQuery, after_id, page
from clarion.entrypoints.http.operation import Call, Nothing, operation


class RunView(msgspec.Struct, rename="camel", kw_only=True):
    """A run."""

    id: HexId
    number: int
    """The run's name for callers that know whole numbers only."""
    campaign_id: HexId
    campaign_name: str
    ordinal: int
    """1 for the campaign's first run."""
    status: RunState
    status_reason: str | None
    category: Category
    selected_count: int
    """Its deliveries: of one channel the frozen audience, of several each person once a channel (push: a device)."""
    started_at: datetime
    finished_at: datetime | None
    test_address: str | None
    """Where every message of a test goes instead of to its recipient."""
    accepts_until: datetime | None
    """Until then calls may add recipients."""
    recheck_at: datetime | None
    """When the audience is read again."""
    removed_at: datetime | None
    """From then on its deliveries are kept no longer; its report stays."""

    @classmethod
    def of(cls, run: Run) -> RunView:
        """The run as callers see it."""
        return cls(**_run_fields(run))


class CountView(msgspec.Struct, rename="camel"):
    """How many recipients stand in one state for one reason."""

    state: DeliveryState
    reason: str | None
    count: int


class ChannelReportView(msgspec.Struct, rename="camel", kw_only=True):
    """Where the recipients on one channel stand."""

    channel: ChannelName
    selected_count: int
    counts: dict[str, int]
    """Deliveries per state; the states add up to `selectedCount`."""
    reasons: list[CountView]

    @classmethod
    def of(cls, report: ChannelReport) -> ChannelReportView:
        """The report as callers see it."""
        return cls(
            channel=report.channel,
            selected_count=report.selected_count,
            counts=_per_state(report),
            reasons=_reasons(report),
        )


class RunReportView(RunView, rename="camel", kw_only=True):
    """A run and where its recipients stand now, counted from the rows."""

    is_audience_frozen: bool
    """Whether every recipient has a delivery yet; until then those still to come count as pending."""
    counts: dict[str, int]
    """Recipients per state; the states add up to `selectedCount`."""
    reasons: list[CountView]
    channels: list[ChannelReportView]
    """The same by channel; they add up to the above."""
    rate_per_second: float
    """Messages sent per second over the run so far."""
    degraded_reason: str | None
    """Why its sender is left alone for now, having failed as a whole; null when it works."""
    rate_limited_until: datetime | None
    """A limit of the sender or the account holds the run until then; null when none does."""

    @classmethod
    def of_report(cls, report: RunReport) -> RunReportView:
        """The report as callers see it."""
        return cls(
            **_run_fields(report.run),
            is_audience_frozen=report.run.snapshot_done,
            counts=_per_state(report),
            reasons=_reasons(report),
            channels=[ChannelReportView.of(channel) for channel in report.channels],
            rate_per_second=round(report.rate_per_second, 2),
            degraded_reason=report.run.degraded_reason,
            rate_limited_until=report.run.rate_limited_until,
        )


def _run_fields(run: Run) -> dict[str, Any]:
    return {
        "id": run.id.hex(),
        "number": run.number,
        "campaign_id": run.campaign_id.hex(),
        "campaign_name": run.campaign_name,
        "ordinal": run.ordinal,
        "status": run.state,
        "status_reason": run.state_reason,
        "category": run.category,
        "selected_count": run.selected_count,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "test_address": run.test_address,
        "accepts_until": run.accepts_until,
        "recheck_at": run.recheck_at,
        "removed_at": run.removed_at,
    }


def _per_state(tally: Tally) -> dict[str, int]:
    totals = {state.value: tally.total(state) for state in DeliveryState}
    totals[DeliveryState.PENDING] += tally.selected_count - tally.frozen
    return totals


def _reasons(tally: Tally) -> list[CountView]:
    return [CountView(count.state, count.reason, count.count) for count in tally.counts if count.reason]


class OfCampaignQuery(PageQuery, kw_only=True):
    """Of which campaign to list them; of all when none is named."""

    campaign: Annotated[str, Meta(max_length=24, description="Id of their campaign.")] | None = None


async def campaign_asked_for(tx: Transaction, call: Call[Nothing, OfCampaignQuery]) -> Id | None:
    """The campaign that the query names, if it does. Raises `Invalid` when there is no such campaign."""
    text = call.query.campaign
    if text is None:
        return None
    try:
        return (await get_campaign(tx, account_id=call.account_id, campaign_id=parse_id(text) or UNKNOWN)).id
    except NotFound:
        raise Invalid(Problem("query.campaign", "exists", "there is no such campaign")) from None


async def find(tx: Transaction, call: Call[Any, Any]) -> RunReport:
    """The run in the path."""
    return await report_run(tx, account_id=call.account_id, run_id=call.id("runId", "run"))


@operation(
    name="listRuns", method="GET", path="/runs", tag="runs", permission=Permission.CAMPAIGNS_READ,
    summary="List runs", description="In order of start.", query=OfCampaignQuery, data=Page[RunView],
)  # fmt: skip
async def list_all(tx: Transaction, call: Call[Nothing, OfCampaignQuery]) -> Page[RunView]:
    """Reads one page."""
    query = call.query
    campaign_id = await campaign_asked_for(tx, call)
    runs = await list_runs(
        tx, account_id=call.account_id, campaign_id=campaign_id, after=after_id(call), limit=query.limit + 1
    )
    return page(call, runs, RunView.of, lambda run: run.id)


@operation(
    name="getRun", method="GET", path="/runs/{runId}", tag="runs", permission=Permission.CAMPAIGNS_READ,
    summary="Read a run and its report", description="Counts per state and reason, and the rate.", data=RunReportView,
)  # fmt: skip
async def read(tx: Transaction, call: Call[Nothing, Nothing]) -> RunReportView:
    """Reads one run."""
    return RunReportView.of_report(await find(tx, call))


ROUTES = [list_all, read]
