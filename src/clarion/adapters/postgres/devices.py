"""Stores the devices of contacts.

Erasing a contact removes its devices in `application.contacts`; who is written to on which is the freezing of a run.
Where to read next: `application.devices`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from clarion.adapters.postgres.connection import Connection, columns
from clarion.domain.device import Device, Platform
from clarion.domain.ids import Id, new_id

_DEVICE: Final = (
    "id, contact_id, platform, app, token, p256dh, auth, created_at, last_seen_at, retired_at, retired_reason"
)

# index: device_once. A token is long, so its digest stands in the index.
_REGISTER: Final = f"""
INSERT INTO device (id, account_id, contact_id, platform, app, token, p256dh, auth)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (account_id, app, md5(token)) DO UPDATE
SET contact_id = excluded.contact_id, platform = excluded.platform, p256dh = excluded.p256dh, auth = excluded.auth,
    last_seen_at = now(), retired_at = NULL, retired_reason = NULL
RETURNING {_DEVICE}
"""

# index: device_pkey.
_GET: Final = f"SELECT {_DEVICE} FROM device WHERE id = $2 AND account_id = $1"

# index: device_by_contact.
_LIST: Final = f"SELECT {_DEVICE} FROM device WHERE contact_id = $2 AND account_id = $1 ORDER BY id"

# index: device_pkey.
_DELETE: Final = "DELETE FROM device WHERE id = $3 AND contact_id = $2 AND account_id = $1 RETURNING true"

# index: delivery_pkey, device_pkey. What was registered after the message went is not what the answer was about.
_RETIRE: Final = """
UPDATE device AS v SET retired_at = now(), retired_reason = left(g.reason, 200)
FROM unnest($1::bytea[], $2::int[], $3::text[]) AS g (run_id, seq, reason)
CROSS JOIN LATERAL (SELECT device_id, changed_at FROM delivery WHERE run_id = g.run_id AND seq = g.seq LIMIT 1) AS d
WHERE v.id = d.device_id AND v.retired_at IS NULL AND v.last_seen_at <= d.changed_at
"""

# index: device_by_contact.
_ERASE: Final = "DELETE FROM device WHERE contact_id = $1"


class DeviceStore:
    """Implements `application.ports.devices.Devices` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

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
        id_ = new_id()
        row = await self._connection.fetchrow(
            _REGISTER, id_, account_id, contact_id, platform, app, token, p256dh, auth
        )
        device = _device(row)
        return device, device.id == id_

    async def get(self, account_id: Id, device_id: Id) -> Device | None:
        """Reads one device of the account."""
        row = await self._connection.fetchrow(_GET, account_id, device_id)
        return _device(row) if row else None

    async def list_of(self, account_id: Id, contact_id: Id) -> list[Device]:
        """Reads a contact's devices in the order they were first registered."""
        return [_device(row) for row in await self._connection.fetch(_LIST, account_id, contact_id)]

    async def delete(self, account_id: Id, contact_id: Id, device_id: Id) -> bool:
        """Forgets one device of a contact."""
        return bool(await self._connection.fetchval(_DELETE, account_id, contact_id, device_id))

    async def retire(self, gone: Sequence[tuple[Id, int, str]]) -> None:
        """Retires the devices to which deliveries went, but for those registered again since."""
        await self._connection.execute(_RETIRE, *columns(gone))

    async def erase(self, contact_id: Id) -> None:
        """Forgets the devices of a contact."""
        await self._connection.execute(_ERASE, contact_id)


def _device(row: Any) -> Device:  # noqa: ANN401 - a driver's record
    fields = dict(row)
    return Device(**fields | {"platform": Platform(fields["platform"])})
