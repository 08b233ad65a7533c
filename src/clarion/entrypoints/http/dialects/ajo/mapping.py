"""Adobe's names for what Clarion has, both ways: recipients and calls, ids of executions, reasons of exclusion.

Decides nothing that another dialect could need: rules are in `application.calls`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final, Literal

from clarion.application.calls import TriggerCall, TriggerRecipient
from clarion.domain.access import Principal
from clarion.domain.campaign import Category, Run, RunState
from clarion.domain.delivery import Delivery, DeliveryState
from clarion.domain.device import Platform
from clarion.domain.errors import NotFound, Problem
from clarion.domain.execution import Execution
from clarion.domain.ids import ID_BYTES, Id, as_uuid, parse_id, parse_uuid
from clarion.entrypoints.http.dialects.ajo.errors import Unreadable
from clarion.entrypoints.http.dialects.ajo.exclusions import exclusion_of
from clarion.entrypoints.http.dialects.ajo.models import (
    ChannelData,
    ExecutionResponse,
    HighThroughputCall,
    Recipient,
    RecipientOutcome,
    UnitaryCall,
    UnitaryOutcome,
)
from clarion.entrypoints.http.dialects.ajo.reading import check_texts, plain_context, plain_profile
from clarion.rendering.translation.adobe_names import facts_of_profile

UNITARY: Final = "UMA"
HIGH_THROUGHPUT: Final = "HUMA"
AUDIENCE: Final = "CMA"
_EXECUTION_ID: Final = re.compile(r"(UMA|HUMA|CMA)-([1-9][0-9]{0,28})", re.ASCII)
_PLATFORMS: Final = {"apns": Platform.IOS, "fcm": Platform.ANDROID}
_DIGITS: Final = re.compile(r"[0-9]{7,15}", re.ASCII)


def execution_id(prefix: str, id_: Id) -> str:
    """The id of an execution as callers know it: its kind and the number that its bits are."""
    return f"{prefix}-{int.from_bytes(id_, 'big')}"


def parse_execution_id(text: str, prefixes: Sequence[str]) -> Id:
    """Reads back what `execution_id` wrote. Raises `NotFound` for every other text."""
    match = _EXECUTION_ID.fullmatch(text)
    if match is None or match[1] not in prefixes or int(match[2]) >> (8 * ID_BYTES):
        raise NotFound("execution")
    return Id(int(match[2]).to_bytes(ID_BYTES, "big"))


@lru_cache(maxsize=1024)
def parse_any_id(text: str) -> Id | None:
    """An id in either of its forms: 24 digits, or the UUID of it."""
    return parse_id(text) or parse_uuid(text)


def campaign_id(text: str) -> Id:
    """The campaign a call names. Raises `NotFound` for what cannot be one."""
    found = parse_any_id(text)
    if found is None:
        raise NotFound("campaign")
    return found


def caller(principal: Principal) -> str:
    """Who made a call: whoever answers for the key, else the key."""
    return principal.owner_email or principal.key_id.hex()


def trigger_call(principal: Principal, call: UnitaryCall | HighThroughputCall, raw: bytes) -> TriggerCall:
    """The call in our own words.

    Raises:
        Unreadable: a text cannot be stored, the context is not one, or a person comes twice.
        NotFound: there can be no such campaign.
    """
    check_texts(("requestId", call.request_id))
    recipients = tuple(_recipient(number, given) for number, given in enumerate(call.recipients))
    _check_unique(call)
    return TriggerCall(
        account_id=principal.account_id,
        campaign_id=campaign_id(call.campaign_id),
        request_id=call.request_id,
        body_hash=sha256(raw).digest(),
        recipients=recipients,
        created_by=caller(principal),
        category=Category.TRANSACTIONAL,
        high_throughput=isinstance(call, HighThroughputCall),
    )


def _check_unique(call: UnitaryCall | HighThroughputCall) -> None:
    if len({(one.namespace.lower(), one.user_id) for one in call.recipients}) < len(call.recipients):
        said = {"requestId": call.request_id, "campaignId": call.campaign_id[:255]}
        raise Unreadable([Problem("recipients", "uniqueItems", "a userId comes twice")], said)


def _recipient(number: int, given: Recipient) -> TriggerRecipient:
    field = f"recipients[{number}]"
    check_texts((f"{field}.userId", given.user_id), (f"{field}.namespace", given.namespace))
    push = given.channel_data.push_info if given.channel_data else None
    return TriggerRecipient(
        namespace=given.namespace,
        value=_identity(given),
        is_external=given.type == "external",
        addresses=_addresses(field, given.channel_data) if given.channel_data else {},
        push_app=push.app_id or None if push else None,
        push_platform=_PLATFORMS.get(push.platform.lower()) if push else None,
        profile=facts_of_profile(plain_profile(f"{field}.profile", given.profile)) if given.profile else {},
        context=plain_context(f"{field}.context", given.context),
    )


def _identity(given: Recipient) -> str:
    """The identity; Adobe's phone numbers come without the plus of their country code."""
    return _number(given.user_id) if given.namespace.lower() in {"phone", "tel"} else given.user_id


def _number(text: str) -> str:
    return f"+{text}" if _DIGITS.fullmatch(text) else text


def _addresses(field: str, given: ChannelData) -> dict[str, str]:
    named = {
        "email": given.email_address,
        "sms": _number(given.mobile_phone_number) if given.mobile_phone_number else None,
        "push": given.push_info.token if given.push_info else None,
    }
    check_texts(*((f"{field}.channelData.{channel}", address) for channel, address in named.items()))
    return {channel: address for channel, address in named.items() if address}


def accepted(prefix: str, execution: Execution) -> ExecutionResponse:
    """The answer to a call that is stored."""
    return ExecutionResponse(
        execution_id=execution_id(prefix, execution.id),
        request_id=execution.request_id,
        created_at=execution.created_at,
        created_by=execution.created_by,
        modified_at=execution.created_at,
        modified_by=execution.created_by,
    )


def status_of(run: Run | None) -> Literal["Succeeded", "InProgress", "Failed"]:
    """Where the run of an audience stands; without one it could not be started."""
    if run is None or run.state in {RunState.FAILED, RunState.STOPPED}:
        return "Failed"
    return "Succeeded" if run.state is RunState.COMPLETED else "InProgress"


_STATUSES: Final[dict[DeliveryState, str]] = {
    DeliveryState.PENDING: "pending",
    DeliveryState.SENDING: "pending",
    DeliveryState.SENT: "sent",
    DeliveryState.FAILED: "error",
    DeliveryState.UNKNOWN: "unknown",
    DeliveryState.SKIPPED: "excluded",
    DeliveryState.CANCELLED: "excluded",
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.BOUNCED: "bounce",
    DeliveryState.COMPLAINED: "complaint",
}


def outcome_of(prefix: str, execution: Execution, deliveries: Sequence[Delivery]) -> UnitaryOutcome:
    """A call with what became of its recipients."""
    return UnitaryOutcome(
        execution_id=execution_id(prefix, execution.id),
        campaign_id=as_uuid(execution.campaign_id),
        request_id=execution.request_id,
        created_at=execution.created_at,
        recipients=[
            RecipientOutcome(
                channel=delivery.channel,
                address=delivery.address,
                status=_STATUSES[delivery.state],
                exclusion=exclusion_of(delivery) if _STATUSES[delivery.state] == "excluded" else None,
                reply=delivery.reply,
                changed_at=delivery.changed_at,
            )
            for delivery in deliveries
        ],
    )
