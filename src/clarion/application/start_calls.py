"""Starting a campaign by a call that nobody waits for: a webhook, an alert, a button that is clicked twice.

Such a caller sends no key that tells a repeated call from a second one, and reads nothing but success. So the same call
while the first is under way, or in the moment after its answer, is the same start; and what a person should know of a
start is given as a notice. Where to read next: `starts`, which opens the run.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from clarion import telemetry
from clarion.application.notices import give_notice
from clarion.application.ports import Database, Transaction
from clarion.application.ports.start_calls import Arrival, KeptStart
from clarion.application.starts import StartedRun, start_run
from clarion.application.way_out import WayOut
from clarion.domain.campaign import Campaign
from clarion.domain.errors import Conflict, Unavailable
from clarion.domain.ids import Id, new_id
from clarion.rendering.faults import LanguageFault
from clarion.rendering.language import read_template
from clarion.rendering.nodes import variables_of

SAME_WITHIN_S: Final = 0.25
"""A call that comes this soon after the same one was answered is that one again: a double click."""
REPEAT_WINDOW_S: Final = 3600.0
"""A campaign that is started again this soon is started again, and a notice says so."""
_ASKED: Final = 5
"""Times the database is asked at most when a call came."""
_NAMED: Final = 10
"""Addresses and keys that a notice names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCall:
    """What a call asks. `door` is where it came in; `only` and `context` are those of `start_run`.

    `began_s` is when it came, by `time.monotonic`.
    """

    account_id: Id
    campaign: Campaign
    door: str
    only: tuple[str, ...] | None = None
    context: Mapping[str, Any] | None = None
    is_test: bool = False
    created_by: str = ""
    began_s: float

    @property
    def body_hash(self) -> bytes:
        """What two calls must have in common to be the same, besides the campaign."""
        only = None if self.only is None else sorted(set(self.only))
        said = [self.door, only, self.is_test, dict(self.context or {})]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest()


async def start_by_call(database: Database, call: StartCall, way_out: WayOut) -> None:
    """Starts a campaign once for this call, however often it comes while it is worked on; a later one starts again.

    The start is durable when this returns. A campaign without a sender is accepted and sends nothing, which the log and
    a notice tell.

    Raises:
        NotFound: the campaign is gone.
        Conflict: with a code for the state or the missing part that keeps it from starting.
        Invalid: a test without addresses, too many of them, or too much context.
        UpstreamFailed: the way out does not answer.
    """

    async def work(tx: Transaction) -> Id | None:
        arrival = await _arrival(tx, call)
        if await tx.start_calls.hold(call.campaign.id, call.body_hash, arrival, SAME_WITHIN_S):
            return None
        start_id = await _start(tx, call)
        way_out.confirm()
        return start_id

    start_id = await database.retrying(work)
    if start_id is None:
        return
    try:
        async with database.transaction() as tx:
            await tx.start_calls.answered(start_id)
    except Unavailable:
        pass  # the start is stored; it only counts as answered a little earlier than it was


async def _arrival(tx: Transaction, call: StartCall) -> Arrival:
    """When the call came, and the last same start before it.

    A call seems as much too late as the question is under way; so it is asked again where that may have been long.
    """
    answers: list[Arrival] = []
    took_s = SAME_WITHIN_S
    while took_s > SAME_WITHIN_S / 2 and len(answers) < _ASKED:
        asked_s = time.monotonic()
        answers.append(await tx.start_calls.arrive(call.campaign.id, call.body_hash, asked_s - call.began_s))
        took_s = time.monotonic() - asked_s
    return Arrival(min(answer.at for answer in answers), answers[0].last)


async def _start(tx: Transaction, call: StartCall) -> Id:
    """Starts the campaign, keeps the start and gives the notices it calls for."""
    account_id, campaign_id = call.account_id, call.campaign.id
    started = await _opened(tx, call)
    start = KeptStart(
        id=new_id(),
        account_id=account_id,
        campaign_id=campaign_id,
        body_hash=call.body_hash,
        run_id=started.run.id if started else None,
        created_by=call.created_by,
    )
    await tx.start_calls.add(start)
    if started and started.unmatched:
        await _tell_unknown(tx, call, started.unmatched)
    await _tell_unused(tx, call)
    if not call.is_test and await tx.start_calls.was_started(campaign_id, start.id, REPEAT_WINDOW_S):
        message = f"The campaign was started more than once within {REPEAT_WINDOW_S / 60:.0f} minutes"
        await give_notice(tx, account_id=account_id, campaign_id=campaign_id, kind="startRepeated", message=message)
    return start.id


async def _opened(tx: Transaction, call: StartCall) -> StartedRun | None:
    """The run; None when the campaign has no sender."""
    account_id, campaign_id = call.account_id, call.campaign.id
    try:
        return await start_run(
            tx,
            account_id=account_id,
            campaign_id=campaign_id,
            only=call.only,
            context=call.context,
            is_test=call.is_test,
        )
    except Conflict as refused:
        if refused.code != "CHANNEL_NOT_CONNECTED":
            raise
    telemetry.logger().error(telemetry.Event.START_WITHOUT_SENDER, campaign_id=campaign_id.hex())
    message = "The campaign was started but has no sender, so nothing was sent"
    await give_notice(tx, account_id=account_id, campaign_id=campaign_id, kind="senderMissing", message=message)
    return None


async def _tell_unknown(tx: Transaction, call: StartCall, unmatched: tuple[str, ...]) -> None:
    campaign_id = call.campaign.id
    telemetry.logger().warning(
        telemetry.Event.START_ADDRESSES_UNKNOWN, campaign_id=campaign_id.hex(), addresses=len(unmatched)
    )
    message = f"{len(unmatched)} of the addresses a start named are not of the audience: {_listed(unmatched)}"
    await give_notice(tx, account_id=call.account_id, campaign_id=campaign_id, kind="addressesUnknown", message=message)


async def _tell_unused(tx: Transaction, call: StartCall) -> None:
    """Tells of context that the message does not look up, and logs what it looks up in vain."""
    wanted = context_keys(call.campaign)
    given = frozenset(call.context or {})
    if wanted == given:
        return
    campaign_id = call.campaign.id
    telemetry.logger().warning(
        telemetry.Event.START_CONTEXT_UNUSED,
        campaign_id=campaign_id.hex(),
        unused=_listed(sorted(given - wanted)),
        missing=_listed(sorted(wanted - given)),
    )
    if given - wanted:
        message = f"A start gave values that the message does not use: {_listed(sorted(given - wanted))}"
        await give_notice(
            tx, account_id=call.account_id, campaign_id=campaign_id, kind="contextUnused", message=message
        )


def context_keys(campaign: Campaign) -> frozenset[str]:
    """The keys of `context` that the campaign's email looks up, deeper ones as `order.id`."""
    found: set[str] = set()
    email = campaign.email
    for source in (email.subject, email.html, email.text or "") if email else ():
        try:
            found |= variables_of(read_template(source))
        except LanguageFault:
            continue  # what is stored was readable when it was saved
    return frozenset(name.removeprefix("context.") for name in found if name.startswith("context."))


def _listed(names: tuple[str, ...] | list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(name[:80] for name in names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
