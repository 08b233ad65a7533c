"""Devices of contacts: register, list, delete.

Owns how a device looks to callers, never what a token may be: that is `application.devices`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from clarion.application.contacts import get_contact
from clarion.application.devices import (
    APP_LIMIT,
    DEVICES_LIMIT,
    DeviceDraft,
    delete_device,
    list_devices,
    register_device,
)
from clarion.application.ports import Transaction
from clarion.domain.access import Permission
from clarion.domain.contact import Contact
from clarion.domain.device import Device, Platform
from clarion.domain.push_address import TOKEN_LIMIT
from clarion.entrypoints.http.api.paging import Deleted, HexId
from clarion.entrypoints.http.operation import Answer, Call, Nothing, operation

Token = Annotated[
    str,
    Meta(
        min_length=1, max_length=TOKEN_LIMIT, examples=["9f4e1d0c2b3a48576a7b8c9d0e1f2a3b4c5d6e7f8091a2b3"],
        description="What the push service knows the device by: the device token of APNs in hexadecimal, the "
        "registration token of FCM, or the endpoint of a browser's subscription.",
    ),
]  # fmt: skip
Key = Annotated[str, Meta(max_length=200, description="Of a browser's subscription, in base64url; null of an app.")]


class DeviceInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A device as the app on it tells. A browser gives `endpoint` as `token`, and both of its `keys`."""

    platform: Platform
    app: Annotated[str, Meta(min_length=1, max_length=APP_LIMIT, examples=["com.example.shop"])]
    """That of the sender which is to reach it, in its `settings`."""
    token: Token
    p256dh: Key | None = None
    auth: Key | None = None


class DeviceView(msgspec.Struct, rename="camel"):
    """A stored device. It is written to while `retiredAt` is null."""

    id: HexId
    contact_id: HexId
    platform: Platform
    app: str
    token: str
    p256dh: str | None
    created_at: datetime
    last_seen_at: datetime
    """When it was registered the last time."""
    retired_at: datetime | None
    """Since when its push service knows it no longer."""
    retired_reason: str | None
    """What its push service said of it."""

    @classmethod
    def of(cls, device: Device) -> DeviceView:
        """The device as callers see it; what decrypts its messages is not shown."""
        return cls(
            id=device.id.hex(),
            contact_id=device.contact_id.hex(),
            platform=device.platform,
            app=device.app,
            token=device.token,
            p256dh=device.p256dh,
            created_at=device.created_at,
            last_seen_at=device.last_seen_at,
            retired_at=device.retired_at,
            retired_reason=device.retired_reason,
        )


class DeviceList(msgspec.Struct):
    """All devices of one contact."""

    items: list[DeviceView]


async def _find(tx: Transaction, call: Call[Any, Any]) -> Contact:
    return await get_contact(tx, account_id=call.account_id, contact_id=call.id("contactId", "contact"))


@operation(
    name="registerDevice", method="POST", path="/contacts/{contactId}/devices", tag="devices",
    permission=Permission.CONTACTS_WRITE, summary="Register a device",
    description=(
        "Call it whenever the app starts. A token of an app is one device: the same one again changes the stored one, "
        "brings it back when it was retired, and takes it over when it was another contact's."
    ),
    body=DeviceInput, data=DeviceView, status=201, find=_find,
    statuses={200: "The device was there.", 409: f"The contact has {DEVICES_LIMIT} devices."},
)  # fmt: skip
async def register(tx: Transaction, call: Call[DeviceInput, Nothing]) -> Answer:
    """Answers 201 with a new device, 200 with one that was there."""
    given = call.body
    draft = DeviceDraft(platform=given.platform, app=given.app, token=given.token, p256dh=given.p256dh, auth=given.auth)
    device, is_new = await register_device(
        tx, account_id=call.account_id, contact_id=call.id("contactId", "contact"), draft=draft
    )
    return Answer(DeviceView.of(device), 201 if is_new else 200)


@operation(
    name="listDevices", method="GET", path="/contacts/{contactId}/devices", tag="devices",
    permission=Permission.CONTACTS_READ, summary="List the devices of a contact",
    description="All of them in the order they were first registered, those retired among them.", data=DeviceList,
)  # fmt: skip
async def list_all(tx: Transaction, call: Call[Nothing, Nothing]) -> DeviceList:
    """Reads the devices of one contact."""
    found = await list_devices(tx, account_id=call.account_id, contact_id=call.id("contactId", "contact"))
    return DeviceList([DeviceView.of(device) for device in found])


@operation(
    name="deleteDevice", method="DELETE", path="/contacts/{contactId}/devices/{deviceId}", tag="devices",
    permission=Permission.CONTACTS_WRITE, summary="Delete a device",
    description="For an app whose user signs out.", data=Deleted,
)  # fmt: skip
async def delete(tx: Transaction, call: Call[Nothing, Nothing]) -> Deleted:
    """Forgets one device."""
    device_id = call.id("deviceId", "device")
    await delete_device(tx, account_id=call.account_id, contact_id=call.id("contactId", "contact"), device_id=device_id)
    return Deleted(device_id.hex())


ROUTES = [register, list_all, delete]
