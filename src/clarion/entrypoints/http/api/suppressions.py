"""Suppressions: addresses we must not write to.

An address is recognised in every spelling by its canonical key, which is made in `application.suppressions`.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from clarion.application.ports import Transaction
from clarion.application.suppressions import (
    ADDRESSES_AT_ONCE,
    SOURCE_LIMIT,
    find_suppression,
    import_suppressions,
    lift_suppression,
    list_suppressions,
    suppress,
)
from clarion.domain.access import Permission
from clarion.domain.channel import ChannelName
from clarion.domain.errors import NotFound
from clarion.domain.suppression import Suppression, SuppressionReason
from clarion.entrypoints.http.api.paging import Deleted, Page, PageQuery, page, position
from clarion.entrypoints.http.operation import Answer, Call, Nothing, operation

Address = Annotated[str, Meta(min_length=1, max_length=320, examples=["ada@lovelace.example"])]
Source = Annotated[str, Meta(max_length=SOURCE_LIMIT, description="Where this is known from.")]


class SuppressionInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An address to suppress, in any spelling."""

    address: Address
    channel: ChannelName = ChannelName.EMAIL
    reason: SuppressionReason = SuppressionReason.MANUAL
    source: Source = ""


class SuppressionsInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Addresses to suppress together."""

    addresses: Annotated[list[Address], Meta(min_length=1, max_length=ADDRESSES_AT_ONCE)]
    channel: ChannelName = ChannelName.EMAIL
    reason: SuppressionReason = SuppressionReason.MANUAL
    source: Source = ""


class SuppressionView(msgspec.Struct, rename="camel"):
    """A stored suppression. `unsubscribed` blocks marketing only; every other reason blocks all messages."""

    id: str
    channel: ChannelName
    address: str
    """The address in its canonical spelling, by which all its spellings are recognised."""
    reason: SuppressionReason
    source: str
    created_at: datetime

    @classmethod
    def of(cls, suppression: Suppression) -> SuppressionView:
        """The suppression as callers see it."""
        return cls(
            id=id_of(suppression.channel, suppression.address_key),
            channel=suppression.channel,
            address=suppression.address_key,
            reason=suppression.reason,
            source=suppression.source,
            created_at=suppression.created_at,
        )


class SuppressionsAdded(msgspec.Struct, rename="camel"):
    """How many were not suppressed for so strong a reason before."""

    added: int


class SuppressionsQuery(PageQuery, kw_only=True):
    """Which suppressions to list."""

    channel: ChannelName | None = None
    address: (
        Annotated[str, Meta(max_length=320, description="One address, in any spelling; needs `channel`.")] | None
    ) = None


def mark_of(channel: ChannelName, address_key: str) -> bytes:
    """What a suppression is found by, as the position in a cursor."""
    return f"{channel}\0{address_key}".encode()


def place(raw: bytes) -> tuple[ChannelName, str]:
    """Reads back what `mark_of` wrote. Raises `ValueError` for anything else."""
    channel, _, key = raw.decode().partition("\0")
    return ChannelName(channel), key


def id_of(channel: ChannelName, address_key: str) -> str:
    """The same as an id in a path."""
    return urlsafe_b64encode(mark_of(channel, address_key)).rstrip(b"=").decode()


def named(text: str) -> tuple[ChannelName, str]:
    """What an id in a path stands for. Raises `NotFound` for what cannot be one."""
    try:
        return place(urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)))
    except ValueError:
        raise NotFound("suppression") from None


def _position(suppression: Suppression) -> bytes:
    return mark_of(suppression.channel, suppression.address_key)


@operation(
    name="addSuppression", method="POST", path="/suppressions", tag="suppressions",
    permission=Permission.CONTACTS_WRITE, summary="Suppress an address",
    description="Holds for the next message of every running campaign. A weaker reason never replaces a stronger one.",
    body=SuppressionInput, data=SuppressionView, status=201, promises=True,
    statuses={200: "It was suppressed for at least as strong a reason already."},
)  # fmt: skip
async def add(tx: Transaction, call: Call[SuppressionInput, Nothing]) -> Answer:
    """Suppresses one address."""
    given = call.body
    is_new = await suppress(
        tx,
        account_id=call.account_id,
        channel=given.channel,
        address=given.address,
        reason=given.reason,
        source=given.source,
    )
    stored = await find_suppression(tx, account_id=call.account_id, channel=given.channel, address=given.address)
    return Answer(SuppressionView.of(stored), 201 if is_new else 200)


@operation(
    name="importSuppressions", method="POST", path="/suppressions/import", tag="suppressions",
    permission=Permission.CONTACTS_WRITE, summary="Suppress many addresses",
    description="All or none; every address that is none is named.",
    body=SuppressionsInput, data=SuppressionsAdded, promises=True,
)  # fmt: skip
async def add_many(tx: Transaction, call: Call[SuppressionsInput, Nothing]) -> SuppressionsAdded:
    """Suppresses many addresses."""
    given = call.body
    added = await import_suppressions(
        tx,
        account_id=call.account_id,
        channel=given.channel,
        addresses=given.addresses,
        reason=given.reason,
        source=given.source,
    )
    return SuppressionsAdded(added)


@operation(
    name="listSuppressions", method="GET", path="/suppressions", tag="suppressions",
    permission=Permission.CONTACTS_READ, summary="List suppressions", description="Ordered by channel and address.",
    query=SuppressionsQuery, data=Page[SuppressionView],
)  # fmt: skip
async def list_all(tx: Transaction, call: Call[Nothing, SuppressionsQuery]) -> Page[SuppressionView]:
    """Reads one page, or the suppression of one address."""
    query = call.query
    if query.address is not None:
        channel = query.channel or ChannelName.EMAIL
        try:
            found = await find_suppression(tx, account_id=call.account_id, channel=channel, address=query.address)
        except NotFound:
            return Page([], None)
        return Page([SuppressionView.of(found)], None)
    at = position(call)
    after = None if at is None else place(at)
    rows = await list_suppressions(
        tx, account_id=call.account_id, after=after, limit=query.limit + 1, channel=query.channel
    )
    return page(call, rows, SuppressionView.of, _position)


@operation(
    name="liftSuppression", method="DELETE", path="/suppressions/{suppressionId}", tag="suppressions",
    permission=Permission.CONTACTS_WRITE, summary="Lift a suppression",
    description="The address may be written to again. Lift `unsubscribed` only when the person asked for it.",
    data=Deleted,
)  # fmt: skip
async def lift(tx: Transaction, call: Call[Nothing, Nothing]) -> Deleted:
    """Lifts one suppression."""
    channel, address = named(call.request.path_params["suppressionId"])
    await lift_suppression(tx, account_id=call.account_id, channel=channel, address=address)
    return Deleted(call.request.path_params["suppressionId"])


ROUTES = [add, add_many, list_all, lift]
