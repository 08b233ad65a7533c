"""What becomes of a group of calls with their recipients: each is stored whole or refused, whatever its neighbours are.

Recipients are looked up for the whole group at once. Whoever may not or cannot be written to is stored as skipped, as
freezing an audience does; that never fails a call. Where to read next: `pipeline.intake`, which makes the groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from clarion.application.calls import KnownCall, KnownRecipient, TriggerCall
from clarion.application.ports import Transaction
from clarion.application.ports.batches import BATCH_SIZE
from clarion.application.ports.executions import Earlier
from clarion.application.ports.intake import (
    NOBODY,
    NOWHERE,
    Advance,
    CalledCampaign,
    Found,
    NewBatch,
    NewContact,
    NewDelivery,
    NewExecution,
    OpenRun,
    Reached,
    Sought,
    Wanted,
    Writing,
)
from clarion.application.reaching import destinations
from clarion.domain.campaign import CampaignKind, CampaignState, Category
from clarion.domain.channel import ChannelName
from clarion.domain.delivery import DeliveryState
from clarion.domain.errors import ClarionError, Conflict, NotFound
from clarion.domain.execution import Execution, ExecutionKind, ExecutionState, Stretch
from clarion.domain.ids import Id, new_ids

Answer = Execution | ClarionError | None
"""What a call is answered; None when its campaign takes calls but has no open run: open one and ask again."""


@dataclass(slots=True)
class _Kept:
    """A call that is going to be stored, and what is known of its recipients."""

    place: int
    known: KnownCall
    campaign: CalledCampaign
    found: list[Found] = field(default_factory=list)
    reached: list[Reached] = field(default_factory=list)


async def accept(tx: Transaction, calls: Sequence[KnownCall]) -> list[Answer]:
    """Stores every call of a group that can be, and tells what to answer each, in their order.

    Runs in the caller's transaction; the answers are true once it has committed. Safe to repeat as a whole, because a
    group that is undone leaves nothing.
    """
    campaigns = await tx.intake.lock_open({known.call.campaign_id for known in calls})
    asked = [(one.call.campaign_id, one.call.request_id) for one in calls if one.call.request_id is not None]
    earlier = await tx.intake.earlier(asked) if asked else {}
    answers: list[Answer] = [None] * len(calls)
    kept: list[_Kept] = []
    first_with: dict[tuple[Id, str | None], int] = {}
    repeats: dict[int, int] = {}
    for place, known in enumerate(calls):
        name = (known.call.campaign_id, known.call.request_id)
        answers[place] = _answered(known, campaigns.get(known.call.campaign_id), earlier)
        if answers[place] is not None:
            continue
        if known.call.request_id is not None and first_with.setdefault(name, place) != place:
            repeats[place] = first_with[name]
        elif campaigns[known.call.campaign_id].runs:
            kept.append(_Kept(place, known, campaigns[known.call.campaign_id]))
    await _look_up(tx, kept)
    await _reach(tx, [one for one in kept if not one.campaign.is_email_alone])
    kept = [one for one in kept if not _lacks_somebody(one, answers)]
    if kept:
        for place, execution in await _store(tx, kept):
            answers[place] = execution
    for place, first in repeats.items():
        same = calls[place].call.body_hash == calls[first].call.body_hash
        answers[place] = answers[first] if same or answers[first] is None else _reused()
    return answers


def _answered(
    known: KnownCall, campaign: CalledCampaign | None, earlier: dict[tuple[Id, str], Earlier]
) -> Execution | ClarionError | None:
    """The answer to a call that is not going to be stored; None for one that is."""
    call = known.call
    if campaign is None or campaign.account_id != call.account_id:
        return NotFound("campaign")
    before = earlier.get((call.campaign_id, call.request_id)) if call.request_id is not None else None
    if before is not None:
        return before.execution if before.body_hash == call.body_hash else _reused()
    return _closed(campaign) or _unexpected(call, campaign)


def _closed(campaign: CalledCampaign) -> Conflict | None:
    """Why a campaign takes no calls now."""
    if campaign.kind is not CampaignKind.TRIGGERED:
        return Conflict("CAMPAIGN_NOT_TRIGGERED", f"The campaign is a {campaign.kind}; it takes no recipients")
    if campaign.state is not CampaignState.RUNNING:
        return Conflict("CAMPAIGN_NOT_RUNNING", f"The campaign is {campaign.state}; it takes calls while it is running")
    if campaign.is_over:
        return Conflict("CAMPAIGN_NOT_RUNNING", "The campaign has ended")
    return None


def _unexpected(call: TriggerCall, campaign: CalledCampaign) -> Conflict | None:
    """Why a campaign is not the one that the caller expects."""
    if call.category is not None and call.category is not campaign.category:
        return Conflict("CAMPAIGN_CATEGORY", f"The campaign is {campaign.category}, not {call.category}")
    if call.high_throughput is not None and call.high_throughput is not campaign.high_throughput:
        kind = "only external recipients" if campaign.high_throughput else "contacts too"
        return Conflict("CAMPAIGN_THROUGHPUT", f"The campaign is made for {kind}")
    return None


def _reused() -> Conflict:
    return Conflict("REQUEST_ID_REUSED", "This request id came before with another body")


async def _look_up(tx: Transaction, kept: Sequence[_Kept]) -> None:
    """Finds the recipients of all calls at once, and makes those contacts that are to be made."""
    everyone = [(one, recipient) for one in kept for recipient in one.known.recipients]
    wanted = [_wanted(one.campaign, recipient) for one, recipient in everyone]
    found = await tx.intake.find(wanted) if any(map(_is_asked, wanted)) else [NOBODY] * len(wanted)
    missing = [
        (one, recipient)
        for (one, recipient), known in zip(everyone, found, strict=True)
        if known.contact_id is None and recipient.namespace and one.campaign.creates_contacts
        if not one.campaign.high_throughput
    ]
    if missing:
        await tx.intake.create(_made(missing))
        found = await tx.intake.find(wanted)
    at = 0
    for one in kept:
        one.found = found[at : at + len(one.known.recipients)]
        at += len(one.found)


async def _reach(tx: Transaction, kept: Sequence[_Kept]) -> None:
    """Finds the numbers and devices of those whose campaigns write to more than email addresses."""
    sought = [_sought(one, *each) for one in kept for each in zip(one.known.recipients, one.found, strict=True)]
    found = await tx.intake.reach(sought) if sought else []
    at = 0
    for one in kept:
        one.reached = found[at : at + len(one.known.recipients)]
        at += len(one.reached)


def _sought(one: _Kept, recipient: KnownRecipient, found: Found) -> Sought:
    campaign, others = one.campaign, recipient.others
    sms, push = others.get(ChannelName.SMS), others.get(ChannelName.PUSH)
    return Sought(
        account_id=campaign.account_id,
        campaign_id=campaign.id,
        contact_id=found.contact_id,
        sms_key=sms.key if sms else None,
        push_key=push.key if push else None,
        is_marketing=campaign.category is Category.MARKETING,
    )


def _is_asked(wanted: Wanted) -> bool:
    return not (wanted.contact_id is None and wanted.namespace is None and wanted.address_key is None)


def _wanted(campaign: CalledCampaign, recipient: KnownRecipient) -> Wanted:
    is_marketing = campaign.category is Category.MARKETING
    if not campaign.high_throughput:
        named = recipient.contact_id, recipient.namespace, recipient.value
        return Wanted(campaign.account_id, campaign.id, *named, recipient.address_key, is_marketing)
    own_key = recipient.value if recipient.namespace == "email" and recipient.address is None else None
    address_key = recipient.address_key or own_key
    return Wanted(campaign.account_id, campaign.id, None, None, None, address_key, is_marketing)


def _made(missing: Iterable[tuple[_Kept, KnownRecipient]]) -> list[NewContact]:
    """The contacts to be made, each once, however many calls of the group name it."""
    names = {
        (one.campaign.account_id, str(recipient.namespace), str(recipient.value)): recipient.shown
        for one, recipient in missing
    }
    ids = new_ids(len(names))
    return [NewContact(id_, *name, shown) for id_, (name, shown) in zip(ids, sorted(names.items()), strict=True)]


def _lacks_somebody(one: _Kept, answers: list[Answer]) -> bool:
    """Whether a call names a contact that is not there; then nothing of it is stored, and it is told so."""
    if one.campaign.high_throughput:
        return False
    for number, (recipient, found) in enumerate(zip(one.known.recipients, one.found, strict=True)):
        if found.contact_id is None and (recipient.contact_id is not None or recipient.namespace is not None):
            answers[one.place] = NotFound("contact", where=f"recipients[{number}]")
            return True
    return False


async def _store(tx: Transaction, kept: Sequence[_Kept]) -> list[tuple[int, Execution]]:
    deliveries: list[NewDelivery] = []
    executions: list[NewExecution] = []
    first_of = {run.id: (run, run.next_seq) for one in kept for run in one.campaign.runs}
    for id_, one in zip(new_ids(len(kept)), kept, strict=True):
        first = [run.next_seq for run in one.campaign.runs]
        deliveries += _deliveries(one)
        executions.append(_execution(id_, one, first))
    batches = _batches(first_of, deliveries)
    advances = [Advance(run.id, run.next_seq, run.next_seq - first) for run, first in first_of.values()]
    created = await tx.intake.write(Writing(executions, deliveries, batches, advances))
    return [(one.place, _stored(one, new, created[new.id])) for one, new in zip(kept, executions, strict=True)]


def _deliveries(one: _Kept) -> list[NewDelivery]:
    """What a call comes to in the parts of its run, of which it takes the next numbers."""
    written = []
    reached = one.reached or [NOWHERE] * len(one.found)
    for recipient, found, beyond in zip(one.known.recipients, one.found, reached, strict=True):
        for to in destinations(one.campaign, recipient, found, beyond):
            state = DeliveryState.PENDING if to.reason is None else DeliveryState.SKIPPED
            written.append(
                NewDelivery(
                    to.run.id, to.run.next_seq, found.contact_id, to.address, state, to.reason, recipient.given,
                    to.device_id,
                )
            )  # fmt: skip
            to.run.next_seq += 1
    return written


def _execution(id_: Id, one: _Kept, first: Sequence[int]) -> NewExecution:
    call, (lead, *others) = one.known.call, one.campaign.runs
    parts = None
    if others:
        stretches = [(run.id.hex(), seq, run.next_seq - 1) for run, seq in zip(others, first[1:], strict=True)]
        parts = {"recipients": len(one.known.recipients), "others": stretches}
    return NewExecution(
        id=id_,
        account_id=call.account_id,
        campaign_id=call.campaign_id,
        request_id=call.request_id,
        body_hash=call.body_hash,
        run_id=lead.id,
        first_seq=first[0],
        last_seq=lead.next_seq - 1,
        created_by=call.created_by,
        parts=parts,
    )


def _stored(one: _Kept, new: NewExecution, created_at: datetime) -> Execution:
    others = new.parts["others"] if new.parts else ()
    return Execution(
        id=new.id,
        campaign_id=new.campaign_id,
        kind=ExecutionKind.RECIPIENTS,
        state=ExecutionState.TRIGGERED,
        request_id=new.request_id,
        run_id=new.run_id,
        first_seq=new.first_seq,
        last_seq=new.last_seq,
        execute_at=None,
        problem=None,
        created_by=new.created_by,
        created_at=created_at,
        recipients=len(one.known.recipients),
        others=tuple(Stretch(Id(bytes.fromhex(run_id)), first, last) for run_id, first, last in others),
    )


def _batches(first_of: dict[Id, tuple[OpenRun, int]], deliveries: Sequence[NewDelivery]) -> list[NewBatch]:
    """The batches of each run of the group: mostly one, for only people with many devices make it larger than that."""
    waiting = {
        (delivery.run_id, (delivery.seq - first_of[delivery.run_id][1]) // BATCH_SIZE)
        for delivery in deliveries
        if delivery.state == DeliveryState.PENDING
    }
    batches = []
    for run, first in first_of.values():
        for place, start in enumerate(range(first, run.next_seq, BATCH_SIZE)):
            if (run.id, place) in waiting:
                last = min(start + BATCH_SIZE, run.next_seq) - 1
                batches.append(NewBatch(run.id, run.next_batch + place, run.lane, start, last))
    return batches
