"""`/api/v2/contact_actions.json`: one thing done to up to a hundred contacts.

Where to read next: `application.contact_status`, and `contact_finding` for how contacts are named.
"""

from __future__ import annotations

from typing import Final

from clarion.application import groups
from clarion.application.account_settings import get_account
from clarion.application.contact_status import change_status
from clarion.application.contacts import delete_contact
from clarion.application.ports import Transaction
from clarion.domain.access import Permission
from clarion.domain.contact import Contact, ContactStatus
from clarion.domain.ids import Id, as_uuid
from clarion.entrypoints.http.dialect import Answers
from clarion.entrypoints.http.dialects.textit import models
from clarion.entrypoints.http.dialects.textit.calls import Call, endpoint
from clarion.entrypoints.http.dialects.textit.campaigns import group_named
from clarion.entrypoints.http.dialects.textit.contact_finding import contacts_named
from clarion.entrypoints.http.dialects.textit.inputs import Inputs
from clarion.entrypoints.http.dialects.textit.refusals import of_body

_GROUPING: Final = ("add", "remove")
_ACTIONS: Final = (*_GROUPING, "block", "unblock", "interrupt", "archive_messages", "delete", "archive")


@endpoint(
    noun="contact_actions",
    method="POST",
    summary="Do one thing to up to a hundred contacts",
    needs=(Permission.CONTACTS_WRITE,),
    scope="v2.contacts",
    body=models.ContactActionInput,
    answers={204: Answers("Done")},
    is_promise=True,
)
async def done(tx: Transaction, call: Call) -> None:
    """Does it. There are no dialogues to interrupt and no messages to archive: those actions change nothing."""
    account = await get_account(tx, account_id=call.account_id)
    inputs = Inputs(call.body)
    action = inputs.choice("action", _ACTIONS)
    inputs.given("contacts")
    contacts = await contacts_named(tx, call, inputs, "contacts", account) if "contacts" in inputs else []
    if inputs.said.get("contacts") == []:
        inputs.refuse("contacts", "Contacts can't be empty.")
    has_group = inputs.said.get("group") is not None
    group_id = await group_named(tx, call, inputs, "group") if has_group else None
    inputs.close()
    _check(action or "", contacts, has_group=has_group)
    await _act(tx, call.account_id, action or "", [contact.id for contact in contacts], group_id)


def _check(action: str, contacts: list[Contact], *, has_group: bool) -> None:
    if action in _GROUPING and not has_group:
        raise of_body(f'For action "{action}" you should also specify a group')
    if action not in _GROUPING and has_group:
        raise of_body(f'For action "{action}" you should not specify a group')
    strangers = [contact for contact in contacts if contact.status is not ContactStatus.ACTIVE]
    if action == "add" and strangers:
        raise of_body(f"Non-active contacts cannot be added to groups: {', '.join(as_uuid(s.id) for s in strangers)}")


async def _regroup(tx: Transaction, account_id: Id, action: str, contact_ids: list[Id], group_id: Id) -> None:
    change = groups.add_members if action == "add" else groups.remove_members
    await change(tx, account_id=account_id, group_id=group_id, contact_ids=contact_ids)
    await tx.contacts.touch(account_id, contact_ids)


async def _act(tx: Transaction, account_id: Id, action: str, contact_ids: list[Id], group_id: Id | None) -> None:
    if group_id:
        await _regroup(tx, account_id, action, contact_ids, group_id)
    elif action in ("block", "unblock"):
        status = ContactStatus.BLOCKED if action == "block" else ContactStatus.ACTIVE
        await change_status(tx, account_id=account_id, contact_ids=contact_ids, status=status)
    elif action == "delete":
        for contact_id in contact_ids:
            await delete_contact(tx, account_id=account_id, contact_id=contact_id)
