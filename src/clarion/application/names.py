"""Names that must differ by more than their capitals, and finding groups by them.

The rule is asked for by callers whose APIs have it; where it is not, names only differ. Where to read next: `groups`.
"""

from __future__ import annotations

from collections.abc import Collection

from clarion.application.ports import Transaction
from clarion.application.ports.names import Named
from clarion.domain.errors import Conflict
from clarion.domain.ids import Id
from clarion.domain.sequence import GroupName

__all__ = ["Named", "find_groups", "require_room", "require_unlike"]


async def require_unlike(
    tx: Transaction, *, account_id: Id, kind: Named, name: str, apart_from: Id | None = None
) -> None:
    """Keeps a name from being given twice, also by two calls at once. Runs in the caller's transaction.

    Raises:
        Conflict: `NAME_TAKEN` when another one of the kind has the name, in any spelling of capitals.
    """
    await tx.names.hold(account_id)
    if any(holder != apart_from for holder in await tx.names.holders(account_id, kind, name)):
        raise Conflict("NAME_TAKEN", f"Another {kind} of the account has this name")


async def require_room(tx: Transaction, *, account_id: Id, kind: Named, limit: int) -> None:
    """Keeps an account from having more of a kind than a limit.

    Raises:
        Conflict: `LIMIT_REACHED`.
    """
    if await tx.names.count(account_id, kind) >= limit:
        raise Conflict("LIMIT_REACHED", f"The account has {limit} of the kind {kind} already")


async def find_groups(
    tx: Transaction, *, account_id: Id, ids: Collection[Id] = (), names: Collection[str] = ()
) -> list[GroupName]:
    """The groups of these ids or names; for a name, the spelling that was asked for comes before any other."""
    found = await tx.names.groups(account_id, list(ids), list(names))
    return sorted(found, key=lambda group: group.name not in names)
