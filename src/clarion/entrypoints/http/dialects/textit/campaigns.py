"""`/api/v2/campaigns.json`: sequences, listed newest first, made and renamed.

There is no way to archive, restore or delete one here. Where to read next: `application.sequences`.
"""

from __future__ import annotations

from collections.abc import Sequence as Rows
from typing import Final, TypedDict

from clarion.application import sequences
from clarion.application.names import find_groups
from clarion.application.ports import Transaction
from clarion.domain.access import Permission
from clarion.domain.ids import Id, parse_uuid
from clarion.domain.sequence import Sequence
from clarion.entrypoints.http.dialect import Answers, Parameter
from clarion.entrypoints.http.dialects.textit import mapping, models
from clarion.entrypoints.http.dialects.textit.calls import CURSOR, UUID, Call, Made, endpoint
from clarion.entrypoints.http.dialects.textit.inputs import Inputs
from clarion.entrypoints.http.dialects.textit.pages import Page, id_in, no_rows, page_of
from clarion.entrypoints.http.dialects.textit.queries import NOBODY
from clarion.entrypoints.http.dialects.textit.refusals import no_such
from clarion.rendering.links import Links

_MOMENT: Final = {"type": "string", "format": "date-time"}


class _Said(TypedDict):
    account_id: Id
    name: str
    group_id: Id
    links: Links


@endpoint(
    noun="campaigns",
    method="GET",
    summary="List campaigns, newest first",
    needs=(Permission.CAMPAIGNS_READ,),
    parameters=(
        UUID,
        CURSOR,
        Parameter(name="after", about="Created at or after this moment", schema=_MOMENT),
        Parameter(name="before", about="Created at or before this moment", schema=_MOMENT),
    ),
    answers={200: Answers("A page of campaigns", Page[models.Campaign])},
)
async def listed(tx: Transaction, call: Call) -> Page[models.Campaign]:
    """Lists the campaigns that are not archived."""
    only, window = call.query.uuid(), call.query.window()
    if window.is_void:
        return no_rows()

    async def read(position: bytes | None, limit: int) -> list[Sequence]:
        return await sequences.list_sequences(
            tx,
            account_id=call.account_id,
            before=id_in(position),
            limit=limit,
            only=only,
            created_from=window.after,
            created_until=window.before,
        )

    async def view(rows: Rows[Sequence]) -> list[models.Campaign]:
        return [mapping.campaign(row) for row in rows]

    return await page_of(call, "campaigns", read, lambda row: row.id, view)


@endpoint(
    noun="campaigns",
    method="POST",
    summary="Make a campaign, or change the one that `uuid` names",
    needs=(Permission.CAMPAIGNS_WRITE,),
    parameters=(UUID,),
    body=models.CampaignInput,
    answers={200: Answers("Changed", models.Campaign), 201: Answers("Made", models.Campaign)},
)
async def saved(tx: Transaction, call: Call) -> object:
    """Makes a campaign, or gives one a name and a group."""
    campaign_id = call.query.uuid()
    if campaign_id is not None:
        await sequences.get_sequence(tx, account_id=call.account_id, campaign_id=campaign_id)
    inputs = Inputs(call.body)
    name = inputs.name()
    group_id = await group_named(tx, call, inputs, "group")
    inputs.close()
    said = _Said(account_id=call.account_id, name=name or "", group_id=group_id, links=call.edge.links)
    if campaign_id is None:
        return Made(mapping.campaign(await sequences.create_sequence(tx, **said)))
    return mapping.campaign(await sequences.update_sequence(tx, campaign_id=campaign_id, **said))


async def group_named(tx: Transaction, call: Call, inputs: Inputs, field: str) -> Id:
    """The group a field names by its UUID or its name; notes when there is none."""
    text = inputs.reference(field)
    if text is None:
        return NOBODY
    group_id = parse_uuid(text)
    found = await find_groups(tx, account_id=call.account_id, ids=[group_id] if group_id else [], names=[text])
    if not found:
        inputs.refuse(field, no_such(text))
        return NOBODY
    return found[0].id
