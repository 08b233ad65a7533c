"""`/api/v2/broadcasts.json`: texts said to groups, contacts and URNs, sent at once; listed newest first.

Never sends anything itself. Where to read next: `application.broadcasts`, and `wording` for what a text may say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import UNSET

from clarion.application import broadcasts
from clarion.application.account_settings import get_account
from clarion.application.broadcasts import BroadcastDraft
from clarion.application.contacts import ContactDraft, save_contact
from clarion.application.identities import resolve
from clarion.application.names import find_groups
from clarion.application.ports import Transaction
from clarion.application.ports.broadcasts import BroadcastsAsked
from clarion.domain.access import Account, Permission
from clarion.domain.broadcast import Broadcast
from clarion.domain.contact import Contact, Identity
from clarion.domain.ids import Id, as_uuid
from clarion.entrypoints.http.dialect import Answers, Parameter
from clarion.entrypoints.http.dialects.textit import models, sending_mapping
from clarion.entrypoints.http.dialects.textit.calls import CURSOR, UUID, Call, Made, endpoint
from clarion.entrypoints.http.dialects.textit.contact_finding import contacts_named, groups_named
from clarion.entrypoints.http.dialects.textit.contact_mapping import full_name
from clarion.entrypoints.http.dialects.textit.inputs import REFERENCES_LIMIT, Inputs, not_a_list, too_many
from clarion.entrypoints.http.dialects.textit.pages import Page, id_in, no_rows, page_of
from clarion.entrypoints.http.dialects.textit.queries import read_number
from clarion.entrypoints.http.dialects.textit.refusals import of_body
from clarion.entrypoints.http.dialects.textit.urns import held_as, read_urn, urn_of
from clarion.entrypoints.http.dialects.textit.wording import fallback_of, heard_by, read_wording, templates_of

SAID_IN: Final = "textit"
"""Where a broadcast keeps what its caller said."""
_MOMENT: Final = {"type": "string", "format": "date-time"}


@endpoint(
    noun="broadcasts",
    method="GET",
    summary="List broadcasts, newest first",
    needs=(Permission.CAMPAIGNS_READ,),
    parameters=(
        UUID,
        CURSOR,
        Parameter(name="id", about="The number of one broadcast"),
        Parameter(name="after", about="Created at or after this moment", schema=_MOMENT),
        Parameter(name="before", about="Created at or before this moment", schema=_MOMENT),
    ),
    answers={200: Answers("A page of broadcasts", Page[models.Broadcast])},
)
async def listed(tx: Transaction, call: Call) -> Page[models.Broadcast]:
    """Lists the broadcasts that were said over this API."""
    window = call.query.window()
    if window.is_void:
        return no_rows()
    asked = BroadcastsAsked(
        said_in=SAID_IN,
        only=call.query.uuid(),
        number=read_number(call.query, "id"),
        created_from=window.after,
        created_until=window.before,
    )

    async def read(position: bytes | None, limit: int) -> list[Broadcast]:
        return await broadcasts.list_broadcasts(
            tx, account_id=call.account_id, before=id_in(position), limit=limit, asked=asked
        )

    async def view(rows: Sequence[Broadcast]) -> list[models.Broadcast]:
        return [sending_mapping.broadcast(row) for row in rows]

    return await page_of(call, "broadcasts", read, lambda row: row.id, view)


@endpoint(
    noun="broadcasts",
    method="POST",
    summary="Say a text to groups, contacts and URNs, now",
    needs=(Permission.CAMPAIGNS_WRITE, Permission.CAMPAIGNS_EXECUTE, Permission.CONTACTS_WRITE),
    body=models.BroadcastInput,
    answers={201: Answers("Made and started", models.Broadcast)},
)
async def sent(tx: Transaction, call: Call) -> object:
    """Sends a broadcast: answered at once, sent by the workers."""
    account = await get_account(tx, account_id=call.account_id)
    inputs = Inputs(call.body)
    wording = read_wording(inputs, account)
    group_ids = await groups_named(tx, call, inputs, "groups") or []
    contacts = await contacts_named(tx, call, inputs, "contacts", account)
    urns = read_urns(inputs, account)
    inputs.close()
    if not (group_ids or contacts or urns):
        raise of_body("Must provide either urns, contacts or groups.")
    called = await _called(tx, call, urns)
    fallback = fallback_of(wording, account)
    made = await broadcasts.send_broadcast(
        tx,
        account_id=call.account_id,
        draft=BroadcastDraft(
            texts=heard_by(templates_of(wording), fallback, account),
            fallback=fallback,
            group_ids=group_ids,
            contact_ids=list({contact.id: contact.id for contact in (*contacts, *called)}),
            said_in=SAID_IN,
            said={
                "text": wording.texts,
                "quick_replies": wording.quick_replies,
                "base_language": wording.base_language,
                "groups": await _groups(tx, call, group_ids),
                "contacts": [{"uuid": as_uuid(one.id), "name": full_name(one) or ""} for one in contacts],
                "urns": [urn_of(urn) for urn in urns],
            },
        ),
        links=call.edge.links,
    )
    return Made(sending_mapping.broadcast(made))


def read_urns(inputs: Inputs, account: Account) -> list[Identity]:
    """The identities in `urns`; notes those that cannot be read."""
    texts = inputs.given("urns", required=False)
    if texts is None:
        return []
    if not isinstance(texts, list):
        inputs.refuse("urns", not_a_list(texts))
        return []
    if len(texts) > REFERENCES_LIMIT:
        inputs.refuse("urns", too_many(REFERENCES_LIMIT))
        return []
    read = [read_urn(text, account.country) if isinstance(text, str) else None for text in texts]
    wrong = {
        str(place): [f"Invalid URN: {str(text)[:300]}. Ensure phone numbers contain country codes."]
        for place, (text, urn) in enumerate(zip(texts, read, strict=True))
        if urn is None
    }
    if wrong:
        inputs.problems["urns"] = wrong
    return [urn for urn in dict.fromkeys(read) if urn is not None]


async def _called(tx: Transaction, call: Call, urns: Sequence[Identity]) -> list[Contact]:
    """The contacts of these identities; whoever is unknown becomes one."""
    known = await resolve(tx, account_id=call.account_id, pairs=urns) if urns else {}
    found = list(known.values())
    for urn in urns:
        if urn not in known:
            held = held_as([urn])
            draft = ContactDraft(
                email=held.email or UNSET,
                phone=held.phone or UNSET,
                external_id=held.external_id or UNSET,
                identities=held.further or UNSET,
            )
            found.append((await save_contact(tx, account_id=call.account_id, draft=draft))[0])
    return found


async def _groups(tx: Transaction, call: Call, group_ids: Sequence[Id]) -> list[dict[str, str]]:
    groups = await find_groups(tx, account_id=call.account_id, ids=group_ids)
    return [{"uuid": as_uuid(group.id), "name": group.name} for group in groups]
