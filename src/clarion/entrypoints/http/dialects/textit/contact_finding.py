"""Which contacts a request of this API means: by UUID or URN, in its query or its body, and by group.

Nothing is changed here. Where to read next: `contacts` and `contact_actions`.
"""

from __future__ import annotations

from collections.abc import Sequence

from clarion.application.contacts import list_contacts_by_change
from clarion.application.identities import resolve
from clarion.application.names import find_groups
from clarion.application.ports import Transaction
from clarion.domain.access import Account
from clarion.domain.contact import Contact, Identity
from clarion.domain.errors import NotFound
from clarion.domain.ids import Id, parse_uuid
from clarion.entrypoints.http.dialects.textit.calls import Call
from clarion.entrypoints.http.dialects.textit.inputs import Inputs
from clarion.entrypoints.http.dialects.textit.queries import NOBODY, is_uuid
from clarion.entrypoints.http.dialects.textit.refusals import detail, no_such, of_body
from clarion.entrypoints.http.dialects.textit.urns import read_urn


def urn_in_query(call: Call, account: Account) -> Identity | None:
    """The identity that `urn` names. Raises `Refusal` when it is none."""
    text = call.query.text("urn")
    if text is None:
        return None
    found = read_urn(text, account.country)
    if found is None:
        raise detail(f"Invalid URN: {text[:300]}")
    return found


async def holder_of(tx: Transaction, call: Call, identity: Identity) -> Contact | None:
    """The contact of an identity."""
    found = await resolve(tx, account_id=call.account_id, pairs=[identity])
    return found.get(identity)


async def contact_in_query(tx: Transaction, call: Call, account: Account) -> Contact | None:
    """The contact that `uuid` or `urn` names; None when neither is given, or the URN is nobody's.

    Raises:
        NotFound: the UUID is nobody's.
        Refusal: both are given, one of them cannot be read, or the contact was deleted.
    """
    if call.query.text("uuid") and call.query.text("urn"):
        raise detail("URL can only contain one of the following parameters: urn, uuid")
    identity = urn_in_query(call, account)
    if identity is not None:
        return await holder_of(tx, call, identity)
    contact_id = call.query.uuid()
    if contact_id is None:
        return None
    found = await contacts_with(tx, call, [contact_id])
    if found:
        return found[0]
    if await list_contacts_by_change(
        tx, account_id=call.account_id, limit=1, contact_ids=[contact_id], is_deleted=True
    ):
        raise of_body("Deleted contacts can't be modified.")
    raise NotFound("contact")


async def contacts_with(tx: Transaction, call: Call, contact_ids: Sequence[Id]) -> list[Contact]:
    """Those of these contacts that are here."""
    return await list_contacts_by_change(
        tx, account_id=call.account_id, limit=len(contact_ids), contact_ids=contact_ids
    )


async def contacts_named(tx: Transaction, call: Call, inputs: Inputs, field: str, account: Account) -> list[Contact]:
    """The contacts that a list of UUIDs and URNs names, in two statements; notes those that are nobody's."""
    texts = inputs.references(field) or []
    urns = {text: urn for text in texts if not is_uuid(text) and (urn := read_urn(text, account.country))}
    ids = {text: contact_id for text in texts if (contact_id := parse_uuid(text))}
    by_id = {one.id: one for one in await contacts_with(tx, call, list(ids.values()))} if ids else {}
    by_urn = await resolve(tx, account_id=call.account_id, pairs=list(urns.values())) if urns else {}
    found = {text: by_id.get(ids[text]) if text in ids else by_urn.get(urns.get(text, ("", ""))) for text in texts}
    wrong = {str(place): [no_such(text)] for place, text in enumerate(texts) if found[text] is None}
    if wrong:
        inputs.problems[field] = wrong
    return list({one.id: one for one in found.values() if one is not None}.values())


async def groups_named(tx: Transaction, call: Call, inputs: Inputs, field: str) -> list[Id] | None:
    """The groups that a list of UUIDs and names names; None when it is not given. Notes those that are none."""
    texts = inputs.references(field)
    if texts is None:
        return None
    ids = {group_id: text for text in texts if (group_id := parse_uuid(text))}
    groups = await find_groups(tx, account_id=call.account_id, ids=list(ids), names=texts)
    by_text = {group.name.lower(): group.id for group in reversed(groups)}
    by_text |= {ids[group.id].lower(): group.id for group in groups if group.id in ids}
    wrong = {str(place): [no_such(text)] for place, text in enumerate(texts) if text.lower() not in by_text}
    if wrong:
        inputs.problems[field] = wrong
        return None
    return list(dict.fromkeys(by_text[text.lower()] for text in texts))


async def group_in_query(tx: Transaction, call: Call) -> Id | None:
    """The group that `group` names by UUID or exact name; `NOBODY` when there is none, None when it is not asked."""
    text = call.query.text("group")
    if text is None:
        return None
    group_id = parse_uuid(text)
    found = await find_groups(tx, account_id=call.account_id, ids=[group_id] if group_id else [], names=[text])
    exact = [group.id for group in found if group.id == group_id or group.name == text]
    return exact[0] if exact else NOBODY
