"""Senders: the SMTP relays of an account, and a test that one can be reached and logged in to.

A password goes in and never comes out again. Read `application.senders` for the rules.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from clarion.application.pace_rules import (
    CAP_LIMIT,
    DAYS_LIMIT,
    DOMAINS_LIMIT,
    FACTOR_LEAST,
    FACTOR_LIMIT,
    RATE_LEAST,
    RATE_LIMIT,
    WarmUpDraft,
)
from clarion.application.ports import Transaction
from clarion.application.senders import (
    CREDENTIAL_LIMIT,
    NAME_LIMIT,
    WEIGHT_LIMIT,
    SenderDraft,
    create_sender,
    delete_sender,
    get_sender,
    list_senders,
    update_sender,
)
from clarion.domain.access import Permission
from clarion.domain.errors import UpstreamFailed
from clarion.domain.health import Health
from clarion.domain.outcome import Outcome, Verdict
from clarion.domain.sender import DEFAULT_CONNECTIONS, MAX_CONNECTIONS_LIMIT, Security, Sender
from clarion.entrypoints.http.api.paging import Deleted, HexId, Page, PageQuery, after_id, page
from clarion.entrypoints.http.operation import Call, Nothing, network_operation, operation

Host = Annotated[str, Meta(min_length=1, max_length=253, examples=["smtp.relay.example"])]
Port = Annotated[int, Meta(ge=1, le=65535, examples=[587])]
Credential = Annotated[str, Meta(min_length=1, max_length=CREDENTIAL_LIMIT)]
FromAddress = Annotated[str, Meta(min_length=1, max_length=512, examples=["Clarion <news@sender.example>"])]
Connections = Annotated[int, Meta(ge=1, le=MAX_CONNECTIONS_LIMIT, description="Per worker process.")]
Rate = Annotated[float, Meta(ge=RATE_LEAST, le=RATE_LIMIT, description="Messages per second; null is no limit.")]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT, examples=["Main relay"])]

DomainRates = Annotated[
    dict[str, Annotated[float, Meta(ge=RATE_LEAST, le=RATE_LIMIT)]],
    Meta(
        max_length=DOMAINS_LIMIT,
        description="Messages per second by recipient domain; given anew it replaces all of them.",
        examples=[{"mail.example": 20}],
    ),
]
Messages = Annotated[int, Meta(ge=1, le=CAP_LIMIT)]
PerDay = Annotated[list[Messages], Meta(min_length=1, max_length=DAYS_LIMIT, examples=[[50, 100, 200]])]
StartsOn = Annotated[date, Meta(description="The first day of the plan, in UTC; today when left out.")]
Growth = Annotated[float, Meta(ge=FACTOR_LEAST, le=FACTOR_LIMIT, description="How many times the day before.")]
DailyCap = Annotated[Messages, Meta(description="Messages a day, which begins at midnight UTC; null is no cap.")]


Pool = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=NAME_LIMIT,
        description="Senders of one pool carry each other's mail; they send for the same domain.",
        examples=["newsletters"],
    ),
]
Weight = Annotated[int, Meta(ge=1, le=WEIGHT_LIMIT, description="How much of its pool's mail goes by it.")]


class WarmUpInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A plan by which the daily cap grows: `perDay`, or `start`, `factor` and `until` of which it is made."""

    starts_on: StartsOn | None = None
    per_day: PerDay | None = None
    start: Annotated[Messages, Meta(description="Messages of the first day.")] | None = None
    factor: Growth | None = None
    until: Annotated[Messages, Meta(description="Messages of the last day.")] | None = None

    def draft(self) -> WarmUpDraft:
        """The same for the use case."""
        return WarmUpDraft(**{name: getattr(self, name) for name in self.__struct_fields__})


class SenderPatch(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Changes to a sender. What is left out stays as it is; null clears a field."""

    name: Name | UnsetType = UNSET
    host: Host | UnsetType = UNSET
    port: Port | UnsetType = UNSET
    security: Security | UnsetType = UNSET
    username: Credential | UnsetType | None = UNSET
    password: Annotated[Credential, Meta(description="Kept encrypted and never shown.")] | UnsetType | None = UNSET
    from_address: FromAddress | UnsetType = UNSET
    max_connections: Connections | UnsetType = UNSET
    rate_per_second: Rate | UnsetType | None = UNSET
    domain_rates: DomainRates | UnsetType | None = UNSET
    daily_cap: DailyCap | UnsetType | None = UNSET
    warm_up: WarmUpInput | UnsetType | None = UNSET
    pool: Pool | UnsetType | None = UNSET
    weight: Weight | UnsetType = UNSET

    def draft(self) -> SenderDraft:
        """The same for the use case."""
        said = {name: getattr(self, name) for name in self.__struct_fields__}
        if isinstance(self.warm_up, WarmUpInput):
            said["warm_up"] = self.warm_up.draft()
        return SenderDraft(**said)


class SenderInput(SenderPatch, kw_only=True):
    """A new sender: an SMTP relay."""

    name: Name
    host: Host
    port: Port
    security: Annotated[Security, Meta(description="A login is sent over TLS only, except on loopback.")]
    from_address: FromAddress
    max_connections: Connections = DEFAULT_CONNECTIONS


class WarmUpView(msgspec.Struct, rename="camel"):
    """A warm-up plan, day by day."""

    starts_on: date
    per_day: list[int]


class ShutView(msgspec.Struct, rename="camel"):
    """Why a sender is left alone for now: it failed as a whole. It is tried again at `nextTryAt`."""

    reason: str
    reply: str
    since: datetime
    next_try_at: datetime | None

    @classmethod
    def of(cls, health: Health | None) -> ShutView | None:
        """None for a sender that is used."""
        if health is None or not health.is_shut:
            return None
        return cls(health.reason, health.reply, health.since, health.next_try_at)


class SenderView(msgspec.Struct, rename="camel", kw_only=True):
    """A stored sender without its password."""

    id: HexId
    name: str
    host: str
    port: int
    security: Security
    username: str | None
    from_address: str
    max_connections: int
    rate_per_second: float | None
    domain_rates: dict[str, float]
    daily_cap: int | None
    warm_up: WarmUpView | None
    pool: str | None
    weight: int
    shut: ShutView | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, sender: Sender) -> SenderView:
        """The sender as callers see it."""
        return cls(
            id=sender.id.hex(),
            name=sender.name,
            host=sender.relay.host,
            port=sender.relay.port,
            security=sender.relay.security,
            username=sender.relay.username,
            from_address=sender.from_address,
            max_connections=sender.relay.max_connections,
            rate_per_second=sender.rate_per_second,
            domain_rates=dict(sender.domain_rates),
            daily_cap=sender.daily_cap,
            warm_up=WarmUpView(sender.warm_up.starts_on, list(sender.warm_up.per_day)) if sender.warm_up else None,
            pool=sender.pool,
            weight=sender.weight,
            shut=ShutView.of(sender.health),
            created_at=sender.created_at,
            updated_at=sender.updated_at,
        )


class SenderTested(msgspec.Struct, rename="camel"):
    """The relay was reached, secured and logged in to; `reply` is its greeting or last answer."""

    reachable: bool
    reply: str


async def _find(tx: Transaction, call: Call[Any, Any]) -> Sender:
    return await get_sender(tx, account_id=call.account_id, sender_id=call.id("senderId", "sender"))


@operation(
    name="createSender", method="POST", path="/senders", tag="senders", permission=Permission.SENDERS_WRITE,
    summary="Create a sender", description="An SMTP relay. Test it before the first campaign.",
    body=SenderInput, data=SenderView, status=201, statuses={409: "`SENDER_NAME_TAKEN`"},
)  # fmt: skip
async def create(tx: Transaction, call: Call[SenderInput, Nothing]) -> SenderView:
    """Makes a sender."""
    draft, sealer = call.body.draft(), call.edge.app.sealer
    return SenderView.of(await create_sender(tx, account_id=call.account_id, draft=draft, sealer=sealer))


@operation(
    name="listSenders", method="GET", path="/senders", tag="senders", permission=Permission.SENDERS_READ,
    summary="List senders", description="In order of creation.", query=PageQuery, data=Page[SenderView],
)  # fmt: skip
async def list_all(tx: Transaction, call: Call[Nothing, PageQuery]) -> Page[SenderView]:
    """Reads one page."""
    senders = await list_senders(tx, account_id=call.account_id, after=after_id(call), limit=call.query.limit + 1)
    return page(call, senders, SenderView.of, lambda sender: sender.id)


@operation(
    name="getSender", method="GET", path="/senders/{senderId}", tag="senders", permission=Permission.SENDERS_READ,
    summary="Read a sender", description="Never its password.", data=SenderView,
)  # fmt: skip
async def read(tx: Transaction, call: Call[Nothing, Nothing]) -> SenderView:
    """Reads one sender."""
    return SenderView.of(await _find(tx, call))


@operation(
    name="updateSender", method="PATCH", path="/senders/{senderId}", tag="senders",
    permission=Permission.SENDERS_WRITE, summary="Change a sender",
    description="Running campaigns use it as it is from their next batch on.",
    body=SenderPatch, data=SenderView, statuses={409: "`SENDER_NAME_TAKEN`"}, find=_find,
)  # fmt: skip
async def update(tx: Transaction, call: Call[SenderPatch, Nothing]) -> SenderView:
    """Changes a sender."""
    changed = await update_sender(
        tx,
        account_id=call.account_id,
        sender_id=call.id("senderId", "sender"),
        draft=call.body.draft(),
        sealer=call.edge.app.sealer,
    )
    return SenderView.of(changed)


@operation(
    name="deleteSender", method="DELETE", path="/senders/{senderId}", tag="senders",
    permission=Permission.SENDERS_WRITE, summary="Delete a sender", description="One that no campaign names.",
    data=Deleted, statuses={409: "`SENDER_IN_USE`"},
)  # fmt: skip
async def delete(tx: Transaction, call: Call[Nothing, Nothing]) -> Deleted:
    """Deletes a sender."""
    sender_id = call.id("senderId", "sender")
    await delete_sender(tx, account_id=call.account_id, sender_id=sender_id)
    return Deleted(sender_id.hex())


@network_operation(
    name="testSender", method="POST", path="/senders/{senderId}/test", tag="senders",
    permission=Permission.SENDERS_WRITE, summary="Test a sender",
    description="Connects, secures the connection, logs in and leaves; sends nothing.",
    data=SenderTested, statuses={502: "The relay refused or cannot be reached; the message says how."}, find=_find,
)  # fmt: skip
async def test(call: Call[Nothing, Nothing]) -> SenderTested:
    """Talks to the relay."""
    async with call.edge.database.reading() as tx:
        sender = await _find(tx, call)
        sealed = await tx.senders.sealed_password(sender.id)
    channel = call.edge.app.channels.fresh(sender, sealed)
    try:
        return _tested(await channel.probe())
    finally:
        await channel.aclose()


def _tested(outcome: Outcome) -> SenderTested:
    if outcome.verdict is not Verdict.SENT:
        raise UpstreamFailed(f"The relay could not be used ({outcome.reason}): {outcome.reply}")
    return SenderTested(reachable=True, reply=outcome.reply)


ROUTES = [create, list_all, read, update, delete, test]
