"""Whether contacts take part, changed for many at once.

Whoever stops being active leaves every group, and does not come back into them by becoming active again. Where to read
next: `domain.contact` for what each status means.
"""

from __future__ import annotations

from collections.abc import Sequence

from clarion.application.ports import Transaction
from clarion.domain.contact import ContactStatus
from clarion.domain.ids import Id


async def change_status(tx: Transaction, *, account_id: Id, contact_ids: Sequence[Id], status: ContactStatus) -> None:
    """Gives contacts a status; those that are not here are left out. Runs in the caller's transaction.

    Safe to repeat because the second call changes nothing. Batches that a worker has read already go on; whoever must
    not get even those is suppressed, which every send intent asks for.
    """
    changed = await tx.contacts.set_status(account_id, contact_ids, status)
    if status is not ContactStatus.ACTIVE:
        await tx.groups.leave_all(changed)
