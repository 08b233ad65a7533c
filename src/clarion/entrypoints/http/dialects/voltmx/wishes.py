"""What the body of a create or a modify asks for, read whole: when, to whom, and what.

The dates are the wall clock of the body's own zone, else of the account's. What came is kept with the campaign under
`voltmx` and shown again as it came. Where to read next: `messages`, `campaigns`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from clarion.application.account_settings import get_account
from clarion.application.campaign_draft import NAME_LIMIT, CampaignDraft
from clarion.application.campaign_rules import EXTRAS_LIMIT
from clarion.application.ports import Transaction
from clarion.application.senders import list_senders
from clarion.domain.campaign import CampaignKind, Category, ChannelPolicy
from clarion.domain.errors import NotFound
from clarion.domain.ids import Id
from clarion.entrypoints.http.dialects.voltmx.calls import Call
from clarion.entrypoints.http.dialects.voltmx.everyone import find_segment
from clarion.entrypoints.http.dialects.voltmx.messages import Messages, read_messages
from clarion.entrypoints.http.dialects.voltmx.moments import ZONE_LIMIT, read_date, read_zone
from clarion.entrypoints.http.dialects.voltmx.refusals import Body, objects, optional_text, refused, required_text

EXTRAS: Final = "voltmx"
"""Under which name a campaign keeps what this API said."""
RECHECK_S: Final = 60
"""How often the audience of a running campaign is read again."""
_DATE_LIMIT: Final = 100
_SENDERS: Final = 100
_SOON: Final = timedelta(seconds=1)
"""What begins within this is begun at once, because the moment has passed before it could be scheduled."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A campaign as a body describes it."""

    name: str
    start: datetime
    end: datetime
    segments: tuple[Id, ...]
    messages: Messages
    said: dict[str, Any]

    def begins(self, now: datetime) -> bool:
        """Whether it is to be running at once."""
        return not self.messages.is_empty and self.start <= now + _SOON

    def draft(self, now: datetime, extras: Mapping[str, Any]) -> CampaignDraft:
        """The same for the use case; a campaign that says nothing, or begins at once, is not scheduled."""
        messages = self.messages
        is_timed = not messages.is_empty and not self.begins(now)
        return CampaignDraft(
            name=self.name,
            kind=CampaignKind.BROADCAST,
            category=Category.MARKETING,
            groups=[],
            contacts=[],
            segments=[segment_id.hex() for segment_id in self.segments],
            sender_id=messages.sender.id.hex() if messages.sender else None,
            sms_sender_id=messages.sms_sender.id.hex() if messages.sms and messages.sms_sender else None,
            push_sender_ids=[sender.id.hex() for sender in messages.push_senders] if messages.push else [],
            channel_policy=ChannelPolicy.FIRST_AVAILABLE if messages.order else ChannelPolicy.ALL,
            email=messages.email,
            sms=messages.sms,
            push=messages.push,
            channel_order=messages.order,
            start_at=self.start if is_timed else None,
            end_at=self.end,
            recheck_seconds=RECHECK_S,
            extras={**extras, EXTRAS: self.said},
        )


async def read_wish(tx: Transaction, call: Call, before: Mapping[str, Any] | None = None) -> Wish:
    """Reads the body of a call; `before` is what was said of the campaign when it was made.

    Raises:
        Invalid: naming the first part that is missing or wrong.
    """
    body = call.body
    name = required_text(body, "name", NAME_LIMIT).strip()
    start, end = await _dates(tx, call)
    segments = await _segments(tx, call)
    settings = call.edge.app.settings
    kind = optional_text(body, "campaignType", NAME_LIMIT)
    if kind and kind not in settings.voltmx_campaign_types:
        raise refused("campaignType", "exists", "is not a campaign type")
    senders = await list_senders(tx, account_id=call.account_id, after=None, limit=_SENDERS)
    messages = read_messages(body, senders, settings.voltmx_apps)
    if not segments and not messages.is_empty:
        raise refused("campaignSegments", "required", "is missing")
    said = _said(body, messages, kind, call.principal.owner_email or call.principal.key_id.hex(), before or {})
    return Wish(name, start, end, segments, messages, said)


async def server_zone(tx: Transaction, account_id: Id) -> tzinfo:
    """The zone in which the server notes times for an account."""
    account = await get_account(tx, account_id=account_id)
    return ZoneInfo(account.timezone)


async def _dates(tx: Transaction, call: Call) -> tuple[datetime, datetime]:
    label = optional_text(call.body, "zone", ZONE_LIMIT).strip()
    zone = read_zone(label) if label else await server_zone(tx, call.account_id)
    if zone is None:
        raise refused("zone", "timezone", "must be such as GMT-05:00 or (GMT+05:30) Chennai, Kolkata")
    start, end = (_date(call.body, field, zone) for field in ("startDateStr", "endDateStr"))
    if end < start:
        raise refused("endDateStr", "afterStart", "is before startDateStr")
    return start, end


def _date(body: Body, field: str, zone: tzinfo) -> datetime:
    moment = read_date(required_text(body, field, _DATE_LIMIT), zone)
    if moment is None:
        raise refused(field, "date", "must be in the format MM/dd/yyyy hh:mm:ss aa")
    return moment


async def _segments(tx: Transaction, call: Call) -> tuple[Id, ...]:
    found: list[Id] = []
    for place, item in enumerate(objects(call.body, "campaignSegments")):
        named = item.get("segment")
        try:
            segment = await find_segment(tx, call.account_id, named if isinstance(named, dict) else {})
        except NotFound:
            raise refused(f"campaignSegments[{place}].segment", "exists", "is not a segment") from None
        found.append(segment.id)
    return tuple(dict.fromkeys(found))


def _said(body: Body, messages: Messages, kind: str, author: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a body: only fields that are read, so that nothing else can be stored with a campaign."""
    said = {
        "zone": optional_text(body, "zone", ZONE_LIMIT).strip(),
        "startDateStr": body["startDateStr"].strip(),
        "endDateStr": body["endDateStr"].strip(),
        "campaignType": kind,
        "createdBy": str(before.get("createdBy") or author),
        "lastModifiedBy": author,
        **messages.said,
    }
    if len(msgspec.json.encode(said)) > EXTRAS_LIMIT - _OTHERS:
        raise refused("body", "maxBytes", f"must be at most {(EXTRAS_LIMIT - _OTHERS) // 1024} kB")
    return said


_OTHERS: Final = 32 * 1024
"""Bytes left for what other dialects keep with the same campaign."""
