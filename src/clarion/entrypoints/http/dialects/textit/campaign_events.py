"""`/api/v2/campaign_events.json`: the steps of campaigns, made, changed in place and deleted; not fired yet.

Holds the vendor's words for each rule. Where to read next: `application.campaign_events`.
"""

from __future__ import annotations

from collections.abc import Sequence as Rows
from typing import Final

from clarion.application import campaign_events as steps
from clarion.application.account_settings import get_account
from clarion.application.campaign_events import OWN_DATES, CampaignEventDraft
from clarion.application.contact_fields import list_fields
from clarion.application.ports import Transaction
from clarion.application.sequences import list_sequences
from clarion.domain.access import Permission
from clarion.domain.campaign_event import CampaignEvent, EventUnit
from clarion.domain.ids import Id, parse_uuid
from clarion.entrypoints.http.dialect import Answers, Parameter
from clarion.entrypoints.http.dialects.textit import mapping, models
from clarion.entrypoints.http.dialects.textit.calls import CURSOR, UUID, Call, Made, endpoint
from clarion.entrypoints.http.dialects.textit.inputs import Inputs
from clarion.entrypoints.http.dialects.textit.pages import Page, id_in, page_of
from clarion.entrypoints.http.dialects.textit.queries import NOBODY, is_uuid, required_uuid
from clarion.entrypoints.http.dialects.textit.refusals import no_such, of_body, of_field
from clarion.entrypoints.http.dialects.textit.texts import read_texts

_UNITS: Final = tuple(unit.value for unit in EventUnit)
_HOUR_LEAST, _HOUR_MOST = steps.HOURS[0], steps.HOURS[-1]


@endpoint(
    noun="campaign_events",
    method="GET",
    summary="List campaign events, newest first",
    needs=(Permission.CAMPAIGNS_READ,),
    parameters=(UUID, CURSOR, Parameter(name="campaign", about="The UUID or the exact name of a campaign")),
    answers={200: Answers("A page of campaign events", Page[models.CampaignEvent])},
)
async def listed(tx: Transaction, call: Call) -> Page[models.CampaignEvent]:
    """Lists the events that are not deleted; those of archived campaigns too."""
    only, campaign = call.query.uuid(), call.query.text("campaign")
    by_id = campaign is not None and is_uuid(campaign)
    names = await _field_names(tx, call)

    async def read(position: bytes | None, limit: int) -> list[CampaignEvent]:
        return await steps.list_campaign_events(
            tx,
            account_id=call.account_id,
            before=id_in(position),
            limit=limit,
            only=only,
            campaign_id=parse_uuid(campaign or "") or NOBODY if by_id else None,
            campaign_name=None if by_id else campaign,
        )

    async def view(rows: Rows[CampaignEvent]) -> list[models.CampaignEvent]:
        return [mapping.campaign_event(row, names) for row in rows]

    return await page_of(call, "campaign events", read, lambda row: row.id, view)


@endpoint(
    noun="campaign_events",
    method="POST",
    summary="Make a campaign event, or change the one that `uuid` names",
    needs=(Permission.CAMPAIGNS_WRITE,),
    parameters=(UUID,),
    body=models.CampaignEventInput,
    answers={200: Answers("Changed", models.CampaignEvent), 201: Answers("Made", models.CampaignEvent)},
)
async def saved(tx: Transaction, call: Call) -> object:
    """Makes an event, or overwrites one; a change may leave its campaign out, but not name another one."""
    event_id = call.query.uuid()
    event = event_id and await steps.get_campaign_event(tx, account_id=call.account_id, event_id=event_id)
    inputs = Inputs(call.body)
    campaign_id = await _campaign(tx, call, inputs, event or None)
    draft = await _draft(tx, call, inputs)
    names = await _field_names(tx, call)
    if event:
        changed = await steps.update_campaign_event(tx, account_id=call.account_id, event_id=event.id, draft=draft)
        return mapping.campaign_event(changed, names)
    made = await steps.create_campaign_event(tx, account_id=call.account_id, campaign_id=campaign_id, draft=draft)
    return Made(mapping.campaign_event(made, names))


@endpoint(
    noun="campaign_events",
    method="DELETE",
    summary="Delete a campaign event",
    needs=(Permission.CAMPAIGNS_WRITE,),
    parameters=(UUID,),
    answers={204: Answers("Deleted")},
)
async def deleted(tx: Transaction, call: Call) -> None:
    """Deletes one event."""
    await steps.delete_campaign_event(tx, account_id=call.account_id, event_id=required_uuid(call.query))


async def _campaign(tx: Transaction, call: Call, inputs: Inputs, event: CampaignEvent | None) -> Id:
    text = inputs.reference("campaign", required=event is None)
    if text is None:
        return event.campaign_id if event else NOBODY
    campaign_id = parse_uuid(text)
    known = campaign_id and await list_sequences(tx, account_id=call.account_id, before=None, limit=1, only=campaign_id)
    if not campaign_id or not known:
        inputs.refuse("campaign", no_such(text))
        return NOBODY
    if event and campaign_id != event.campaign_id:
        inputs.refuse("campaign", "Cannot change campaign for existing events")
    return campaign_id


async def _draft(tx: Transaction, call: Call, inputs: Inputs) -> CampaignEventDraft:
    account = await get_account(tx, account_id=call.account_id)
    relative_to = inputs.reference("relative_to")
    if relative_to is not None and relative_to not in OWN_DATES | await _field_names(tx, call):
        inputs.refuse("relative_to", no_such(relative_to))
    offset = inputs.whole("offset")
    unit = inputs.choice("unit", _UNITS)
    delivery_hour = inputs.whole("delivery_hour", _HOUR_LEAST, _HOUR_MOST)
    message = read_texts(inputs, "message", account.languages[0])
    flow = inputs.reference("flow", required=False)
    if flow is not None:
        inputs.refuse("flow", no_such(flow))
    inputs.close()
    if message is None:
        raise of_body("Flow or a message text required.")
    if account.languages[0] not in message:
        raise of_field("message", "Message text in default flow language is required.")
    return CampaignEventDraft(
        relative_to=relative_to or "",
        offset=offset or 0,
        unit=EventUnit(unit or "days"),
        delivery_hour=-1 if delivery_hour is None else delivery_hour,
        message=message,
    )


async def _field_names(tx: Transaction, call: Call) -> dict[str, str]:
    return {field.key: field.name for field in await list_fields(tx, account_id=call.account_id)}
