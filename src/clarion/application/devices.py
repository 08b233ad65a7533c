"""Devices: where push messages reach a contact. An app registers its token again whenever it starts.

What a token may look like is `domain.push_address`; devices whose token a push service no longer knows are retired by
`pipeline/gone`. They are erased with their contact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from clarion.application.contact_rules import Refusal, read_line
from clarion.application.contacts import get_contact
from clarion.application.ports import Transaction
from clarion.domain.device import Device, Platform
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem
from clarion.domain.ids import Id
from clarion.domain.push_address import apns_token_fault, endpoint_fault, fcm_token_fault, keys_fault, token_key

APP_LIMIT: Final = 255
"""Characters of an app's name."""
DEVICES_LIMIT: Final = 100
"""Devices of one contact, those retired included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDraft:
    """A device as an app tells of it. `token` of a browser is the endpoint of its subscription."""

    platform: Platform
    app: str
    token: str
    p256dh: str | None = None
    auth: str | None = None


async def register_device(
    tx: Transaction, *, account_id: Id, contact_id: Id, draft: DeviceDraft
) -> tuple[Device, bool]:
    """Makes a device the contact's, and tells whether it is new. One that was another contact's moves.

    Safe to repeat because a token of an app is one device; a retired one is written to again.

    Raises:
        NotFound: the contact is unknown or another account's.
        Invalid: the app's name, the token or the keys are none.
        Conflict: `TOO_MANY_DEVICES`, the contact has 100 of them.
    """
    if await tx.contacts.lock(account_id, contact_id) is None:
        raise NotFound("contact")
    problems = list(_problems(draft))
    if problems:
        raise Invalid.of(problems)
    app = draft.app.strip(" ")
    token = token_key(draft.token) if draft.platform is Platform.IOS else draft.token
    held = await tx.devices.list_of(account_id, contact_id)
    if len(held) >= DEVICES_LIMIT and not any((one.app, one.token) == (app, token) for one in held):
        raise Conflict("TOO_MANY_DEVICES", f"The contact has {DEVICES_LIMIT} devices; delete some of them first")
    return await tx.devices.register(
        account_id,
        contact_id,
        platform=draft.platform,
        app=app,
        token=token,
        p256dh=draft.p256dh,
        auth=draft.auth,
    )


async def list_devices(tx: Transaction, *, account_id: Id, contact_id: Id) -> list[Device]:
    """Reads a contact's devices in the order they were first registered.

    Raises:
        NotFound: the contact is unknown or another account's.
    """
    await get_contact(tx, account_id=account_id, contact_id=contact_id)
    return await tx.devices.list_of(account_id, contact_id)


async def delete_device(tx: Transaction, *, account_id: Id, contact_id: Id, device_id: Id) -> None:
    """Forgets one device of a contact.

    Raises:
        NotFound: there is no such device of such a contact.
    """
    if not await tx.devices.delete(account_id, contact_id, device_id):
        raise NotFound("device")


def _problems(draft: DeviceDraft) -> Iterator[Problem]:
    app = read_line(draft.app, APP_LIMIT)
    if isinstance(app, Refusal):
        yield Problem("app", app.rule, app.message)
    fault = _TOKEN_FAULTS[draft.platform](draft.token)
    if fault is not None:
        yield Problem("token", "url" if draft.platform is Platform.WEB else "pattern", fault)
    if draft.platform is Platform.WEB:
        yield from _key_problems(draft)
        return
    for field, value in (("p256dh", draft.p256dh), ("auth", draft.auth)):
        if value is not None:
            yield Problem(field, "platform", "belongs to browsers only")


def _key_problems(draft: DeviceDraft) -> Iterator[Problem]:
    missing = [name for name, value in (("p256dh", draft.p256dh), ("auth", draft.auth)) if not value]
    for name in missing:
        yield Problem(name, "required", "is required of a browser: nothing can be encrypted to it otherwise")
    fault = None if missing else keys_fault(draft.p256dh or "", draft.auth or "")
    if fault is not None:
        yield Problem(fault.partition(" ")[0], "pattern", fault.partition(" ")[2])


_TOKEN_FAULTS: Final[dict[Platform, Callable[[str], str | None]]] = {
    Platform.IOS: apns_token_fault,
    Platform.ANDROID: fcm_token_fault,
    Platform.WEB: endpoint_fault,
}
