"""Storage of devices. A token of an app is one device of an account, whoever registered it last.

Implemented by the store of the same name. Where to read next: `application.devices`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clarion.domain.device import Device, Platform
from clarion.domain.ids import Id


class Devices(Protocol):
    """The devices of all accounts; every method but `retire` is given the account and sees nothing else."""

    async def register(
        self,
        account_id: Id,
        contact_id: Id,
        *,
        platform: Platform,
        app: str,
        token: str,
        p256dh: str | None,
        auth: str | None,
    ) -> tuple[Device, bool]:
        """Stores a device, or takes one with this token over as it is given now; tells whether it is new."""
        ...

    async def get(self, account_id: Id, device_id: Id) -> Device | None:
        """Reads one device of the account."""
        ...

    async def list_of(self, account_id: Id, contact_id: Id) -> list[Device]:
        """Reads a contact's devices in the order they were first registered, those retired among them."""
        ...

    async def delete(self, account_id: Id, contact_id: Id, device_id: Id) -> bool:
        """Forgets one device of a contact; False when it has no such device."""
        ...

    async def retire(self, gone: Sequence[tuple[Id, int, str]]) -> None:
        """Retires the devices to which deliveries went, each for its reason, but for those registered again since."""
        ...

    async def erase(self, contact_id: Id) -> None:
        """Forgets the devices of a contact."""
        ...
