"""Deliveries: each recipient of a run, where it stands and why; as pages or as a file.

Reads only; what moves a delivery is `pipeline`. A download is read page by page and never holds the whole run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response
from msgspec import Meta

from clarion.application.ports import Transaction
from clarion.application.ports.replies import Reply
from clarion.application.runs import get_delivery, list_deliveries
from clarion.domain.access import Permission
from clarion.domain.channel import ChannelName
from clarion.domain.delivery import Attempt, Delivery, DeliveryId, DeliveryState, parse_delivery_id
from clarion.domain.errors import NotFound
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason
from clarion.entrypoints.http.api.paging import HexId, Page, PageQuery, hex_or_none, page, position
from clarion.entrypoints.http.api.runs import find
from clarion.entrypoints.http.csv_cells import CSV, csv_download, write_rows
from clarion.entrypoints.http.envelope import JSON, succeeded
from clarion.entrypoints.http.operation import Call, Nothing, direct_operation, operation, respond

_ROWS_AT_ONCE: Final = 1000
_COLUMNS: Final = (
    "id", "channel", "contactId", "address", "state", "reason", "reply", "attempts", "notBefore", "changedAt",
)  # fmt: skip


class DeliveryView(msgspec.Struct, rename="camel", kw_only=True):
    """One recipient of a run."""

    id: Annotated[str, Meta(examples=["507f1f77bcf86cd799439011-1"])]
    channel: ChannelName
    contact_id: HexId | None
    """Null for a recipient of a call who is no contact."""
    device_id: HexId | None
    """The device of a push message."""
    address: str | None
    state: DeliveryState
    reason: str | None
    reply: str | None
    """The other side's own words."""
    attempts: int
    not_before: datetime | None
    """When it is tried again."""
    changed_at: datetime

    @classmethod
    def of(cls, delivery: Delivery) -> DeliveryView:
        """The delivery as callers see it."""
        return cls(**_fields(delivery))


class AttemptView(msgspec.Struct, rename="camel", kw_only=True):
    """One try that did not end its delivery."""

    no: int
    verdict: str
    reason: str | None
    reply: str | None
    ended_at: datetime

    @classmethod
    def of(cls, attempt: Attempt) -> AttemptView:
        """The attempt as callers see it."""
        return cls(
            no=attempt.no,
            verdict=attempt.verdict,
            reason=attempt.reason,
            reply=attempt.reply,
            ended_at=attempt.ended_at,
        )


class DeliveryDetail(DeliveryView, rename="camel", kw_only=True):
    """One recipient of a run with the tries before the last, which the delivery itself shows."""

    earlier_attempts: list[AttemptView]
    sent_by: HexId | None
    """The sender of a pool that it was given to last; null where the campaign's sender has no pool."""


def _fields(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": str(delivery.id),
        "channel": delivery.channel,
        "contact_id": hex_or_none(delivery.contact_id),
        "device_id": hex_or_none(delivery.device_id),
        "address": delivery.address,
        "state": delivery.state,
        "reason": delivery.reason,
        "reply": delivery.reply,
        "attempts": delivery.attempts,
        "not_before": delivery.not_before,
        "changed_at": delivery.changed_at,
    }


class DeliveriesQuery(PageQuery, kw_only=True):
    """Which deliveries to list, and how."""

    state: DeliveryState | None = None
    reason: Reason | None = None
    channel: ChannelName | None = None
    format: Annotated[
        Literal["json", "csv"] | None,
        Meta(description="`csv` (or `Accept: text/csv`) answers every delivery as one file, without pages."),
    ] = None
    raw: Annotated[bool, Meta(description="In CSV: leave cells that look like formulas as they are.")] = False


@direct_operation(
    name="listDeliveries", method="GET", path="/runs/{runId}/deliveries", tag="runs",
    permission=Permission.MESSAGES_READ, summary="List or download the deliveries of a run",
    description="Channel after channel, in the order in which recipients were frozen.",
    query=DeliveriesQuery, data=Page[DeliveryView],
    downloads=(CSV,), find=find,
)  # fmt: skip
async def list_all(call: Call[None, DeliveriesQuery]) -> Response[Any]:
    """Answers one page, or streams them all as CSV."""
    query = call.query
    async with call.edge.database.reading() as tx:
        run_id = (await find(tx, call)).run.id
        if not _wants_csv(call):
            rows = await list_deliveries(
                tx,
                account_id=call.account_id,
                run_id=run_id,
                state=query.state,
                reason=query.reason,
                channel=query.channel,
                after=after_delivery(call),
                limit=query.limit + 1,
            )
            shown = page(call, rows, DeliveryView.of, delivery_mark)
            return respond(Reply(200, succeeded(shown), JSON))
    return csv_download(_csv_rows(call, run_id), f"run-{run_id.hex()}-deliveries.csv")


def after_delivery(call: Call[Any, Any]) -> DeliveryId | None:
    """The delivery after which the asked page begins."""
    mark = position(call)
    return None if mark is None else parse_delivery_id(mark.decode())


def delivery_mark(delivery: Delivery) -> bytes:
    """A delivery as the position in a cursor."""
    return str(delivery.id).encode()


def _wants_csv(call: Call[None, DeliveriesQuery]) -> bool:
    accept = call.request.headers.get("accept", "").lower()
    return call.query.format == "csv" or (call.query.format is None and accept.startswith(CSV))


async def _csv_rows(call: Call[None, DeliveriesQuery], run_id: Id) -> AsyncIterator[bytes]:
    yield write_rows([_COLUMNS])
    after: DeliveryId | None = None
    while True:
        async with call.edge.database.reading() as tx:
            rows = await list_deliveries(
                tx,
                account_id=call.account_id,
                run_id=run_id,
                state=call.query.state,
                reason=call.query.reason,
                channel=call.query.channel,
                after=after,
                limit=_ROWS_AT_ONCE,
            )
        if not rows:
            return
        yield write_rows((_cells(row) for row in rows), raw=call.query.raw)
        after = rows[-1].id


def _cells(delivery: Delivery) -> list[object]:
    shown = msgspec.to_builtins(DeliveryView.of(delivery))
    return [shown[column] for column in _COLUMNS]


@operation(
    name="getDelivery", method="GET", path="/runs/{runId}/deliveries/{deliveryId}", tag="runs",
    permission=Permission.MESSAGES_READ, summary="Read a delivery", description="With its earlier attempts.",
    data=DeliveryDetail,
)  # fmt: skip
async def read(tx: Transaction, call: Call[Nothing, Nothing]) -> DeliveryDetail:
    """Reads one delivery."""
    run = (await find(tx, call)).run
    named = parse_delivery_id(call.request.path_params["deliveryId"])
    if named is None or named.run_id not in {part.id for part in run.parts}:
        raise NotFound("delivery")
    delivery, attempts = await get_delivery(tx, account_id=call.account_id, delivery_id=named)
    sender_id = (await tx.health.sent_by(named.run_id, [named.seq])).get(named.seq)
    return DeliveryDetail(
        **_fields(delivery),
        earlier_attempts=[AttemptView.of(attempt) for attempt in attempts],
        sent_by=sender_id.hex() if sender_id else None,
    )


ROUTES = [list_all, read]
