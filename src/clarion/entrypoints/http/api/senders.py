"""Senders: the ways out of an account, and a test that one can be reached and logged in to.

Secrets go in and never come out again. Read `application.senders` for the rules, `sender_models` for the shapes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from clarion.application.ports import Transaction
from clarion.application.senders import create_sender, delete_sender, get_sender, list_senders, update_sender
from clarion.domain.access import Permission
from clarion.domain.errors import UpstreamFailed
from clarion.domain.outcome import Outcome, Verdict
from clarion.domain.sender import Sender
from clarion.entrypoints.http.api.paging import Deleted, Page, PageQuery, after_id, page
from clarion.entrypoints.http.api.sender_models import SenderInput, SenderPatch, SenderView
from clarion.entrypoints.http.operation import Call, Nothing, network_operation, operation


class SenderTested(msgspec.Struct, rename="camel"):
    """The provider was reached, secured and logged in to; `reply` is its greeting or last answer."""

    reachable: bool
    reply: str


async def _find(tx: Transaction, call: Call[Any, Any]) -> Sender:
    return await get_sender(tx, account_id=call.account_id, sender_id=call.id("senderId", "sender"))


@operation(
    name="createSender", method="POST", path="/senders", tag="senders", permission=Permission.SENDERS_WRITE,
    summary="Create a sender", description="Test it before the first campaign.",
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
    summary="Read a sender", description="Never its secrets.", data=SenderView,
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
    data=SenderTested, statuses={502: "It refused or cannot be reached; the message says how."}, find=_find,
)  # fmt: skip
async def test(call: Call[Nothing, Nothing]) -> SenderTested:
    """Talks to the provider."""
    async with call.edge.database.reading() as tx:
        sender = await _find(tx, call)
        sealed = await tx.senders.sealed_secrets(sender.id)
    channel = call.edge.app.channels.fresh(sender, sealed)
    try:
        return _tested(await channel.probe())
    finally:
        await channel.aclose()


def _tested(outcome: Outcome) -> SenderTested:
    if outcome.verdict is not Verdict.SENT:
        raise UpstreamFailed(f"The sender could not be used ({outcome.reason}): {outcome.reply}")
    return SenderTested(reachable=True, reply=outcome.reply)


ROUTES = [create, list_all, read, update, delete, test]
